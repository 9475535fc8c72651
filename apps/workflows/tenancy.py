"""What workflows have to do with the people of a workspace."""

from uuid import UUID

from apps.workflows.models import Grant, Workflow


def count_workflows(workspace_id: UUID) -> int:
    return Workflow.objects.filter(workspace_id=workspace_id).count()


def take_back_grants(workspace_id: UUID, user_id: UUID) -> None:
    """End what was shared with a person in a workspace that they leave."""
    Grant.objects.filter(workspace_id=workspace_id, user_id=user_id).delete()
