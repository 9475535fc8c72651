"""What the documentation shows is what the product takes."""

import re
from pathlib import Path

import yaml

from apps.engine.validation import validate
from apps.nodes import registry

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"


def test_the_definition_in_the_documentation_is_valid():
    (document,) = re.findall(r"```yaml\n(.*?)```", (DOCS / "definition.md").read_text(), re.DOTALL)

    assert validate(yaml.safe_load(document), registry.all_types()).definition.name == "Approve large orders"
