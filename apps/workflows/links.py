"""Links that open one workflow to whoever has them: one function a verb.

A token has 192 random bits and is kept as its SHA-256 alone: it cannot be guessed, so that a slow hash would add nothing. Whatever is
wrong with a token, the answer is the same, LinkNotFoundError, so that nobody learns that there once was a link.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.hashers import check_password, make_password
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from apps.accounts.models import User
from apps.core import audit
from apps.core.audit import Verb
from apps.core.errors import UnauthenticatedError
from apps.core.redaction import LINK_TOKEN_PREFIX
from apps.engine.errors import ConflictError, ForbiddenError, NotFoundError
from apps.workflows.access import permissions_on
from apps.workflows.levels import PERMISSIONS, Level
from apps.workflows.models import Grant, ShareLink, Workflow
from apps.workflows.queries_sharing import may_still_share
from apps.workflows.sharing import check_level

MAX_LINKS = 100  # a workflow, revoked ones not counted
TOKEN_BYTES = 24


class LinkNotFoundError(NotFoundError):
    code = "link_not_found"

    def __init__(self) -> None:
        super().__init__("There is nothing here, or nothing any more.")


class LinkPasswordError(UnauthenticatedError):
    """The link asks for a password: none was sent, or a wrong one."""

    code = "link_password_wrong"


class LoginNeededError(UnauthenticatedError):
    code = "login_needed"


class LinkLevelError(ForbiddenError):
    """The link does not allow this; details: {"level": str}."""

    code = "not_allowed"


class TooManyLinksError(ConflictError):
    code = "too_many_links"


@dataclass(frozen=True, slots=True)
class MadeLink:
    """A new link, and its token, which is told this once."""

    link: ShareLink
    token: str


@transaction.atomic
def create_link(
    *,
    workflow: Workflow,
    level: Level,
    created_by: User,
    label: str = "",
    password: str | None = None,
    expires_at: datetime | None = None,
    max_uses: int | None = None,
) -> MadeLink:
    """Make a link.

    level        viewer: see the definition; executor: start; editor: a person who has logged in takes a share of this level
    expires_at   UTC-aware; None: never
    Raises LevelAboveOwnError, TooManyLinksError.
    """
    check_level(workflow, level, created_by)
    if workflow.links.live().count() >= MAX_LINKS:
        raise TooManyLinksError(f"A workflow has at most {MAX_LINKS} links. Revoke some.", limit=MAX_LINKS)
    token = LINK_TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
    link = ShareLink.objects.create(
        workspace_id=workflow.workspace_id,
        workflow=workflow,
        level=level,
        label=label,
        token_hash=hash_of(token),
        password=make_password(password) if password else "",
        expires_at=expires_at,
        max_uses=max_uses,
        created_by=created_by,
    )
    offer = {"has_password": bool(link.password), "expires_at": expires_at, "max_uses": max_uses}
    audit.record(Verb.LINK_MADE, workflow, after={**_shown(link), **offer})
    return MadeLink(link, token)


@transaction.atomic
def revoke_link(*, link: ShareLink) -> ShareLink:
    """Let it open nothing any more. Twice is as good as once."""
    changed = ShareLink.objects.filter(pk=link.pk, revoked_at__isnull=True).update(revoked_at=Now(), updated_at=Now())
    link.refresh_from_db(fields=["revoked_at", "updated_at"])
    if changed:
        audit.record(Verb.LINK_REVOKED, link.workflow, before={**_shown(link), "uses": link.uses})
    return link


def get_link(token: str, *, may_be_used_up: bool = False) -> ShareLink:
    """The link of a token, with its workflow. Raises LinkNotFoundError.

    may_be_used_up   for results of what the link has started
    """
    found = ShareLink.objects.live() if may_be_used_up else ShareLink.objects.usable()
    link = found.select_related("workflow", "created_by").filter(token_hash=hash_of(token)).first()
    if link is None or not may_still_share(link):
        raise LinkNotFoundError
    return link


def is_password_right(link: ShareLink, password: str | None) -> bool:
    """Whether this opens the link; anything does where it asks for none."""
    return not link.password or (password is not None and check_password(password, link.password))


def use_link(*, link: ShareLink) -> None:
    """Count one use, in one statement: of two requests for the last one, one comes too late. Raises LinkNotFoundError."""
    used = ShareLink.objects.usable().filter(pk=link.pk).update(uses=F("uses") + 1, last_used_at=Now())
    if not used:
        raise LinkNotFoundError


def check_link_level(link: ShareLink, *allowed: Level) -> None:
    """Raise LinkLevelError, or LoginNeededError for a link that is only good for taking a share."""
    if link.level in allowed:
        return
    if link.level == Level.EDITOR:
        raise LoginNeededError("This link is for people with an account. Log in, and accept it.")
    raise LinkLevelError(f"This link is for a {link.level}; this needs one for {' or '.join(allowed)}.", level=link.level)


@transaction.atomic
def accept_link(*, link: ShareLink, user: User) -> Grant | None:
    """Give a person who has logged in the share that an editor link offers; None when they may do as much already, which is no use.

    The share stays when the link ends: it stands in the list of shares, and is taken back there.
    Raises LinkNotFoundError when it was used up meanwhile.
    """
    if PERMISSIONS[link.level] <= permissions_on(user, link.workflow):
        return None
    use_link(link=link)
    values = {"workspace_id": link.workspace_id, "level": link.level, "granted_by": link.created_by}
    grant, _ = Grant.objects.update_or_create(workflow=link.workflow, folder=None, user=user, team=None, defaults=values)
    with audit.acting(actor=user, via="link"):
        audit.record(Verb.LINK_ACCEPTED, link.workflow, after={**_shown(link), "user": user.username})
    return grant


def _shown(link: ShareLink) -> dict[str, Any]:
    return {"link": link.pk, "level": link.level, "label": link.label}


def hash_of(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
