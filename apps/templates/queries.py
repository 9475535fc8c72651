"""Reads of templates, each for somebody: what `visible_to` hides does not exist."""

from collections.abc import Mapping
from uuid import UUID

from django.db.models import Count

from apps.accounts.models import User
from apps.accounts.permissions import Permission
from apps.engine.errors import ForbiddenError, NotFoundError
from apps.templates.categories import Category
from apps.templates.models import NodeTemplate, NodeTemplateQuerySet, Status, WorkflowTemplate, WorkflowTemplateQuerySet


class TemplateNotFoundError(NotFoundError):
    code = "template_not_found"


class NodeTemplateNotFoundError(NotFoundError):
    code = "node_template_not_found"


class TemplateNotYoursError(ForbiddenError):
    """The template may be seen and used, but not changed."""

    code = "not_allowed"


def list_templates(
    user: User,
    *,
    category: str | None = None,
    tag: str | None = None,
    search: str = "",
    status: str = Status.ACTIVE,
    workspace: UUID | None = None,
) -> WorkflowTemplateQuerySet:
    """The gallery, without definitions.

    search      every word of it occurs somewhere, in any language
    workspace   those of one workspace; all and those that come with StructForge where it is None
    """
    found = WorkflowTemplate.objects.visible_to(user).without_documents().with_stars_of(user).filter(status=status)
    if category:
        found = found.filter(category=category)
    if tag:
        found = found.filter(tags__contains=[tag])
    if workspace:
        # A public template says to nobody else which workspace it is of, so asking by workspace must not either.
        found = found.filter(workspace__in=[workspace] if user.access.is_operator or user.access.is_member(workspace) else [])
    for word in search.lower().split():
        found = found.filter(search_text__contains=word)
    return found


def count_by_category(user: User) -> Mapping[str, int]:
    """{category: how many templates the gallery has of it}, for every category."""
    rows = WorkflowTemplate.objects.visible_to(user).filter(status=Status.ACTIVE).values_list("category").annotate(count=Count("*"))
    counts = dict(rows.order_by())
    return {category: counts.get(category, 0) for category in Category.values}


def get_template(user: User, template_id: UUID) -> WorkflowTemplate:
    """One template, with `my_stars`. Raises TemplateNotFoundError."""
    template = WorkflowTemplate.objects.visible_to(user).with_stars_of(user).filter(pk=template_id).first()
    if template is None:
        raise TemplateNotFoundError(f"There is no template {template_id} that you may see.")
    return template


def may_manage(user: User, template: WorkflowTemplate) -> bool:
    """Whether `user`, who may see it, may change it; nobody changes what comes with StructForge."""
    return template.workspace_id is not None and user.access.allows(template.workspace_id, Permission.TEMPLATE_MANAGE)


def get_managed_template(user: User, template_id: UUID) -> WorkflowTemplate:
    """A template to change. Raises TemplateNotFoundError, TemplateNotYoursError."""
    template = get_template(user, template_id)
    if not may_manage(user, template):
        whose = "It comes with StructForge" if template.is_system else f"This needs the right {Permission.TEMPLATE_MANAGE} in its workspace"
        raise TemplateNotYoursError(f"You may use template '{template.name}', but not change it. {whose}.")
    return template


def list_node_templates(user: User, *, type: str | None = None, search: str = "", workspace: UUID | None = None) -> NodeTemplateQuerySet:
    """Node templates of the workspaces of a person."""
    found = NodeTemplate.objects.visible_to(user)
    if type:
        found = found.filter(type=type)
    if workspace:
        found = found.filter(workspace=workspace)
    return found.filter(name__icontains=search) if search else found


def get_node_template(user: User, node_template_id: UUID) -> NodeTemplate:
    """Raises NodeTemplateNotFoundError."""
    found = NodeTemplate.objects.visible_to(user).filter(pk=node_template_id).first()
    if found is None:
        raise NodeTemplateNotFoundError(f"There is no node template {node_template_id} that you may see.")
    return found


def get_managed_node_template(user: User, node_template_id: UUID) -> NodeTemplate:
    """A node template to change. Raises NodeTemplateNotFoundError, TemplateNotYoursError."""
    found = get_node_template(user, node_template_id)
    if not user.access.allows(found.workspace_id, Permission.TEMPLATE_MANAGE):
        raise TemplateNotYoursError(f"You may use node template '{found.name}', but changing it needs the right template.manage.")
    return found
