"""The templates that come with StructForge: the JSON files of this folder, entered into the database after every `migrate`."""

from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from django.apps import apps as installed_apps
from pydantic import BaseModel, ConfigDict, Field

from apps.engine.json_values import loads
from apps.templates.categories import Category
from apps.templates.content import measures_of, search_text_of
from apps.templates.models import Status, Visibility

FOLDER = Path(__file__).parent
# The same template has the same id in every installation.
NAMESPACE = UUID("5f3d1c1e-6a0b-5c55-9a55-9d0f4d2f7c11")
MAX_FILE_BYTES = 1_000_000


class Translation(BaseModel):
    """What people read, in another language than English."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=128)
    description: str = Field(min_length=1)
    tags: list[str]
    nodes: dict[str, str]
    """{node key: name}, for every node."""


class SystemTemplate(BaseModel):
    """One file.

    definition      without name and description, which are those of the template
    sample_output   what an execution of `sample_input` gives; a test runs it
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=128)
    description: str = Field(min_length=1)
    category: Category
    tags: list[str]
    translations: dict[str, Translation]
    sample_input: dict[str, Any]
    sample_output: dict[str, Any]
    definition: dict[str, Any]

    @property
    def document(self) -> dict[str, Any]:
        return {"schema": 1, "name": self.name, "description": self.description, **self.definition}


@cache
def system_templates() -> dict[str, SystemTemplate]:
    """{name of the file: template}, sorted. Read once per process."""
    found = {path.stem: loads(path.read_bytes(), max_bytes=MAX_FILE_BYTES) for path in sorted(FOLDER.glob("*.json"))}
    return {slug: SystemTemplate.model_validate(content) for slug, content in found.items()}


def id_of(slug: str) -> UUID:
    return uuid5(NAMESPACE, slug)


def enter_system_templates(using: str, apps: Any = installed_apps, **_: Any) -> None:
    """Give every file its row, and switch off the rows whose file is gone: counts and ratings stay with them.

    A receiver of `post_migrate`, which `flush` sends too.
    """
    try:
        rows: Any = apps.get_model("templates", "WorkflowTemplate").objects.using(using)
    except LookupError:  # the migrations go back to before this table
        return
    columns = {slug: _columns(template) for slug, template in system_templates().items()}
    rows.filter(workspace=None).exclude(slug__in=columns).update(status=Status.INACTIVE)
    new = [rows.model(id=id_of(slug), slug=slug, **each) for slug, each in columns.items()]
    changed = sorted({name for each in columns.values() for name in each})
    rows.bulk_create(new, update_conflicts=True, unique_fields=["id"], update_fields=[*changed, "updated_at"])


def _columns(template: SystemTemplate) -> dict[str, Any]:
    translations = {language: each.model_dump() for language, each in template.translations.items()}
    return {
        **template.model_dump(include={"name", "description", "category", "tags", "sample_input", "sample_output"}),
        **measures_of(template.document),
        "translations": translations,
        "definition": template.document,
        "search_text": search_text_of(template.name, template.description, template.tags, template.category, translations),
        "visibility": Visibility.PUBLIC,
        "status": Status.ACTIVE,
    }
