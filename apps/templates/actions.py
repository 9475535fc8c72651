"""What is done to templates: one function a verb."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F, Model

from apps.accounts.models import Membership, Team, User, Workspace
from apps.core import audit
from apps.core.audit import Verb
from apps.engine.errors import ConflictError, InvalidError
from apps.templates.categories import Category
from apps.templates.content import (
    check_content,
    measures_of,
    refuse_secrets,
    search_text_of,
    strange_nodes,
    unbound,
    with_credentials,
    with_parameters,
)
from apps.templates.models import NodeTemplate, Status, TemplateRating, TemplateShare, Visibility, WorkflowTemplate
from apps.templates.nodes import check_node
from apps.workflows.actions import Saved, create_workflow
from apps.workflows.models import Workflow

MAX_NAME_LENGTH = 128
# Of these the audit log says that they changed, and not how: they are long, and not for everybody who reads it.
DOCUMENTS = frozenset({"definition", "sample_input", "config"})


class TemplateNameTakenError(ConflictError):
    """The workspace has another template of this name; details: {"name": str}."""

    code = "template_name_taken"


class TemplateInactiveError(ConflictError):
    code = "template_inactive"


class NotAMemberError(InvalidError):
    """A template is shared with somebody who is not in its workspace; details: {"pointer": str, "ids": [str]}."""

    code = "not_a_member"


def create_template(
    *,
    workspace: Workspace,
    definition: object,
    name: str | None = None,
    description: str | None = None,
    category: str = Category.OTHER,
    tags: Sequence[str] = (),
    visibility: str = Visibility.PRIVATE,
    sample_input: Mapping[str, Any] | None = None,
    created_by: User | None = None,
) -> WorkflowTemplate:
    """Keep a definition as a template; it loses its credentials. Name and description are the definition's own where they are None.

    Raises InvalidDefinitionError, SampleInputError, SecretInTemplateError, TemplateNameTakenError; nothing is stored then.
    """
    document: Any = unbound(definition)
    checked = check_content(document, sample_input or {})
    template = WorkflowTemplate(
        workspace=workspace,
        name=checked.name if name is None else name,
        description=checked.description if description is None else description,
        category=category,
        tags=list(tags),
        visibility=visibility,
        definition=document,
        sample_input=sample_input or {},
        created_by=created_by,
        **measures_of(document),
    )
    with transaction.atomic():
        _store(template, force_insert=True)
        after = {"name": template.name, "category": template.category, "visibility": template.visibility}
        audit.record(Verb.TEMPLATE_CREATED, template, after=after)
    return template


@transaction.atomic
def update_template(*, template: WorkflowTemplate, **changes: Any) -> WorkflowTemplate:
    """Change a template of a workspace; workflows made of it stay as they are.

    changes   any of name, description, category, tags, visibility, status, definition, sample_input
    Raises InvalidDefinitionError, SampleInputError, SecretInTemplateError, TemplateNameTakenError.
    """
    template = WorkflowTemplate.objects.select_for_update().get(pk=template.pk)
    if "definition" in changes:
        changes["definition"] = unbound(changes["definition"])
    before = {name: getattr(template, name) for name in changes}
    for name, value in changes.items():
        setattr(template, name, value)
    if not changes.keys().isdisjoint({"definition", "sample_input"}):
        check_content(template.definition, template.sample_input)
        for name, value in measures_of(template.definition).items():
            setattr(template, name, value)
    _store(template)
    _record_update(Verb.TEMPLATE_UPDATED, template, before, changes)
    return template


@transaction.atomic
def delete_template(*, template: WorkflowTemplate) -> None:
    """Delete a template with what people thought of it."""
    audit.record(Verb.TEMPLATE_DELETED, template, before={"name": template.name, "visibility": template.visibility})
    template.delete()


@transaction.atomic
def use_template(
    *,
    template: WorkflowTemplate,
    workspace: Workspace,
    language: str,
    name: str | None = None,
    description: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    credentials: Mapping[str, Any] | None = None,
    publish: bool = False,
    created_by: User | None = None,
) -> Saved:
    """Make a workflow of a template, in a language. Where the template is of another workspace, warnings name the nodes to look at.

    name         that of the template where it is None, with a number where the workspace has it already
    parameters   {variable of the definition: its first value}
    credentials  {node key: {slot: id}}; the template itself has none
    Raises TemplateInactiveError, WorkflowNameTakenError, and InvalidDefinitionError for parameters and credentials that do not fit.
    """
    if template.status != Status.ACTIVE:
        raise TemplateInactiveError(f"Template '{template.name}' is switched off.")
    words = template.words(language)
    own_name = _free_name(workspace, words.name) if name is None else name
    own_description = words.description if description is None else description
    document = with_credentials(with_parameters(template.definition_in(language), parameters or {}), credentials or {})
    saved = create_workflow(
        workspace=workspace,
        definition={**document, "name": own_name, "description": own_description},
        name=own_name,
        description=own_description,
        created_by=created_by,
        publish=publish,
    )
    # Last, so that the row of a popular template is locked for a moment only.
    WorkflowTemplate.objects.filter(pk=template.pk).update(use_count=F("use_count") + 1)
    is_foreign = not template.is_system and template.workspace_id != workspace.id
    return replace(saved, warnings=(*saved.warnings, *strange_nodes(document))) if is_foreign else saved


@transaction.atomic
def rate_template(*, template: WorkflowTemplate, user: User, stars: int | None) -> WorkflowTemplate:
    """Give a template 1 to 5 stars, in place of those that the person gave before; None takes them back."""
    template = WorkflowTemplate.objects.select_for_update(no_key=True).get(pk=template.pk)
    before = TemplateRating.objects.filter(template=template, user=user).first()
    if before is not None:
        before.delete()
    if stars is not None:
        TemplateRating.objects.create(template=template, user=user, stars=stars)
    template.rating_count += (stars is not None) - (before is not None)
    template.rating_sum += (stars or 0) - (before.stars if before else 0)
    template.save(update_fields=["rating_count", "rating_sum"])
    template.my_stars = stars  # type: ignore[attr-defined]  # as `with_stars_of` adds it
    return template


@transaction.atomic
def share_template(*, template: WorkflowTemplate, users: Sequence[UUID], teams: Sequence[UUID]) -> None:
    """Share a private template with these members and teams of its workspace, and with no one else any more. Raises NotAMemberError."""
    WorkflowTemplate.objects.select_for_update(no_key=True).get(pk=template.pk)
    members = Membership.objects.filter(workspace=template.workspace_id, user__in=users).values_list("user", flat=True)
    known_teams = Team.objects.filter(workspace=template.workspace_id, pk__in=teams).values_list("pk", flat=True)
    _refuse_strangers("users", users, members)
    _refuse_strangers("teams", teams, known_teams)
    before = _shared_with(template)
    template.shares.all().delete()
    shares = [TemplateShare(template=template, user_id=user) for user in dict.fromkeys(users)]
    TemplateShare.objects.bulk_create([*shares, *(TemplateShare(template=template, team_id=team) for team in dict.fromkeys(teams))])
    if before != (after := _shared_with(template)):
        audit.record(Verb.TEMPLATE_SHARED, template, before=before, after=after)


def create_node_template(
    *,
    workspace: Workspace,
    name: str,
    type: str,
    config: Mapping[str, Any],
    description: str = "",
    icon: str = "",
    created_by: User | None = None,
) -> NodeTemplate:
    """Keep a configured node. Raises InvalidNodeError, TemplateNameTakenError."""
    check_node(type, config)
    node = NodeTemplate(workspace=workspace, name=name, type=type, config=config, description=description, icon=icon, created_by=created_by)
    with transaction.atomic():
        _save_named(node, name, force_insert=True)
        audit.record(Verb.NODE_TEMPLATE_CREATED, node, after={"name": name, "type": type})
    return node


@transaction.atomic
def update_node_template(*, node_template: NodeTemplate, **changes: Any) -> NodeTemplate:
    """Change a node template; nodes made of it stay as they are. Raises InvalidNodeError, TemplateNameTakenError.

    changes   any of name, description, type, config, icon
    """
    before = {name: getattr(node_template, name) for name in changes}
    for name, value in changes.items():
        setattr(node_template, name, value)
    if not changes.keys().isdisjoint({"type", "config"}):
        check_node(node_template.type, node_template.config)
    _save_named(node_template, node_template.name)
    _record_update(Verb.NODE_TEMPLATE_UPDATED, node_template, before, changes)
    return node_template


@transaction.atomic
def delete_node_template(*, node_template: NodeTemplate) -> None:
    audit.record(Verb.NODE_TEMPLATE_DELETED, node_template, before={"name": node_template.name, "type": node_template.type})
    node_template.delete()


def _record_update(verb: Verb, row: Model, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    changed = {name for name in after if after[name] != before[name]}
    if not changed:
        return
    shown, documents = changed - DOCUMENTS, sorted(changed & DOCUMENTS)
    replaced = {"replaced": documents} if documents else {}
    audit.record(verb, row, before={name: before[name] for name in shown}, after={name: after[name] for name in shown} | replaced)


def _shared_with(template: WorkflowTemplate) -> dict[str, list[str]]:
    """Names of people and teams."""
    rows = list(template.shares.values_list("user__username", "team__name"))
    return {"users": sorted(user for user, _ in rows if user), "teams": sorted(team for _, team in rows if team)}


def _store(template: WorkflowTemplate, **how: Any) -> None:
    if template.visibility == Visibility.PUBLIC:
        refuse_secrets(template.definition)
    template.search_text = search_text_of(template.name, template.description, template.tags, template.category)
    _save_named(template, template.name, **how)


def _save_named(row: Model, name: str, **how: Any) -> None:
    try:
        with transaction.atomic():
            row.save(**how)
    except IntegrityError as error:
        if "name_unique_in_workspace" not in str(error):
            raise
        raise TemplateNameTakenError(f"The workspace has a template named '{name}' already.", name=name) from error


def _free_name(workspace: Workspace, name: str) -> str:
    """The name, or with the first number that makes it a new one in the workspace."""
    stem = name[: MAX_NAME_LENGTH - 8]
    taken = set(Workflow.objects.filter(workspace=workspace, name__startswith=stem).values_list("name", flat=True))
    number = next(number for number in range(1, len(taken) + 2) if _numbered(stem, name, number) not in taken)
    return _numbered(stem, name, number)


def _numbered(stem: str, name: str, number: int) -> str:
    return name if number == 1 else f"{stem} {number}"


def _refuse_strangers(field: str, wanted: Iterable[UUID], known: Iterable[UUID]) -> None:
    if strangers := sorted(map(str, set(wanted) - set(known))):
        message = f"Expected {field} of the workspace of the template, found {', '.join(strangers[:5])}."
        raise NotAMemberError(message, pointer=f"/{field}", ids=strangers[:100])
