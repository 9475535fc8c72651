"""What the body of a request with a definition may look like."""

from collections.abc import Mapping
from typing import Any

from rest_framework.request import Request
from rest_framework.views import APIView

from apps.core.api.parsers import JsonParser, YamlParser
from apps.core.api.serializers import InputSerializer


class DefinitionView(APIView):
    """A view that reads definitions, as JSON or as YAML."""

    parser_classes = (JsonParser, YamlParser)


def read(request: Request, kind: type[InputSerializer]) -> dict[str, Any]:
    """The checked body. A bare definition, which is how files hold them, is read as {"definition": it}.

    Beside a bare definition, the other fields may stand in the query string: `?publish=true`.
    """
    body = request.data
    if isinstance(body, Mapping) and "nodes" in body and "definition" not in body:
        body = {**request.query_params.dict(), "definition": body}
    serializer = kind(data=body)
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data  # type: ignore[no-any-return]
