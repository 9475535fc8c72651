"""Variables that executions leave behind."""

from django.contrib import admin
from django.utils.safestring import SafeString

from apps.core.admin import IdSearch, ReadOnlyAdmin, pretty_json
from apps.executions.models import WorkflowVariable


@admin.register(WorkflowVariable)
class WorkflowVariableAdmin(IdSearch, ReadOnlyAdmin):
    id_field = "workflow_id"
    list_display = ("name", "workflow", "updated_at")
    list_select_related = ("workflow",)
    heavy_fields = ("value",)
    page_select_related = ("workflow",)
    search_fields = ("name__exact", "workflow__name")
    search_help_text = "Name, id of a workflow, or a part of its name"
    ordering = ("workflow", "name")
    fields = ("workflow", "name", "pretty_value", "execution", "updated_at")
    readonly_fields = fields

    @admin.display(description="value")
    def pretty_value(self, variable: WorkflowVariable) -> SafeString:
        return pretty_json(variable.value)
