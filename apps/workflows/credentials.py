"""Which credentials the nodes of a definition name, whether its author may, and what breaks without one."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from apps.accounts.models import User
from apps.core import fence
from apps.credentials.models import Credential
from apps.credentials.queries import ids_seen, types_for_use
from apps.credentials.usage import Use, Uses, register_finder
from apps.engine.definition import Definition
from apps.engine.errors import ForbiddenError
from apps.engine.pointers import pointer_to
from apps.engine.problems import MAX_PROBLEMS, InvalidDefinitionError, Problem, listed
from apps.nodes.registry import get_type
from apps.workflows.models import CredentialReference, Workflow, WorkflowVersion


class CredentialNotUsableError(ForbiddenError):
    """The author may see a credential that the definition names, but not use it; details: {"errors": [problem]}."""

    code = "credential_not_usable"


@dataclass(frozen=True, slots=True)
class Reference:
    """A credential named by a node.

    types   those that fit its slot
    """

    credential_id: UUID
    key: str
    slot: str
    pointer: str
    types: tuple[str, ...]


def check_credentials(definition: Definition, *, workspace_id: UUID, author: User | None) -> None:
    """Check every credential that a validated definition names, in at most three queries.

    author   None: the operator at a shell

    Raises InvalidDefinitionError for those that do not exist, as far as the author can know, or do not fit; CredentialNotUsableError for
    those that the author may see, but not use.
    """
    references = references_of(definition)
    if not references:
        return
    types = types_for_use(author, workspace_id, {reference.credential_id for reference in references})
    refused = [each for each in references if each.credential_id not in types]
    seen = ids_seen(author, workspace_id, {each.credential_id for each in refused}) if refused else frozenset()
    problems = [_unknown(each) for each in refused if each.credential_id not in seen]
    usable = [(each, types[each.credential_id]) for each in references if each.credential_id in types]
    problems += [_unfit(each, found) for each, found in usable if found not in each.types]
    if problems:
        raise InvalidDefinitionError(problems)
    if forbidden := [each for each in refused if each.credential_id in seen]:
        errors = [Problem(each.pointer, "You may see this credential, but not use it.").as_json() for each in forbidden[:MAX_PROBLEMS]]
        raise CredentialNotUsableError("The definition names credentials that you may see, but not use.", errors=errors)


def record_references(version: WorkflowVersion, definition: Definition) -> None:
    """Keep which credentials a new version names, within the transaction that makes it."""
    references = references_of(definition)
    if not references:
        return
    # Locked against deletion meanwhile; one that went since it was checked is left out, and its node will say so.
    wanted = Credential.objects.filter(pk__in={each.credential_id for each in references}).order_by("pk")
    there = set(wanted.select_for_update(no_key=True, of=("self",)).values_list("pk", flat=True))
    CredentialReference.objects.bulk_create(
        CredentialReference(
            workspace_id=version.workspace_id, version=version, credential_id=each.credential_id, key=each.key, slot=each.slot
        )
        for each in references
        if each.credential_id in there
    )


def references_of(definition: Definition) -> Sequence[Reference]:
    """Every place of the document that names a credential."""
    return [
        Reference(
            UUID(credential_id),
            node.key,
            slot,
            pointer_to("nodes", index, "credentials", slot),
            get_type(node.type).credentials[slot].types,
        )
        for index, node in enumerate(definition.nodes)
        for slot, credential_id in node.credentials.items()
    ]


@register_finder
def published_uses(credential: Credential, user: User | None) -> Uses:
    """Workflows whose published version names the credential."""
    naming = CredentialReference.objects.filter(credential=credential).values("version_id")
    using = Workflow.objects.filter(published_version_id__in=naming)
    seen = using if user is None else using.visible_to(user)
    uses = tuple(Use(str(pk), name) for pk, name in seen.order_by("name", "pk").values_list("pk", "name"))
    with fence.lifted():  # that there is more is told, and nothing of what it is
        return Uses(uses, has_hidden=using.count() > len(uses))


def _unknown(reference: Reference) -> Problem:
    return Problem(
        reference.pointer,
        "There is no such credential that you may use here.",
        found=str(reference.credential_id),
        expected=f"the id of a credential of type {listed(reference.types)} that belongs to the workspace or was shared with you",
    )


def _unfit(reference: Reference, found: str) -> Problem:
    return Problem(
        reference.pointer, f"A credential of type {found} does not fit here.", found=found, expected=f"one of {listed(reference.types)}"
    )
