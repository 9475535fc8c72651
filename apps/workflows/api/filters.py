"""What a list of workflows may be narrowed to, in the query string."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from apps.core.api.pagination import NewestFirst
from apps.core.api.serializers import InputSerializer
from apps.core.api.sorted_pages import SortedPages
from apps.workflows.listing import NO_FOLDER, Filters

PAGE_PARAMETERS = frozenset({"cursor", "limit"})
SORTS = {"created_at": ("created_at", True), "updated_at": ("updated_at", True), "name": ("name", False)}
MAX_TAGS = 20


class FiltersQuery(InputSerializer):
    workspace = serializers.UUIDField(required=False)
    folder = serializers.CharField(max_length=64, required=False, help_text='A folder\'s id, or "none" for those in no folder.')
    recursive = serializers.BooleanField(required=False, help_text="With what lies in the folders below it.")
    tag = serializers.ListField(
        child=serializers.CharField(max_length=64),
        max_length=MAX_TAGS,
        required=False,
        help_text="Name or id; given twice, both are needed.",
    )
    favourite = serializers.BooleanField(required=False)
    shared_with_me = serializers.BooleanField(required=False, help_text="Only what somebody shared with the caller or a team of theirs.")
    archived = serializers.ChoiceField(choices=["false", "true", "all"], required=False, help_text="false: without those, which is usual.")
    published = serializers.BooleanField(required=False)
    search = serializers.CharField(
        max_length=200, required=False, allow_blank=True, help_text="Words in name, description, tags, and names and types of nodes."
    )

    def validate_folder(self, value: str) -> Any:
        return value if value == NO_FOLDER else serializers.UUIDField().run_validation(value)


class WorkflowsQuery(FiltersQuery):
    node_type = serializers.CharField(
        max_length=128, required=False, help_text="Those alone that use this node type in their newest or published version."
    )
    sort = serializers.ChoiceField(
        choices=list(SORTS), required=False, default="created_at", help_text="Instants: the latest first. Names: by code point."
    )


class GroupsQuery(FiltersQuery):
    by = serializers.ChoiceField(choices=["tag", "folder"])


def read(request: Request, kind: type[InputSerializer]) -> dict[str, Any]:
    """The checked query string, in which `tag` may stand more than once; without what pages read."""
    sent: dict[str, Any] = {name: value for name, value in request.query_params.items() if name not in PAGE_PARAMETERS}
    if "tag" in sent:
        sent["tag"] = request.query_params.getlist("tag")
    serializer = kind(data=sent)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def filters_of(data: dict[str, Any]) -> Filters:
    tags = tuple(data.pop("tag", ()))
    return Filters(**data, tags=tags)


def read_filters(request: Request) -> tuple[Filters, NewestFirst]:
    """The filters of a list, and its pages in the order that was asked for."""
    data = read(request, WorkflowsQuery)
    data.pop("node_type", None)  # asked of the versions; see `queries.using_node_type`
    column, is_downward = SORTS[data.pop("sort")]
    return filters_of(data), SortedPages(column, is_downward=is_downward)
