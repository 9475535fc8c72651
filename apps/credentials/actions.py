"""What is done to credentials: one function a verb."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from pydantic import ValidationError

from apps.accounts.models import Team, User, Workspace
from apps.core import audit
from apps.core.audit import Verb
from apps.credentials import sealing
from apps.credentials.keys import key_ring
from apps.credentials.models import Credential, CredentialGrant
from apps.credentials.opening import SealedCredential, UnusableCredentialError, open_credential, open_secrets, seal_secrets
from apps.credentials.sealing import SealError
from apps.credentials.types import CredentialType, Fields, Tested, registered, tested
from apps.credentials.usage import Use, uses_of
from apps.engine.errors import ConflictError, InvalidError
from apps.engine.pointers import pointer_to
from apps.engine.problems import Problem, nearest, problem_of
from apps.nodes.host_patterns import parse_pattern
from apps.nodes.redaction import Redactor, redacting_logs
from apps.nodes.secret import Secret

MAX_HOSTS = 50
BATCH = 200
# Leaves a value as it is, where None would take it away.
KEEP: Any = object()


class InvalidCredentialError(InvalidError):
    """Fields or hosts of a credential have faults; `details["errors"]` lists them, in the shape of `Problem`, and shows no secret."""

    code = "invalid_credential"

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(
            f"The credential is not valid: {problems[0].message} (at '{problems[0].pointer}')",
            errors=[problem.as_json() for problem in problems],
        )


class SecretsNeededError(InvalidError):
    """The change would let secrets go elsewhere, and who asks for it has not shown to know them; details: {"fields": [str]}."""

    code = "secrets_needed"


class CredentialNameTakenError(ConflictError):
    """The workspace has another credential of this name; details: {"name": str}."""

    code = "credential_name_taken"


class CredentialInUseError(ConflictError):
    """Something would break without it; details: {"workflows": [{"id", "name"}]}, those that the caller may see."""

    code = "credential_in_use"


class UnknownPartyError(InvalidError):
    """There is no such person or team to share with, as far as the caller can know."""

    code = "unknown_party"


def create_credential(
    *,
    workspace: Workspace,
    name: str,
    type_name: str,
    fields: Mapping[str, Any],
    allowed_hosts: Iterable[str] = (),
    expires_at: datetime | None = None,
    created_by: User | None = None,
) -> Credential:
    """Seal a new credential.

    fields   {name: value}, the secret ones in plain text

    Raises InvalidCredentialError, CredentialNameTakenError; nothing is stored then.
    """
    credential_type = _type(type_name)
    checked = _checked(credential_type, fields)
    hosts = _hosts(credential_type, allowed_hosts)
    credential = Credential(
        workspace=workspace, name=name, type=type_name, allowed_hosts=hosts, expires_at=expires_at, created_by=created_by
    )
    _put(credential, credential_type, checked)
    with transaction.atomic():
        _save_named(credential, force_insert=True)
        given = sorted([*credential.fields, *credential.secret_names])
        audit.record(Verb.CREDENTIAL_CREATED, credential, after={"type": type_name, **_shown(credential), "fields": given})
    return credential


def update_credential(
    *,
    credential: Credential,
    name: str | None = None,
    fields: Mapping[str, Any] | None = None,
    allowed_hosts: Iterable[str] | None = None,
    expires_at: datetime | None = KEEP,
) -> Credential:
    """Change what is given, and keep the rest: a field that is not named stays, one that is None goes.

    Raises InvalidCredentialError, CredentialNameTakenError, SealError, and SecretsNeededError where secrets could go to another place than
    before: to the one who may change a credential, they are still secret.
    """
    with transaction.atomic():
        credential = Credential.objects.select_for_update().get(pk=credential.pk)
        credential_type = _type(credential.type)
        given = dict(fields or {})
        shown, changed = _shown(credential), _changed_fields(credential, given)
        # What comes anew need not be opened: so a credential whose key is lost can be filled again.
        missing = sorted(set(credential.secret_names) - given.keys())
        kept = open_secrets(sealed_of(credential)) if missing else {}
        after = {key: value for key, value in {**credential.fields, **kept, **given}.items() if value is not None}
        hosts = credential.allowed_hosts if allowed_hosts is None else _hosts(credential_type, allowed_hosts)
        if missing and _goes_elsewhere(credential_type, credential, after, hosts):
            message = f"This would let the secrets go to another place than before. Give them anew: {', '.join(missing)}."
            raise SecretsNeededError(message, fields=missing)
        credential.allowed_hosts = hosts
        if fields is not None:
            _put(credential, credential_type, _checked(credential_type, after))
        if name is not None:
            credential.name = name
        if expires_at is not KEEP:
            credential.expires_at = expires_at
        _save_named(credential)
        if changed or shown != _shown(credential):
            fields_changed = {"fields": changed} if changed else {}
            audit.record(Verb.CREDENTIAL_UPDATED, credential, before=shown, after={**_shown(credential), **fields_changed})
    return credential


def delete_credential(*, credential: Credential, deleted_by: User | None = None) -> None:
    """Delete a credential, and who it was shared with. Raises CredentialInUseError while a published version names it."""
    with transaction.atomic():
        Credential.objects.select_for_update().get(pk=credential.pk)
        uses = uses_of(credential, deleted_by)
        if uses.seen or uses.has_hidden:
            raise CredentialInUseError(_in_use(credential, uses.seen, uses.has_hidden), workflows=[_as_json(use) for use in uses.seen])
        audit.record(Verb.CREDENTIAL_DELETED, credential, before={"type": credential.type, **_shown(credential)})
        credential.delete()


def try_credential(*, credential: Credential) -> Tested:
    """Try a credential out against the other side."""
    came = _try(credential)
    audit.record(Verb.CREDENTIAL_TESTED, credential, after={"is_ok": came.is_ok})
    return came


def _try(credential: Credential) -> Tested:
    redactor = Redactor()
    try:
        opened = open_credential(sealed_of(credential), redactor)
    except (SealError, UnusableCredentialError) as error:
        return Tested(False, error.message)
    with redacting_logs(redactor):
        came = tested(lambda: opened.type.test(opened.fields, opened.held))
    return Tested(came.is_ok, redactor.text(came.message))


@transaction.atomic
def share_credential(
    *, credential: Credential, level: str, user_id: UUID | None = None, team_id: UUID | None = None, shared_by: User
) -> CredentialGrant:
    """Share with a person or a team, or change the level of that. Raises UnknownPartyError."""
    if user_id is not None:
        party: dict[str, Any] = {"user": _found(User.objects.filter(pk=user_id, is_active=True).first(), f"no person {user_id}")}
    else:
        access = shared_by.access
        team = Team.objects.filter(pk=team_id).first() if team_id is not None else None
        may_see = team is not None and (access.is_operator or access.is_member(team.workspace_id) or team.pk in access.teams)
        party = {"team": _found(team if may_see else None, f"no team {team_id} that you may see")}
    new = {"level": level, "created_by": shared_by}
    grant, is_new = CredentialGrant.objects.select_for_update().get_or_create(credential=credential, **party, defaults=new)
    before = None if is_new else {"level": grant.level}
    if not is_new:
        grant.level = level
        grant.save(update_fields=["level", "updated_at"])
    if before != {"level": level}:
        audit.record(Verb.CREDENTIAL_SHARED, credential, before=before, after={**_party(**party), "level": level})
    return grant


@transaction.atomic
def unshare_credential(*, grant: CredentialGrant) -> None:
    """Take a grant back. What names the credential elsewhere by that grant alone fails from then on."""
    before = {**_party(grant.user, grant.team or grant.team_id), "level": grant.level}
    audit.record(Verb.CREDENTIAL_UNSHARED, grant.credential, before=before)
    grant.delete()


def rotate_credentials(*, batch: int = BATCH, progress: Callable[[int, int], None] = lambda done, failed: None) -> tuple[int, int]:
    """Seal anew whatever another key than the first of the ring has sealed: (credentials sealed anew, credentials that do not open).

    Executions use them meanwhile: a reader finds the old text or the new one, and the ring opens both. It may be broken off, repeated, and
    run twice at once.

    progress   called after each batch with both numbers so far
    """
    done = failed = 0
    last = UUID(int=0)
    while True:
        with transaction.atomic():
            waiting = Credential.objects.exclude(key_id=key_ring().sealing).filter(pk__gt=last).order_by("pk")
            rows = list(waiting.select_for_update(of=("self",))[:batch])
            opened = [(row, secrets) for row in rows if (secrets := _find_secrets(row)) is not None]
            for row, secrets in opened:
                _seal(row, secrets)
            Credential.objects.bulk_update([row for row, _ in opened], ["sealed", "key_id"])
            if opened:
                rotated = {"sealed_with": key_ring().sealing, "count": len(opened), "failed": len(rows) - len(opened)}
                audit.record(Verb.CREDENTIALS_ROTATED, object_type="credential", after=rotated)
        if not rows:
            return done, failed
        done, failed, last = done + len(opened), failed + len(rows) - len(opened), rows[-1].pk
        progress(done, failed)


def sealed_of(credential: Credential) -> SealedCredential:
    """A row as what can be opened."""
    return SealedCredential(
        id=credential.pk,
        workspace_id=credential.workspace_id,
        name=credential.name,
        type=credential.type,
        fields=credential.fields,
        sealed=bytes(credential.sealed),
        allowed_hosts=credential.allowed_hosts,
    )


def _shown(credential: Credential) -> dict[str, Any]:
    """What the audit log may say; of fields it has the names alone."""
    return {"name": credential.name, "allowed_hosts": credential.allowed_hosts, "expires_at": credential.expires_at}


def _changed_fields(credential: Credential, given: Mapping[str, Any]) -> list[str]:
    """Names of the fields that come, go or change. A secret that is given anew counts: whether it is the same one is not told."""
    secret = set(credential.secret_names)
    return sorted(name for name, value in given.items() if (name in secret or value != credential.fields.get(name)))


def _party(user: User | None = None, team: Team | UUID | None = None) -> dict[str, str]:
    """team   its id, where the caller may not see it"""
    return {"user": user.username} if user else {"team": str(team)}


def _find_secrets(row: Credential) -> dict[str, Secret] | None:
    try:
        return open_secrets(sealed_of(row))
    except SealError:
        return None


def _type(name: str) -> CredentialType[Any]:
    types = registered()
    if name not in types:
        problem = Problem(
            "/type", f"There is no credential type '{name[:64]}'.", name[:64], f"one of {', '.join(types)}", nearest(name, types)
        )
        raise InvalidCredentialError([problem])
    return types[name]


def _checked(credential_type: CredentialType[Any], fields: Mapping[str, Any]) -> Fields:
    try:
        return credential_type.Fields.model_validate(dict(fields))
    except ValidationError as error:
        raise InvalidCredentialError(_problems(error, credential_type, fields)) from None


def _problems(error: ValidationError, credential_type: CredentialType[Any], fields: Mapping[str, Any]) -> list[Problem]:
    """Pydantic's errors as problems; of a secret field it is not said what stands there."""
    problems = []
    for each in error.errors(include_url=False):
        name = str(each["loc"][0]) if each["loc"] else ""
        problem = problem_of(each, credential_type.Fields, fields, base="/fields")
        if credential_type.is_secret(name) and each["type"] not in ("missing", "extra_forbidden"):
            message = (
                problem.message if each["type"] == "value_error" else "Expected a text, neither empty nor very long, found another value."
            )
            problem = Problem(problem.pointer if name else "/fields", message, expected=problem.expected)
        problems.append(problem)
    return problems


def _hosts(credential_type: CredentialType[Any], allowed_hosts: Iterable[str]) -> list[str]:
    """The patterns in one spelling."""
    hosts, problems = dict[str, None](), []
    for index, text in enumerate(allowed_hosts):
        try:
            hosts[str(parse_pattern(text))] = None
        except ValueError as error:
            problems.append(Problem(pointer_to("allowed_hosts", index), str(error), found=text[:80]))
    if not problems and credential_type.is_for_http and not hosts:
        message = "Expected one host at least: without, the credential would go nowhere."
        problems.append(Problem("/allowed_hosts", message, expected="hosts such as api.example.com"))
    if len(hosts) > MAX_HOSTS:
        problems.append(Problem("/allowed_hosts", f"Expected at most {MAX_HOSTS} hosts, found {len(hosts)}."))
    if problems:
        raise InvalidCredentialError(problems)
    return list(hosts)


def _goes_elsewhere(credential_type: CredentialType[Any], credential: Credential, after: Mapping[str, Any], hosts: list[str]) -> bool:
    changed = any(after.get(name) != credential.fields.get(name) for name in credential_type.destinations)
    return changed or not set(hosts) <= set(credential.allowed_hosts)


def _put(credential: Credential, credential_type: CredentialType[Any], fields: Fields) -> None:
    """Put checked fields into the row: the secret ones sealed, the others as they are."""
    values = {name: value for name, value in fields if value is not None}
    secrets = {name: value for name, value in values.items() if isinstance(value, Secret)}
    public = fields.model_dump(mode="json", exclude=set(secrets), exclude_none=True)
    credential.fields = {name: value for name, value in public.items() if not credential_type.is_secret(name)}
    credential.secret_names = sorted(secrets)
    _seal(credential, secrets)


def _seal(credential: Credential, secrets: Mapping[str, Secret]) -> None:
    credential.sealed = seal_secrets(secrets, workspace_id=credential.workspace_id, credential_id=credential.pk)
    credential.key_id = sealing.key_id_of(credential.sealed)


def _save_named(credential: Credential, **how: Any) -> None:
    if not credential.name.strip():
        raise InvalidCredentialError([Problem("/name", "Expected a name, found an empty text.")])
    try:
        with transaction.atomic():
            credential.save(**how)
    except IntegrityError as error:
        if "credential_name_unique_in_workspace" not in str(error):
            raise
        raise CredentialNameTakenError(
            f"The workspace has a credential named '{credential.name}' already.", name=credential.name
        ) from error


def _found(party: Any, what: str) -> Any:
    if party is None:
        raise UnknownPartyError(f"There is {what}.")
    return party


def _in_use(credential: Credential, seen: Iterable[Use], has_hidden: bool) -> str:
    names = ", ".join(f"'{use.name}'" for use in seen)
    hidden = "There are uses that you may not see." if has_hidden else ""
    if not names:
        return f"Credential '{credential.name}' is in use where you may not look. Ask those who manage the workspace."
    return f"Credential '{credential.name}' is named by published versions of {names}. {hidden}".strip()


def _as_json(use: Use) -> dict[str, str]:
    return {"id": use.id, "name": use.name}
