"""The signing keys of workspaces: made when they are first needed, changed by those who manage the workspace."""

from base64 import urlsafe_b64encode
from datetime import timedelta
from hashlib import sha256
from uuid import UUID

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from apps.accounts.models import Workspace
from apps.core.audit import Verb, record
from apps.notifications.models import SigningKey
from apps.notifications.signing import make_secret

# How long receivers have to enter a new secret.
FORMER_SIGNS_FOR = timedelta(hours=24)


def secrets_of(workspace_id: UUID) -> list[str]:
    """The secrets that sign now, the newest first. The first call for a workspace makes one."""
    key, _ = SigningKey.objects.get_or_create(workspace_id=workspace_id, defaults={"secret": _sealed(make_secret())})
    is_former_good = key.former_until is not None and key.former_until > timezone.now()
    return [_opened(text) for text in ([key.secret, key.former] if is_former_good else [key.secret])]


def find_key(workspace: Workspace) -> SigningKey | None:
    return SigningKey.objects.filter(workspace=workspace).first()


@transaction.atomic
def change_key(*, workspace: Workspace) -> tuple[SigningKey, str]:
    """Make a new secret, which is told this once. The former one signs beside it for a day."""
    secret = make_secret()
    key, is_new = SigningKey.objects.select_for_update().get_or_create(workspace=workspace, defaults={"secret": _sealed(secret)})
    if not is_new:
        key.former, key.former_until = key.secret, Now() + FORMER_SIGNS_FOR
        key.secret, key.made_at = _sealed(secret), Now()
        key.save()
    key.refresh_from_db()
    record(Verb.SIGNING_KEY_CHANGED, key)
    return key, secret


def _sealed(secret: str) -> str:
    return _cipher().encrypt(secret.encode()).decode()


def _opened(text: str) -> str:
    return _cipher().decrypt(text.encode()).decode()


def _cipher() -> MultiFernet:
    """Under SECRET_KEY, or a former one in SECRET_KEY_FALLBACKS."""
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return MultiFernet([Fernet(urlsafe_b64encode(sha256(b"structforge.signing:" + secret.encode()).digest())) for secret in secrets])
