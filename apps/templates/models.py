"""Templates of workflows and of single nodes, and what people think of them."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, OuterRef, Q, Subquery

from apps.accounts.models import Team, User, Workspace
from apps.accounts.permissions import Permission
from apps.core.models import BaseModel
from apps.templates.categories import Category

MAX_STARS = 5
# A template counts as if so many people had given it three stars already: one vote of five is less than a hundred of four.
PRIOR_RATINGS, PRIOR_STARS = 5, 3


class Visibility(models.TextChoices):
    PRIVATE = "private", "private: its maker, and those with whom it is shared"
    WORKSPACE = "workspace", "workspace: its members"
    PUBLIC = "public", "public: everyone in this installation"


class Status(models.TextChoices):
    ACTIVE = "active", "active"
    INACTIVE = "inactive", "inactive: neither listed nor used"


@dataclass(frozen=True, slots=True)
class Words:
    """How a template presents itself in one language."""

    name: str
    description: str
    tags: tuple[str, ...]


class WorkflowTemplateQuerySet(models.QuerySet["WorkflowTemplate"]):
    def visible_to(self, user: User) -> "WorkflowTemplateQuerySet":
        """Templates that `user` may see: public ones, those of the person's workspaces, private ones that are own or shared."""
        access = user.access
        if access.is_operator:
            return self
        shared = TemplateShare.objects.filter(Q(user=user) | Q(team__in=access.teams)).values("template")
        open_inside = Q(visibility__in=[Visibility.WORKSPACE, Visibility.PUBLIC]) | Q(created_by=user) | Q(pk__in=shared)
        inside = Q(workspace__in=access.workspaces_with(Permission.WORKFLOW_VIEW)) & open_inside
        return self.filter(Q(visibility=Visibility.PUBLIC, status=Status.ACTIVE) | inside)

    def with_stars_of(self, user: User) -> "WorkflowTemplateQuerySet":
        """Adds `my_stars`, what this person gave: None where nothing."""
        mine = TemplateRating.objects.filter(template=OuterRef("pk"), user=user).values("stars")[:1]
        return self.annotate(my_stars=Subquery(mine))

    def without_documents(self) -> "WorkflowTemplateQuerySet":
        """For lists: definitions may be megabytes."""
        return self.defer("definition", "sample_input", "sample_output", "search_text")


class WorkflowTemplate(BaseModel):
    """A definition that others begin with."""

    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, null=True, blank=True, related_name="templates", help_text="None: it comes with StructForge."
    )
    slug = models.SlugField(max_length=64, null=True, blank=True, unique=True, help_text="Of those that come with StructForge: the file.")
    name = models.CharField(max_length=128)
    description = models.TextField(blank=True)
    category = models.CharField(max_length=16, choices=Category, default=Category.OTHER)
    tags = ArrayField(models.CharField(max_length=32), default=list, blank=True)
    translations = models.JSONField(
        default=dict, blank=True, help_text="{language: {name, description, tags, nodes: {key: name}}}, beside the English of the columns."
    )
    visibility = models.CharField(max_length=9, choices=Visibility, default=Visibility.PRIVATE)
    status = models.CharField(max_length=8, choices=Status, default=Status.ACTIVE)
    definition = models.JSONField(help_text="Valid when it was stored; names no credentials.")
    sample_input = models.JSONField(default=dict, blank=True, help_text="An input to try it with; {} where there is none.")
    sample_output = models.JSONField(null=True, blank=True, help_text="What an execution of the sample gives.")
    node_count = models.PositiveIntegerField()
    node_types = ArrayField(models.CharField(max_length=128), default=list, help_text="Sorted, each once.")
    search_text = models.TextField(help_text="All words of it in small letters, in every language.")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    # Kept by the actions, so that a list counts nothing.
    use_count = models.PositiveIntegerField(default=0)
    rating_count = models.PositiveIntegerField(default=0)
    rating_sum = models.PositiveIntegerField(default=0)
    rating_rank = models.GeneratedField(
        expression=(F("rating_sum") + PRIOR_RATINGS * PRIOR_STARS) * 1000 / (F("rating_count") + PRIOR_RATINGS),
        output_field=models.IntegerField(),
        db_persist=True,
        help_text="Thousandths of a star, by which lists are sorted.",
    )

    objects = WorkflowTemplateQuerySet.as_manager()

    class Meta:
        db_table = "workflow_template"
        constraints = [
            models.UniqueConstraint(fields=["workspace", "name"], name="workflow_template_name_unique_in_workspace"),
            models.CheckConstraint(
                condition=Q(workspace__isnull=False, slug__isnull=True)
                | Q(workspace__isnull=True, slug__isnull=False, visibility="public"),
                name="workflow_template_of_workspace_or_system",
            ),
            models.CheckConstraint(
                condition=Q(rating_sum__gte=F("rating_count"), rating_sum__lte=F("rating_count") * MAX_STARS),
                name="workflow_template_ratings_add_up",
            ),
        ]
        indexes = [
            models.Index(fields=["-use_count", "-id"], name="workflow_template_most_used"),
            models.Index(fields=["-rating_rank", "-id"], name="workflow_template_best_rated"),
            models.Index(fields=["-created_at", "-id"], name="workflow_template_newest"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_system(self) -> bool:
        return self.workspace_id is None

    @property
    def rating_average(self) -> float | None:
        """Stars, to two places; None where nobody has rated it."""
        return round(self.rating_sum / self.rating_count, 2) if self.rating_count else None

    def words(self, language: str) -> Words:
        """Name, description and tags in a language; the columns where there is no translation."""
        own = self.translations.get(language, {})
        return Words(own.get("name", self.name), own.get("description", self.description), tuple(own.get("tags", self.tags)))

    def definition_in(self, language: str) -> dict[str, Any]:
        """The definition, with the names that its nodes have in a language."""
        names = self.translations.get(language, {}).get("nodes", {})
        nodes = [{**node, "name": names[node["key"]]} if node["key"] in names else node for node in self.definition["nodes"]]
        return {**self.definition, "nodes": nodes}


class TemplateRating(BaseModel):
    """What one person thinks of a template. It outlives the account, so that the sums stay right."""

    template = models.ForeignKey(WorkflowTemplate, on_delete=models.CASCADE, related_name="ratings")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    stars = models.PositiveSmallIntegerField()

    class Meta:
        db_table = "workflow_template_rating"
        constraints = [
            models.UniqueConstraint(fields=["template", "user"], name="workflow_template_rating_one_per_person"),
            models.CheckConstraint(condition=Q(stars__gte=1, stars__lte=MAX_STARS), name="workflow_template_rating_stars"),
        ]

    def __str__(self) -> str:
        return f"{self.stars} for {self.template}"


class TemplateShare(BaseModel):
    """A private template, shared with one member or team of its workspace."""

    template = models.ForeignKey(WorkflowTemplate, on_delete=models.CASCADE, related_name="shares")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, null=True, blank=True, related_name="+")

    class Meta:
        db_table = "workflow_template_share"
        constraints = [
            models.CheckConstraint(
                condition=Q(user__isnull=False, team__isnull=True) | Q(user__isnull=True, team__isnull=False),
                name="workflow_template_share_to_one_party",
            ),
            models.UniqueConstraint(fields=["template", "user", "team"], name="workflow_template_share_unique", nulls_distinct=False),
        ]

    def __str__(self) -> str:
        return f"{self.template} for {self.user or self.team}"


class NodeTemplateQuerySet(models.QuerySet["NodeTemplate"]):
    def visible_to(self, user: User) -> "NodeTemplateQuerySet":
        """Node templates of workspaces whose workflows `user` may see."""
        access = user.access
        return self if access.is_operator else self.filter(workspace__in=access.workspaces_with(Permission.WORKFLOW_VIEW))


class NodeTemplate(BaseModel):
    """A configured node, kept for reuse."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="node_templates")
    name = models.CharField(max_length=128)
    description = models.TextField(blank=True)
    type = models.CharField(max_length=128, help_text="Name of the node type.")
    config = models.JSONField(default=dict, blank=True, help_text="Fits the node type, as far as its expressions allow to say.")
    icon = models.CharField(max_length=64, blank=True, help_text="Name of the editor's icon set; empty: that of the node type.")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    objects = NodeTemplateQuerySet.as_manager()

    class Meta:
        db_table = "node_template"
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="node_template_name_unique_in_workspace")]
        indexes = [
            models.Index(fields=["workspace", "-created_at", "-id"], name="node_template_newest"),
            models.Index(fields=["workspace", "type", "-created_at", "-id"], name="node_template_newest_of_type"),
        ]

    def __str__(self) -> str:
        return self.name
