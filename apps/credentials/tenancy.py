"""What credentials have to do with the people of a workspace."""

from uuid import UUID

from apps.credentials.models import Credential, CredentialGrant


def count_credentials(workspace_id: UUID) -> int:
    return Credential.objects.filter(workspace_id=workspace_id).count()


def take_back_grants(workspace_id: UUID, user_id: UUID) -> None:
    """End what was shared with a person of a workspace's credentials when they leave it."""
    CredentialGrant.objects.filter(credential__workspace_id=workspace_id, user_id=user_id).delete()
