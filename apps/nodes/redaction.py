"""Takes secrets out of what a node returns and logs, in every form in which another side may give them back."""

import base64
import logging
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from operator import itemgetter
from typing import Any

import orjson
import re2

from apps.engine.outcomes import AskPeople, Deferred, Failed, Gathered, Iterate, NodeError, Outcome, StartChild, Succeeded
from apps.nodes.secret import MASK, Secret

# A shorter text stands in too many others by chance.
SHORTEST_SOUGHT = 4
KEPT_FINDERS = 512
LONGEST_PATTERN = 200
_SAFE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_NAMED = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos"}
_MASKED_IN_JSON = frozenset("\"'/\\")
_SHORT_IN_JSON = {"\n": "n", "\r": "r", "\t": "t", "\b": "b", "\f": "f"}

# (length of a form of a secret, what finds it): itself, where nobody writes any of its signs in another way, else a pattern.
Finder = tuple[int, Any]


class Redactor:
    """Replaces the secrets of one node run by `•••`: as they are, and as base64, URL-encoded, hex, JSON and HTML texts.

    Falsy while it knows none.
    """

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        self._finders: tuple[Finder, ...] = ()
        for secret in secrets:
            self.add(secret)

    def __bool__(self) -> bool:
        return bool(self._finders)

    def __repr__(self) -> str:
        return f"Redactor({len(self._finders)} forms)"

    def add(self, secret: Secret) -> None:
        """Look for this one too from now on: a token that was fetched meanwhile."""
        # The longest first: a form may hold a shorter one.
        self._finders = tuple(sorted({*self._finders, *_finders_of(secret.reveal())}, key=itemgetter(0), reverse=True))

    def text(self, text: str) -> str:
        """The text without secrets."""
        for _, finder in self._finders:
            text = MASK.join(text.split(finder) if isinstance(finder, str) else finder.split(text))
        return text

    def json(self, value: Any) -> Any:
        """A JSON value without secrets in its texts, names and numbers; the value itself where it holds none."""
        if not self._finders:
            return value
        # A pattern knows how JSON writes what it looks for, so that most values need to be looked through only once, as one text.
        written = orjson.dumps(value).decode()
        return self._walk(value) if self.text(written) != written else value

    def outcome(self, outcome: Outcome) -> Outcome:
        """The outcome of a node without secrets."""
        match outcome:
            case Succeeded():
                return replace(outcome, output=self.json(outcome.output), variables=self.json(dict(outcome.variables)))
            case Failed(error=error):
                return replace(outcome, error=self._error(error))
            case Deferred():
                return replace(outcome, state=self.json(outcome.state))
            case Iterate(items=items):
                return outcome if items is None else replace(outcome, items=self.json(list(items)))
            case StartChild():
                return replace(outcome, input=self.json(dict(outcome.input)))
            case AskPeople():
                return replace(outcome, task=self.json(dict(outcome.task)))
            case Gathered():
                return outcome

    def _error(self, error: NodeError) -> NodeError:
        return replace(error, message=self.text(error.message), details=self.json(dict(error.details)))

    def _walk(self, value: Any) -> Any:
        match value:
            case str():
                return self.text(value)
            case dict():
                return {self.text(name): self._walk(inner) for name, inner in value.items()}
            case list() | tuple():
                return [self._walk(inner) for inner in value]
            case int() | float() if not isinstance(value, bool) and self.text(written := orjson.dumps(value).decode()) != written:
                return MASK
        return value


NO_SECRETS = Redactor()


@lru_cache(KEPT_FINDERS)
def _finders_of(text: str) -> tuple[Finder, ...]:
    data = text.encode()
    forms = {text, data.hex(), data.hex().upper(), *_base64_forms(data)}
    pieces = {piece for form in forms if len(form) >= SHORTEST_SOUGHT for piece in _pieces(form)}
    return tuple(map(_finder_of, pieces))


def _pieces(form: str) -> list[str]:
    """A long text in parts, since patterns have to be small; each part is secret by itself.

    Forms that begin alike are cut alike, or parts of one would be torn out of parts of another.
    """
    if _SAFE.issuperset(form):
        return [form]
    ends = [*range(LONGEST_PATTERN, len(form) - LONGEST_PATTERN // 2, LONGEST_PATTERN), len(form)]
    return [form[start:end] for start, end in pairwise([0, *ends])]


def _base64_forms(data: bytes) -> set[str]:
    """How the bytes look inside the base64 text of something longer, which may begin at any of three places before them.

    Characters that also depend on the bytes around are left out.
    """
    if len(data) < SHORTEST_SOUGHT:
        return set()
    forms = {base64.b64encode(data).decode()}
    for before in range(3):
        written = base64.b64encode(bytes(before) + data).decode()
        whole = 4 * ((before + len(data)) // 3) + ((before + len(data)) % 3) * 8 // 6
        forms.add(written[-(-before * 8 // 6) : whole])
    return forms | {form.translate(str.maketrans("+/", "-_")) for form in forms}


def _finder_of(form: str) -> Finder:
    if _SAFE.issuperset(form):
        return len(form), form
    # RE2 takes linear time, whatever the secret and the text: neither is ours to choose.
    return len(form), re2.compile("".join(_exactly(sign) if sign in _SAFE else _ways_to_write(sign) for sign in form))


def _ways_to_write(sign: str) -> str:
    """A pattern for one sign as it is, and as URLs, JSON texts and HTML write it; URLs and JSON also in one another, a few times."""
    units = sign.encode("utf-16-be").hex()
    ways = [
        r"\\{0,7}" + _exactly(sign) if sign in _MASKED_IN_JSON else _exactly(sign),
        "".join(f"%(?:25){{0,3}}(?i:{byte:02x})" for byte in sign.encode()),
        "".join(rf"\\{{1,8}}u(?i:{units[at : at + 4]})" for at in range(0, len(units), 4)),
        rf"\\{{1,8}}(?:U(?i:{ord(sign):08x})|x(?i:{ord(sign):02x}))",  # Python
        f"&#0{{0,5}}{ord(sign)};",
        f"&#[xX]0{{0,5}}(?i:{ord(sign):x});",
    ]
    if sign in _NAMED:
        ways.append(f"&{_NAMED[sign]};")
    if sign in _SHORT_IN_JSON:
        ways.append(rf"\\{{1,8}}{_SHORT_IN_JSON[sign]}")
    if sign == " ":
        ways.append(_exactly("+"))
    return f"(?:{'|'.join(ways)})"


def _exactly(sign: str) -> str:
    return f"\\x{{{ord(sign):x}}}"


_active: dict[int, Redactor] = {}
_lock = threading.Lock()


@contextmanager
def redacting_logs(redactor: Redactor) -> Iterator[None]:
    """While inside, log records of this process go through the redactor, whichever thread writes them."""
    with _lock:
        _active[id(redactor)] = redactor
    try:
        yield
    finally:
        with _lock:
            _active.pop(id(redactor), None)


_formatter = logging.Formatter()


class RedactingFilter(logging.Filter):
    """Filter of log handlers: takes out the secrets of the node runs that are under way."""

    def filter(self, record: logging.LogRecord) -> bool:
        if _active:
            with _lock:
                redactors = list(_active.values())
            _redact(record, redactors)
        return True


def _redact(record: logging.LogRecord, redactors: list[Redactor]) -> None:
    try:
        message = record.getMessage()
    except (TypeError, ValueError):
        return  # the handler reports it
    record.msg, record.args = _clean(message, redactors), ()
    if record.exc_info:
        record.exc_text = record.exc_text or _formatter.formatException(record.exc_info)
        record.exc_info = None  # other formatters would write the exception anew
    if record.exc_text:
        record.exc_text = _clean(record.exc_text, redactors)
    if record.stack_info:
        record.stack_info = _clean(record.stack_info, redactors)


def _clean(text: str, redactors: list[Redactor]) -> str:
    for redactor in redactors:
        text = redactor.text(text)
    return text
