"""What the editor and the docs say of the node types, and how packages bring more of them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from apps.nodes.catalog import functions, node_types
from apps.nodes.contract import Effect
from apps.nodes.page import page
from apps.nodes.registry import UnknownNodeTypeError, all_types, find_type, get_type
from tests.apps.nodes import faults_at_save

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "structforge-nodes-example"
BUILT_IN = [
    "code.python",
    "control.delay",
    "control.fail",
    "control.if",
    "control.merge",
    "control.switch",
    "data.set",
    "data.transform",
    "function",
    "http.request",
    "trigger.manual",
]


def test_the_built_in_node_types_are_there():
    assert set(BUILT_IN) <= set(all_types())


def test_an_unknown_node_type_is_named():
    assert find_type("http.reqest") is None
    with pytest.raises(UnknownNodeTypeError, match=r"http\.reqest"):
        get_type("http.reqest")


@pytest.mark.parametrize("name", BUILT_IN)
def test_each_node_type_says_what_it_is(name):
    entry = next(each for each in node_types() if each["name"] == name)

    assert entry["description"].endswith((".", "}."))
    assert all(entry[field] for field in ("title", "category", "icon", "version", "queue"))
    assert entry["effect"] in set(Effect)
    assert json.loads(json.dumps(entry)) == entry


@pytest.mark.parametrize("name", BUILT_IN)
def test_each_field_of_a_config_has_a_title_and_help(name):
    schema = next(each for each in node_types() if each["name"] == name)["config_schema"]

    Draft202012Validator.check_schema(schema)
    for model in (schema, *schema.get("$defs", {}).values()):
        for field in model.get("properties", {}).values():
            assert field["title"]
            assert field["description"].endswith((".", ":"))
            assert "\n" not in field["description"]


@pytest.mark.parametrize("name", [name for name in BUILT_IN if name != "function"])
def test_each_example_can_be_saved(name):
    assert faults_at_save(name, get_type(name).example) == {}


def test_a_field_that_is_taken_as_it_is_exists():
    for node_type in all_types().values():
        assert node_type.verbatim <= set(node_type.Config.model_fields)


def test_the_functions_are_listed_with_their_parameters():
    flaky = next(each for each in functions() if each["name"] == "tests.flaky")

    assert flaky == {
        "name": "tests.flaky",
        "description": "Fail so many times, then succeed.",
        "effect": "idempotent",
        "parameters": [{"name": "failures", "is_required": True}],
    }


def test_the_page_of_the_docs_is_that_of_the_node_types():
    assert (ROOT / "docs" / "nodes.md").read_text() == page(), "run `python manage.py node_docs`"


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The folder into which the example package was really installed."""
    target = tmp_path_factory.mktemp("installed")
    source = shutil.copytree(EXAMPLE, tmp_path_factory.mktemp("source") / "package")
    uv = Path(sys.executable).with_name("uv")
    command = [
        uv,
        "pip",
        "install",
        "--offline",
        "--no-deps",
        "--no-cache",
        "--quiet",
        "--python",
        sys.executable,
        "--target",
        target,
        source,
    ]
    subprocess.run(command, check=True, capture_output=True)
    return target


ASK = """
import django, json
django.setup()
from apps.nodes.catalog import functions, node_types
from tests.apps.nodes import faults_at_save, output_of
print(json.dumps({
    "types": [each["name"] for each in node_types()],
    "functions": [each["name"] for each in functions()],
    "slug": output_of("text.slugify", {"text": "Crème brûlée!"}),
    "sum": output_of("function", {"function": "example.add", "arguments": {"left": 1, "right": 2.5}}),
    "faults": faults_at_save("text.slugify", {"text": "a", "max_length": 0}),
    "example": faults_at_save("function", {"function": "example.add", "arguments": {"left": "${input.net}"}}),
}))
"""


def test_an_installed_package_brings_node_types_and_functions(installed):
    assert find_type("text.slugify") is None
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{installed}"}

    answer = subprocess.run([sys.executable, "-c", ASK], env=environment, check=False, capture_output=True, text=True, cwd=installed)

    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)
    assert "text.slugify" in found["types"]
    assert "example.add" in found["functions"]
    assert found["slug"] == {"slug": "creme-brulee"}
    assert found["sum"] == 3.5
    assert "1 or more" in found["faults"]["/max_length"]
    assert found["example"] == {}
