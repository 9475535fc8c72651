"""The gallery of templates over HTTP, and the templates that people keep."""

from typing import Any
from uuid import uuid4
from xml.etree import ElementTree

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import Membership, Team, TeamMember, User, Workspace
from apps.accounts.permissions import BUILT_IN_ROLES, Permission
from apps.accounts.queries import personal_workspace
from apps.templates.models import TemplateRating, WorkflowTemplate
from apps.templates.system import id_of, system_templates
from apps.workflows.models import Workflow
from tests.api.clients import ORDER, ApiClient, client_of, make_workflow

pytestmark = pytest.mark.django_db

FIRST_STEPS = f"/workflow-templates/{id_of('first-steps')}"
LEAD_SCORING = f"/workflow-templates/{id_of('lead-scoring')}"
LIMITED = {
    "name": "limited",
    "variables": {"limit": {"type": "number", "default": 10}, "note": "none"},
    "nodes": [{"key": "start", "type": "trigger.manual"}],
    "output": {"limit": "${limit}"},
}
CALL = {"key": "call", "type": "http.request", "config": {"url": "https://api.example.com", "headers": {"Authorization": "Bearer abc"}}}


def keep(client: ApiClient, status: int = 201, **body: Any) -> Any:
    """The answer to making a template."""
    return client.post_json("/workflow-templates", {"definition": ORDER, **body}, status)


def put(client: ApiClient, path: str, body: Any, status: int = 200) -> Any:
    return client._call("put", path, status, data=body, format="json")


def names(client: ApiClient, query: str = "") -> list[str]:
    return [card["name"] for card in client.get_json(f"/workflow-templates?limit=200{query}")["results"]]


def join(client: ApiClient, workspace: Workspace, role: str) -> ApiClient:
    """The person becomes a member of the workspace."""
    Membership.objects.create(workspace=workspace, user=client.user, role=role)
    return client_of(User.objects.get(pk=client.user.pk))


def workspace_of(client: ApiClient) -> Workspace:
    return personal_workspace(client.user)


# Looking around


def test_the_gallery_speaks_the_language_of_the_caller(ada):
    assert "Lead scoring" in names(ada)
    for card in (
        ada.get_json("/workflow-templates?lang=zh-CN&search=lead+scoring")["results"][0],
        ada.get_json(LEAD_SCORING, **{"Accept-Language": "fr, zh-Hans-CN;q=0.8, en;q=0.5"}),
    ):
        assert (card["name"], card["category_title"], card["tags"][0]) == ("线索评分", "销售与客户", "表达式")
    assert ada.get_json(LEAD_SCORING + "?lang=fr")["name"] == "Lead scoring"
    answer = ada.get("/api/v1" + LEAD_SCORING, headers={"Accept-Language": "zh"})
    assert (answer.headers["Content-Language"], answer.headers["Vary"]) == ("zh", "Accept-Language")


@pytest.mark.parametrize("search", ["LEAD scor", "线索", "评分 线索", "leads sales", "销售与客户"])
def test_a_search_finds_all_of_its_words_in_any_language(ada, search):
    found = names(ada, f"&search={search}")

    assert ("Lead scoring" in found) is (search != "leads sales")
    assert len(found) < len(system_templates())


def test_a_search_takes_wildcards_for_letters(ada):
    assert names(ada, "&search=%25") == []
    assert names(ada, "&search=_") == []


def test_the_gallery_is_filtered_by_category_and_tag(ada):
    finance = {template.name for template in system_templates().values() if template.category == "finance"}

    assert set(names(ada, "&category=finance")) == finance
    assert "Order approval" in names(ada, "&tag=retry")
    assert "First steps" not in names(ada, "&tag=retry")


def test_categories_count_what_the_caller_may_see(ada, bob):
    keep(ada, category="finance")

    def finance(client: ApiClient) -> int:
        (row,) = [each for each in client.get_json("/workflow-templates/categories?lang=zh") if each["category"] == "finance"]
        assert row["title"] == "财务"
        return row["count"]

    assert finance(ada) == finance(bob) + 1
    assert len(ada.get_json("/workflow-templates/categories")) == 10


def test_the_gallery_is_sorted_by_use_by_rating_and_by_age(ada):
    ada.post_json(f"{FIRST_STEPS}/use", {}, 201)
    put(ada, f"{LEAD_SCORING}/rating", {"stars": 5})
    keep(ada)

    assert names(ada)[0] == "First steps"
    assert names(ada, "&sort=rating")[0] == "Lead scoring"
    assert names(ada, "&sort=newest")[0] == "order"


@pytest.mark.parametrize("sort", ["popular", "newest", "rating"])
def test_pages_hold_every_template_once(ada, sort):
    for stars, slug in enumerate(["first-steps", "lead-scoring", "csv-to-json"], 3):
        put(ada, f"/workflow-templates/{id_of(slug)}/rating", {"stars": stars})
        WorkflowTemplate.objects.filter(slug=slug).update(use_count=stars)
    seen, address = [], f"/api/v1/workflow-templates?sort={sort}&limit=3"
    while address:
        page = ada.get(address).json()
        seen += [card["id"] for card in page["results"]]
        address = page["next"]

    assert len(seen) == len(set(seen)) == WorkflowTemplate.objects.count()


def test_one_vote_of_five_ranks_below_many_of_four(ada):
    WorkflowTemplate.objects.filter(slug="first-steps").update(rating_count=1, rating_sum=5)
    WorkflowTemplate.objects.filter(slug="csv-to-json").update(rating_count=40, rating_sum=160)

    assert names(ada, "&sort=rating")[:2] == ["CSV to JSON", "First steps"]


@pytest.mark.parametrize(
    "query", ["sort=best", "category=none", "cursor=x", "cursor=MTIzNDU2Nzg5MDEyIDAw", "limit=0", "serach=x", "workspace=1", "search=%00"]
)
def test_a_question_that_makes_no_sense_is_refused(ada, query):
    assert ada.get_json(f"/workflow-templates?{query}", 422)["code"] in ("invalid", "invalid_page")


def test_a_list_takes_the_same_queries_for_few_and_for_many(ada):
    def queries(path: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            ada.get_json(path)
        return len(captured)

    paths = ["/workflow-templates?limit=200", "/workflow-templates/categories", "/node-templates"]
    keep(ada)
    few = [queries(path) for path in paths]
    for number in range(30):
        template = keep(ada, name=f"t{number}", visibility="public", tags=["x"])
        put(ada, f"/workflow-templates/{template['id']}/rating", {"stars": 4})
        ada.post_json("/node-templates", {"name": f"n{number}", "type": "control.delay", "config": {"seconds": 1}}, 201)

    assert [queries(path) for path in paths] == few
    assert max(few) <= 3


# A workflow in one call


def test_a_template_becomes_a_workflow_in_one_call(ada):
    made = ada.post_json(f"{FIRST_STEPS}/use", {"publish": True}, 201)

    assert set(made) == set(make_workflow(ada))
    assert (made["name"], made["published_number"], made["workspace"]) == ("First steps", 1, str(workspace_of(ada).id))
    definition = ada.get_json(f"/workflows/{made['id']}/versions/1")["definition"]
    assert definition["name"] == "First steps"
    assert definition["nodes"][1]["name"] == "What time is it?"
    assert ada.get_json(FIRST_STEPS)["use_count"] == 1


def test_it_is_named_and_described_as_asked_or_in_the_language_of_the_caller(ada):
    chinese = ada.post_json(f"{FIRST_STEPS}/use?lang=zh", {}, 201)
    own = ada.post_json(f"{FIRST_STEPS}/use?lang=zh", {"name": "问候", "description": ""}, 201)

    assert (chinese["name"], own["name"], own["description"]) == ("入门示例", "问候", "")
    assert ada.get_json(f"/workflows/{chinese['id']}/versions/1")["definition"]["nodes"][1]["name"] == "现在几点？"


def test_a_second_one_gets_a_number_and_a_name_that_was_asked_for_must_be_free(ada):
    made = [ada.post_json(f"{FIRST_STEPS}/use", {}, 201)["name"] for _ in range(3)]

    assert made == ["First steps", "First steps 2", "First steps 3"]
    assert ada.post_json(f"{FIRST_STEPS}/use", {"name": "First steps"}, 409)["code"] == "workflow_name_taken"
    assert ada.get_json(FIRST_STEPS)["use_count"] == 3


def test_parameters_are_the_first_values_of_variables(ada):
    template = keep(ada, definition=LIMITED)
    made = ada.post_json(f"/workflow-templates/{template['id']}/use", {"parameters": {"limit": 25, "note": "mine"}}, 201)

    variables = ada.get_json(f"/workflows/{made['id']}/versions/1")["definition"]["variables"]
    assert variables == {"limit": {"type": "number", "default": 25}, "note": "mine"}


@pytest.mark.parametrize(
    "body",
    [{"parameters": {"limt": 1}}, {"parameters": {"limit": "many"}}, {"credentials": {"stat": {}}}, {"credentials": {"start": {"a": 1}}}],
)
def test_parameters_and_credentials_that_do_not_fit_make_nothing(ada, body):
    template = keep(ada, definition=LIMITED)
    refused = ada.post_json(f"/workflow-templates/{template['id']}/use", body, 422)

    assert refused["code"] == "invalid_definition"
    assert not Workflow.objects.exists()
    assert ada.get_json(f"/workflow-templates/{template['id']}")["use_count"] == 0


def test_a_workflow_is_made_only_where_the_caller_may_make_workflows(ada, bob):
    viewer = join(bob, workspace_of(ada), "viewer")

    assert viewer.post_json(f"{FIRST_STEPS}/use", {"workspace": str(workspace_of(ada).id)}, 403)["details"] == {
        "permission": "workflow.create"
    }
    assert bob.post_json(f"{FIRST_STEPS}/use", {"workspace": str(uuid4())}, 404)["code"] == "workspace_not_found"
    assert bob.post_json(f"{FIRST_STEPS}/use", {}, 201)["workspace"] == str(workspace_of(bob).id)


def test_one_that_is_switched_off_is_not_listed_and_not_used(ada):
    template = keep(ada, visibility="public")
    ada.patch_json(f"/workflow-templates/{template['id']}", {"status": "inactive"})

    assert "order" not in names(ada)
    assert names(ada, "&status=inactive") == ["order"]
    assert ada.post_json(f"/workflow-templates/{template['id']}/use", {}, 409)["code"] == "template_inactive"


def test_whoever_uses_what_a_stranger_wrote_is_told_where_to_look(ada, bob):
    safe = {"key": "start", "type": "trigger.manual"}
    nodes = [safe, {"key": "get", "type": "http.request", "config": {"url": "https://example.com"}}]
    code = {"key": "code", "type": "code.python", "config": {"code": "return 1"}}
    edges = [{"source": "start", "target": "get"}, {"source": "start", "target": "code"}]
    template = keep(ada, definition={"name": "x", "nodes": [*nodes, code], "edges": edges}, visibility="public")
    path = f"/workflow-templates/{template['id']}/use"

    assert [each["pointer"] for each in bob.post_json(path, {}, 201)["warnings"]] == ["/nodes/1", "/nodes/2"]
    assert ada.post_json(path, {}, 201)["warnings"] == []


# Templates of people


def test_a_version_of_a_workflow_becomes_a_template(ada):
    made = make_workflow(ada, {**ORDER, "description": "Is it large?"})
    ada.post_json(f"/workflows/{made['id']}/versions", {"definition": {**ORDER, "output": {}}}, 201)

    published = ada.post_json("/workflow-templates", {"workflow": made["id"], "tags": ["mine"]}, 201)
    second = ada.post_json("/workflow-templates", {"workflow": made["id"], "version": 2, "name": "second"}, 201)

    assert (published["name"], published["description"], published["tags"]) == ("order", "Is it large?", ["mine"])
    assert published["definition"]["output"] == ORDER["output"]
    assert second["definition"]["output"] == {}
    assert (second["visibility"], second["is_system"], second["workspace"]) == ("private", False, made["workspace"])
    assert ada.post_json("/workflow-templates", {"workflow": made["id"], "version": 9}, 404)["code"] == "version_not_found"


def test_nodes_lose_their_credentials(ada):
    node = {"key": "call", "type": "http.request", "config": {"url": "https://api.example.com"}, "credentials": {"default": str(uuid4())}}
    made = keep(ada, definition={"name": "call", "nodes": [node]})

    assert "credentials" not in made["definition"]["nodes"][0]
    changed = ada.patch_json(f"/workflow-templates/{made['id']}", {"definition": {"name": "call", "nodes": [node, {**node, "key": "b"}]}})
    assert [set(each) for each in changed["definition"]["nodes"]] == [{"key", "type", "config"}] * 2
    assert changed["node_count"] == 2


def test_nothing_that_looks_like_a_secret_is_published(ada):
    made = keep(ada, definition={"name": "call", "nodes": [CALL]}, visibility="workspace")
    refused = ada.patch_json(f"/workflow-templates/{made['id']}", {"visibility": "public"}, 422)

    assert refused["code"] == "secret_in_template"
    assert refused["details"] == {"pointers": ["/nodes/0/config/headers/Authorization"]}
    assert "abc" not in refused["message"]
    by_expression = {**CALL, "config": {**CALL["config"], "headers": {"Authorization": "Bearer ${input.token}"}}}
    keep(ada, definition={"name": "other", "nodes": [by_expression]}, visibility="public")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"definition": {"name": "x", "nodes": []}}, 422, "invalid_definition"),
        ({"definition": [1]}, 422, "invalid_definition"),
        ({"definition": {"name": "x", "nodes": [1]}}, 422, "invalid_definition"),
        ({"sample_input": {"amount": "many"}}, 422, "invalid_sample_input"),
        ({"category": "none"}, 422, "invalid"),
        ({"tags": ["x"] * 21}, 422, "invalid"),
        ({"visibility": "everybody"}, 422, "invalid"),
        ({"workflow": str(uuid4())}, 422, "invalid"),
        ({"version": 1}, 422, "invalid"),
        ({"workspace": str(uuid4())}, 404, "workspace_not_found"),
        ({"name": "taken"}, 409, "template_name_taken"),
    ],
)
def test_what_cannot_be_a_template_is_refused(ada, body, status, code):
    keep(ada, name="taken")

    assert keep(ada, status, **body)["code"] == code
    assert WorkflowTemplate.objects.exclude(workspace=None).count() == 1


def test_nothing_is_done_where_the_address_asks_for_what_is_not_known(ada):
    template = keep(ada)
    ada.post_json("/workflow-templates?visibility=public", {"definition": LIMITED}, 422)
    ada.patch_json(f"/workflow-templates/{template['id']}?langage=zh", {"name": "new"}, 422)
    ada.post_json(f"/workflow-templates/{template['id']}/use?publish=true", {}, 422)

    assert names(ada, f"&workspace={template['workspace']}") == ["order"]
    assert not Workflow.objects.exists()


def test_a_template_changes_and_goes_while_its_workflows_stay(ada):
    template = keep(ada)
    path = f"/workflow-templates/{template['id']}"
    made = ada.post_json(f"{path}/use", {}, 201)
    changed = ada.patch_json(path, {"name": "bestellung", "category": "commerce", "sample_input": {"amount": 3}})

    assert (changed["name"], changed["category"], changed["sample_input"]) == ("bestellung", "commerce", {"amount": 3})
    assert names(ada, "&search=bestellung") == ["bestellung"]
    assert ada.patch_json(path, {"definition": LIMITED}, 200)["definition"]["name"] == "limited"
    assert ada.patch_json(path, {"sample_input": {}, "definition": {"name": "x", "nodes": []}}, 422)["code"] == "invalid_definition"
    assert ada.delete(f"/api/v1{path}").status_code == 204
    ada.get_json(path, 404)
    ada.get_json(f"/workflows/{made['id']}")


def test_nobody_changes_what_comes_with_structforge(ada, operator):
    for client in (ada, operator):
        assert client.patch_json(FIRST_STEPS, {"name": "mine"}, 403)["code"] == "not_allowed"
        assert client.delete(f"/api/v1{FIRST_STEPS}").status_code == 403
        assert put(client, f"{FIRST_STEPS}/shares", {}, 403)["code"] == "not_allowed"


# Who sees what


def test_a_private_template_is_its_makers_alone(ada, bob):
    template = keep(ada)
    path = f"/workflow-templates/{template['id']}"
    colleague = join(bob, workspace_of(ada), "admin")

    for method, address in (("get", path), ("patch", path), ("delete", path), ("post", f"{path}/use"), ("put", f"{path}/rating")):
        body = {"stars": 1} if method == "put" else {}
        assert colleague._call(method, address, 404, data=body, format="json")["code"] == "template_not_found"
    assert colleague.get(f"/api/v1{path}/picture.svg").status_code == 404
    assert "order" not in names(colleague)


def test_it_can_be_shared_with_members_and_teams_of_its_workspace(ada, bob):
    workspace = workspace_of(ada)
    colleague = join(bob, workspace, "viewer")
    template = keep(ada)
    path = f"/workflow-templates/{template['id']}"

    assert put(ada, f"{path}/shares", {"users": [str(bob.user.id)]})["users"] == [str(bob.user.id)]
    assert "order" in names(colleague)
    assert colleague.get_json(path)["may_manage"] is False
    assert put(colleague, f"{path}/shares", {}, 403)["code"] == "not_allowed"

    team = Team.objects.create(workspace=workspace, name="night shift")
    TeamMember.objects.create(team=team, user=bob.user)
    assert put(ada, f"{path}/shares", {"teams": [str(team.id)]}) == {"users": [], "teams": [str(team.id)]}
    colleague.get_json(path)
    put(ada, f"{path}/shares", {})
    colleague.get_json(path, 404)


def test_it_is_shared_with_nobody_else(ada, bob):
    template = keep(ada)
    foreign = Team.objects.create(workspace=workspace_of(bob), name="theirs")
    for body in ({"users": [str(bob.user.id)]}, {"teams": [str(foreign.id)]}, {"users": [str(uuid4())]}):
        assert put(ada, f"/workflow-templates/{template['id']}/shares", body, 422)["code"] == "not_a_member"


def test_a_share_ends_with_the_membership(ada, bob):
    join(bob, workspace_of(ada), "viewer")
    template = keep(ada)
    put(ada, f"/workflow-templates/{template['id']}/shares", {"users": [str(bob.user.id)]})
    Membership.objects.filter(workspace=workspace_of(ada), user=bob.user).delete()

    client_of(User.objects.get(pk=bob.user.pk)).get_json(f"/workflow-templates/{template['id']}", 404)


def test_a_template_of_a_workspace_is_for_its_members(ada, bob):
    template = keep(ada, visibility="workspace")
    bob.get_json(f"/workflow-templates/{template['id']}", 404)
    viewer = join(bob, workspace_of(ada), "viewer")

    seen = viewer.get_json(f"/workflow-templates/{template['id']}")
    assert (seen["workspace"], seen["may_manage"]) == (str(workspace_of(ada).id), False)
    assert viewer.patch_json(f"/workflow-templates/{template['id']}", {"name": "mine"}, 403)["code"] == "not_allowed"
    assert keep(viewer, 403, workspace=str(workspace_of(ada).id))["details"] == {"permission": "template.manage"}


VERBS = [
    ("get", "", None, 200),
    ("get", "/picture.svg", None, 200),
    ("put", "/rating", {"stars": 3}, 200),
    ("delete", "/rating", None, 200),
    ("post", "/use", {}, 201),
    ("get", "/shares", None, 200),
    ("put", "/shares", {}, 200),
    ("patch", "", {"description": "new"}, 200),
    ("delete", "", None, 204),
]


@pytest.mark.parametrize("role", BUILT_IN_ROLES)
def test_each_role_may_use_what_its_workspace_keeps_and_change_it_by_right(ada, bob, role):
    template = keep(ada, visibility="workspace")
    member = join(bob, workspace_of(ada), role)
    may_change = Permission.TEMPLATE_MANAGE in BUILT_IN_ROLES[role]

    for method, rest, body, done in VERBS:
        answer = getattr(member, method)(f"/api/v1/workflow-templates/{template['id']}{rest}", body, format="json")
        is_change = rest == "/shares" or (rest == "" and method != "get")
        assert answer.status_code == (done if may_change or not is_change else 403), (method, rest)


@pytest.mark.parametrize("role", BUILT_IN_ROLES)
def test_each_role_keeps_templates_by_right(ada, bob, role):
    member = join(bob, workspace_of(ada), role)
    may = Permission.TEMPLATE_MANAGE in BUILT_IN_ROLES[role]

    keep(member, 201 if may else 403, workspace=str(workspace_of(ada).id))


def test_a_public_template_tells_strangers_nothing_of_its_workspace(ada, bob):
    Workspace.objects.filter(pk=workspace_of(ada).pk).update(name="Secret Works")
    template = keep(ada, visibility="public")
    path = f"/workflow-templates/{template['id']}"
    workspace = str(workspace_of(ada).id)

    texts = [bob.get(f"/api/v1{each}").content.decode() for each in (path, "/workflow-templates?limit=200", f"{path}/picture.svg")]
    texts.append(str(bob.patch_json(path, {"name": "x"}, 403)))
    texts.append(str(bob.post_json(f"{path}/use", {}, 201)))
    assert bob.get_json(path)["workspace"] is None
    for text in texts:
        assert all(word not in text for word in (workspace, "Secret Works", str(ada.user.id), '"ada"'))
    assert names(bob, f"&workspace={workspace}") == []
    assert names(ada, f"&workspace={workspace}") == ["order"]


def test_a_public_one_that_is_switched_off_is_gone_for_strangers(ada, bob):
    template = keep(ada, visibility="public")
    bob.get_json(f"/workflow-templates/{template['id']}")
    ada.patch_json(f"/workflow-templates/{template['id']}", {"status": "inactive"})

    bob.get_json(f"/workflow-templates/{template['id']}", 404)
    assert names(bob, "&status=inactive") == []


def test_a_workflow_that_may_not_be_seen_is_no_source_of_a_template(ada, bob):
    made = make_workflow(ada)

    assert bob.post_json("/workflow-templates", {"workflow": made["id"]}, 404)["code"] == "workflow_not_found"


# Ratings


def test_a_person_has_one_vote_and_may_change_it_or_take_it_back(ada, bob):
    path = f"{FIRST_STEPS}/rating"
    assert put(ada, path, {"stars": 2}) == {"my_stars": 2, "rating_average": 2.0, "rating_count": 1}
    assert put(bob, path, {"stars": 5}) == {"my_stars": 5, "rating_average": 3.5, "rating_count": 2}
    assert put(ada, path, {"stars": 4}) == {"my_stars": 4, "rating_average": 4.5, "rating_count": 2}
    assert bob.get_json(FIRST_STEPS)["my_stars"] == 5

    assert ada._call("delete", path, 200) == {"my_stars": None, "rating_average": 5.0, "rating_count": 1}
    assert ada._call("delete", path, 200)["rating_count"] == 1
    assert TemplateRating.objects.count() == 1


@pytest.mark.parametrize("stars", [0, 6, -1, 2.5, "five", None])
def test_a_vote_is_one_to_five_stars(ada, stars):
    assert put(ada, f"{FIRST_STEPS}/rating", {"stars": stars}, 422)["details"]["errors"][0]["pointer"] == "/stars"


def test_the_vote_of_an_account_that_is_deleted_still_counts(ada, bob):
    put(bob, f"{FIRST_STEPS}/rating", {"stars": 4})
    Workspace.objects.filter(owner=bob.user).delete()
    bob.user.delete()

    assert ada.get_json(FIRST_STEPS)["rating_count"] == TemplateRating.objects.count() == 1


# Pictures


def picture(client: ApiClient, path: str, query: str = "", **headers: str) -> Any:
    return client.get(f"/api/v1{path}/picture.svg{query}", headers=headers)


def texts_of(answer: Any) -> list[str]:
    root = ElementTree.fromstring(answer.content)  # noqa: S314  # our own
    return [each.text or "" for each in root.iter() if each.tag.endswith("}text")]


def test_a_picture_shows_the_graph_in_the_language_of_the_caller(ada):
    answer = picture(ada, FIRST_STEPS, "?lang=zh&theme=dark", Accept="image/svg+xml")

    assert answer.headers["Content-Type"] == "image/svg+xml; charset=utf-8"
    assert {"现在几点？", "control.switch", "morning"} <= set(texts_of(answer))
    assert "#141722" in answer.content.decode()


def test_a_picture_runs_nothing_whatever_the_nodes_are_called(ada):
    evil = "</text><script>alert(1)</script>\u0001\uffff&\"'"
    nodes = [{"key": "start", "type": "trigger.manual", "name": evil}]
    template = keep(ada, definition={"name": "x", "nodes": nodes}, name="<b onload='x'>&\"")
    answer = picture(ada, f"/workflow-templates/{template['id']}")

    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    text = answer.content.decode()
    assert "<script" not in text
    assert "style" not in text
    assert texts_of(answer)[0].startswith("</text><script>")


def test_a_graph_too_large_to_draw_is_a_card_with_its_name(ada):
    nodes = [{"key": f"n{number}", "type": "data.set", "config": {"values": {"a": 1}}} for number in range(401)]
    template = keep(ada, definition={"name": "large", "nodes": nodes})

    assert texts_of(picture(ada, f"/workflow-templates/{template['id']}")) == ["large"]


def test_a_picture_that_is_not_there_is_an_error_as_json(ada):
    answer = picture(ada, f"/workflow-templates/{uuid4()}", Accept="image/svg+xml")

    assert answer.status_code == 404
    assert answer.json()["code"] == "template_not_found"
