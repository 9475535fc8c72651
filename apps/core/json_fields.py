"""How JSON columns are read."""

from json import JSONDecoder
from typing import Any

import orjson


class JsonDecoder(JSONDecoder):
    """`decoder` of a JSONField: by orjson, in half the time.

    PostgreSQL writes 1e23 out as an integer of 24 digits. The standard library reads that as an integer, which no answer could hold; here
    it becomes the number again that was stored.
    """

    def decode(self, s: str, _w: Any = None) -> Any:
        return orjson.loads(s)
