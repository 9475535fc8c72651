"""What the bodies look like that have to do with a definition."""

from collections.abc import Mapping
from typing import Any

from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.api.parsers import JsonParser, YamlParser
from apps.core.api.serializers import InputSerializer
from apps.workflows.actions import Saved
from apps.workflows.api.serializers import VersionOutput


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


def saved_version(saved: Saved) -> Response:
    """The answer to a save of any kind: 201 with the new version, or 200 with the one that has this content already."""
    version = saved.version
    warnings = [problem.as_json() for problem in saved.warnings]
    body = {**VersionOutput(version).data, "created": saved.created, "merged": saved.merged, "warnings": warnings}
    address = reverse("version", args=[version.workflow_id, version.number])
    return Response(body, status=201 if saved.created else 200, headers={"Location": address})
