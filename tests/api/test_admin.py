"""The admin: it shows what is visible, in few queries, and its buttons call actions."""

from uuid import UUID

import pytest
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from apps.accounts.actions import create_user
from apps.accounts.models import ApiKey, User
from apps.accounts.queries import personal_workspace
from apps.executions.actions import start_execution
from apps.executions.holds import hold, sweep_holds
from apps.executions.models import Execution, NodeRun
from apps.workflows.actions import create_workflow, save_version
from apps.workflows.folders import create_folder
from apps.workflows.levels import Level
from apps.workflows.links import create_link
from apps.workflows.models import Grant, ShareLink
from apps.workflows.sharing import share
from apps.workflows.tags import tag_workflow
from tests.api.clients import client_of
from tests.workers.driving import drive

pytestmark = pytest.mark.django_db(transaction=True)

BRANCHED = {
    "name": "branched",
    "inputs": {"amount": "number"},
    "nodes": [
        {"key": "start", "type": "trigger.manual"},
        {"key": "check", "type": "control.if", "config": {"condition": "${amount > 1000}"}, "name": "Large order?"},
        {"key": "large", "type": "data.set", "config": {"values": {"is_large": True}}},
        {"key": "small", "type": "data.set", "config": {"values": {"is_large": False}}},
        {"key": "merge", "type": "control.merge"},
    ],
    "edges": [
        {"source": "start", "target": "check"},
        {"source": "check", "port": "true", "target": "large"},
        {"source": "check", "port": "false", "target": "small"},
        {"source": "large", "target": "merge"},
        {"source": "small", "target": "merge"},
    ],
}


@pytest.fixture
def operator() -> User:
    return create_user(username="operator", password=None, is_superuser=True)


@pytest.fixture
def browser(operator: User) -> Client:
    client = Client()
    client.force_login(operator)
    return client


@pytest.fixture
def version(operator: User):
    return create_workflow(workspace=personal_workspace(operator), definition=BRANCHED, created_by=operator, publish=True).version


@pytest.fixture
def execution(version, operator: User) -> UUID:
    return start_execution(workflow=version.workflow, input={"amount": 5}, started_by=operator).execution_id


def page(execution_id: UUID) -> str:
    return reverse("admin:executions_execution_change", args=[execution_id])


def test_every_page_of_every_model_opens(browser, execution, version):
    drive(execution)
    fill(version, execution)
    for model, model_admin in admin.site._registry.items():
        prefix = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        assert browser.get(reverse(f"{prefix}_changelist")).status_code == 200, model
        assert browser.get(reverse(f"{prefix}_changelist"), {"q": "some text"}).status_code == 200, model
        can_add = model_admin.has_add_permission(browser.get("/admin/").wsgi_request)
        assert browser.get(reverse(f"{prefix}_add")).status_code == (200 if can_add else 403), model
        if (row := model._default_manager.first()) is not None:
            assert browser.get(reverse(f"{prefix}_change", args=[row.pk])).status_code == 200, model
    assert browser.get("/admin/").status_code == 200


def fill(version, execution):
    """A row of everything that belongs to a workflow."""
    workspace = version.workspace
    folder = create_folder(workspace=workspace, name="folder")
    tag_workflow(workflow=version.workflow, names=["tag"], tagged_by=workspace.owner)
    share(thing=folder, level=Level.VIEWER, shared_by=workspace.owner, user=workspace.owner)
    made = create_link(workflow=version.workflow, level=Level.EXECUTOR, created_by=workspace.owner, password="correct horse")
    return folder, made


def test_a_share_link_is_revoked_by_its_button_and_its_hash_is_not_shown(browser, version, execution):
    _, made = fill(version, execution)
    address = reverse("admin:workflows_sharelink_change", args=[made.link.pk])
    shown = browser.get(address).content.decode()
    assert made.token not in shown
    assert made.link.token_hash not in shown
    assert made.link.password not in shown
    browser.post(reverse("admin:sharelink_revoke", args=[made.link.pk]))
    assert ShareLink.objects.get().revoked_at is not None
    assert "Revoke<" not in browser.get(address).content.decode()
    browser.post(reverse("admin:grant_remove", args=[Grant.objects.get().pk]))
    assert not Grant.objects.exists()


def test_a_hold_is_released_by_its_button(browser, version, execution, operator):
    made = hold(workspace=None, workflow=version.workflow, reason="the bank is closed", until=None, held_by=operator)
    put_aside(execution)
    node_run = NodeRun.objects.get(execution_id=execution)
    assert "the bank is closed" in browser.get(reverse("admin:executions_noderun_change", args=[node_run.pk])).content.decode()
    address = reverse("admin:executions_hold_change", args=[made.pk])
    assert "Release<" in browser.get(address).content.decode()
    browser.post(reverse("admin:hold_release", args=[made.pk]))
    made.refresh_from_db()
    assert (made.released_at is not None, made.released_by) == (True, operator)
    assert "Release<" not in browser.get(address).content.decode()


def put_aside(execution):
    sweep_holds()
    assert NodeRun.objects.get(execution_id=execution).held_by is not None


def test_who_may_look_at_holds_may_not_release_them(staff, version, operator):
    owner = User.objects.get(username="staff")
    own = create_workflow(workspace=personal_workspace(owner), definition=BRANCHED, created_by=owner, publish=True).version
    made = hold(workspace=None, workflow=own.workflow, reason="x", until=None, held_by=operator)
    owner.user_permissions.add(*Permission.objects.filter(codename="view_hold"))
    assert "Release<" not in staff.get(reverse("admin:executions_hold_change", args=[made.pk])).content.decode()
    assert staff.post(reverse("admin:hold_release", args=[made.pk])).status_code == 403


def test_who_may_look_at_links_and_shares_may_not_take_them_back(staff, version, execution):
    owner = User.objects.get(username="staff")
    own = create_workflow(workspace=personal_workspace(owner), definition=BRANCHED, created_by=owner, publish=True).version
    _, made = fill(own, execution)
    owner.user_permissions.add(*Permission.objects.filter(codename__in=["view_sharelink", "view_grant"]))
    assert "Revoke<" not in staff.get(reverse("admin:workflows_sharelink_change", args=[made.link.pk])).content.decode()
    assert staff.post(reverse("admin:sharelink_revoke", args=[made.link.pk])).status_code == 403
    assert staff.post(reverse("admin:grant_remove", args=[Grant.objects.get().pk])).status_code == 403
    assert ShareLink.objects.get().revoked_at is None


@pytest.mark.parametrize(
    "name",
    [
        "executions_execution",
        "executions_noderun",
        "executions_iteration",
        "executions_executionevent",
        "workflows_workflow",
        "workflows_workflowversion",
        "workflows_folder",
        "workflows_tag",
        "workflows_grant",
        "workflows_sharelink",
    ],
)
def test_a_list_takes_the_same_queries_for_few_rows_and_for_many(name, browser, version, operator, django_assert_max_num_queries):
    def make(number):
        another = create_workflow(
            workspace=personal_workspace(operator), definition=BRANCHED, name=f"w{number}", created_by=operator, publish=True
        )
        drive(start_execution(workflow=another.version.workflow, input={"amount": number}).execution_id)
        folder = create_folder(workspace=another.version.workspace, name=str(number))
        tag_workflow(workflow=another.version.workflow, names=[f"tag {number}"], tagged_by=operator)
        share(thing=folder, level=Level.VIEWER, shared_by=operator, user=operator)
        create_link(workflow=another.version.workflow, level=Level.VIEWER, created_by=operator)

    make(0)
    url = reverse(f"admin:{name}_changelist")
    with django_assert_max_num_queries(12) as few:
        browser.get(url)
    for number in range(1, 8):
        make(number)
    with django_assert_max_num_queries(len(few)):
        browser.get(url)


def test_the_page_of_an_execution_shows_its_graph_with_words_for_the_colours(browser, execution, django_assert_max_num_queries):
    assert "not begun" in browser.get(page(execution)).content.decode()
    drive(execution)
    with django_assert_max_num_queries(8):
        text = browser.get(page(execution)).content.decode()
    for said in ("Large order?", "success", "skipped", "line-live", "line-dead", "Legend"):
        assert said in text, said
    run = NodeRun.objects.get(execution_id=execution, key="check")
    assert f'href="{reverse("admin:executions_noderun_change", args=[run.id])}"' in text


def test_the_buttons_pause_resume_and_cancel(browser, execution):
    for verb, status in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        assert f"/{verb}/" in browser.get(page(execution)).content.decode()
        answer = browser.post(reverse("admin:execution_move", args=[execution, verb]), follow=True)
        assert Execution.objects.get(pk=execution).status == status
        assert answer.status_code == 200
    refused = browser.post(reverse("admin:execution_move", args=[execution, "pause"]), follow=True)
    assert "The execution is cancelled" in refused.content.decode()


def test_a_button_is_no_link_and_needs_the_csrf_token(browser, operator, execution):
    url = reverse("admin:execution_move", args=[execution, "cancel"])
    assert browser.get(url).status_code == 405
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(operator)
    assert careful.post(url).status_code == 403
    assert Execution.objects.get(pk=execution).status == "running"


@pytest.fixture
def uncertain(execution) -> NodeRun:
    """A node run whose worker died in the middle of its effect."""
    NodeRun.objects.filter(execution_id=execution).update(status="uncertain", due_at=None)
    return NodeRun.objects.get(execution_id=execution)


@pytest.mark.parametrize(
    ("answer", "status", "then"),
    [
        ({"decision": "rerun"}, "queued", "success"),
        ({"decision": "success", "output": '{"amount": 5}'}, "success", "success"),
        ({"decision": "failed", "message": "no stock"}, "failed", "failed"),
    ],
)
def test_a_person_decides_about_an_uncertain_node_run(answer, status, then, browser, uncertain):
    url = reverse("admin:executions_noderun_change", args=[uncertain.id])
    assert "What became of it?" in browser.get(url).content.decode()
    browser.post(reverse("admin:node_run_resolve", args=[uncertain.id]), answer)
    uncertain.refresh_from_db()
    assert uncertain.status == status
    assert drive(uncertain.execution_id).status == then
    assert "What became of it?" not in browser.get(url).content.decode()


def test_an_output_that_is_no_json_decides_nothing(browser, uncertain):
    answer = browser.post(reverse("admin:node_run_resolve", args=[uncertain.id]), {"decision": "success", "output": "{"}, follow=True)
    assert "The output is not JSON" in answer.content.decode()
    uncertain.refresh_from_db()
    assert uncertain.status == "uncertain"


def test_versions_are_published_and_unpublished(browser, version):
    saved = save_version(workflow=version.workflow, definition={**BRANCHED, "description": "new"}).version
    browser.post(reverse("admin:workflow_publish", args=[version.workflow_id, saved.number]))
    version.workflow.refresh_from_db()
    assert version.workflow.published_version_id == saved.id
    browser.post(reverse("admin:workflow_unpublish", args=[version.workflow_id]))
    version.workflow.refresh_from_db()
    assert version.workflow.published_version_id is None


def test_a_status_cannot_be_edited(browser, execution):
    browser.post(page(execution), {"status": "success"})
    assert Execution.objects.get(pk=execution).status == "running"
    assert browser.post(reverse("admin:executions_execution_delete", args=[execution]), {"post": "yes"}).status_code == 403
    assert browser.post(reverse("admin:executions_execution_add"), {}).status_code == 403


@pytest.fixture
def staff() -> Client:
    """Somebody who may use the admin and look at executions, but owns none."""
    user = create_user(username="staff", password=None)
    user.is_staff = True
    user.save()
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_execution", "view_noderun"]))
    client = Client()
    client.force_login(user)
    return client


def test_staff_see_no_work_of_others(staff, execution):
    assert str(execution) not in staff.get(reverse("admin:executions_execution_changelist")).content.decode()
    assert staff.get(page(execution)).status_code == 404
    assert staff.post(reverse("admin:execution_move", args=[execution, "cancel"])).status_code == 404
    assert staff.get(reverse("admin:workflows_workflow_changelist")).status_code == 403


def test_who_may_look_may_not_steer(staff, version):
    owner = User.objects.get(username="staff")
    own = create_workflow(workspace=personal_workspace(owner), definition=BRANCHED, publish=True).version
    execution = start_execution(workflow=own.workflow, input={"amount": 5}).execution_id
    assert "/cancel/" not in staff.get(page(execution)).content.decode()
    assert staff.post(reverse("admin:execution_move", args=[execution, "cancel"])).status_code == 403


def test_a_login_is_limited_as_that_of_the_api_is():
    create_user(username="ada", password="correct horse", is_superuser=True)
    browser = Client()
    right = {"username": "ada", "password": "correct horse"}
    assert browser.post("/admin/login/?next=/admin/", right).status_code == 302
    for _ in range(5):
        assert "is wrong" in browser.post("/admin/login/", {"username": "ada", "password": "wrong"}).content.decode()
    assert "Too many tries" in browser.post("/admin/login/", right).content.decode()


def test_who_is_no_staff_cannot_log_in_here():
    create_user(username="ada", password="correct horse")
    answer = Client().post("/admin/login/", {"username": "ada", "password": "correct horse"})
    assert "staff account" in answer.content.decode()


def test_a_person_made_here_has_a_workspace(browser):
    password = "correct horse battery staple"
    answer = browser.post(
        reverse("admin:accounts_user_add"), {"username": "new", "password1": password, "password2": password, "usable_password": "true"}
    )
    assert answer.status_code == 302, answer.content
    assert personal_workspace(User.objects.get(username="new")).is_personal


def chosen(users: list[User], action: str) -> dict[str, object]:
    return {"action": action, "_selected_action": [str(user.pk) for user in users]}


def test_accounts_are_found_by_their_second_factor_and_kind(browser, operator):
    secured = create_user(username="secured", password=None)
    Authenticator.objects.create(user=secured, type="totp", data={"secret": ""})
    url = reverse("admin:accounts_user_changelist")
    for query, found in (({"mfa": "on"}, ["secured"]), ({"mfa": "off"}, ["operator"]), ({"kind__exact": "service"}, [])):
        page = browser.get(url, query)
        assert [user.username for user in page.context["cl"].result_list] == found


def test_accounts_are_deactivated_logged_out_and_freed_of_second_factors(browser, operator):
    url = reverse("admin:accounts_user_changelist")
    ada = create_user(username="ada", password=None)
    Authenticator.objects.create(user=ada, type="totp", data={"secret": ""})
    client = client_of(ada)
    browser.post(url, chosen([ada], "reset_second_factors"))
    assert not Authenticator.objects.exists()
    client.get_json("/users/me")
    browser.post(url, chosen([ada], "end_all_sessions"))
    client.get_json("/users/me", 401)
    client = client_of(ada)
    answer = browser.post(url, chosen([ada, operator], "deactivate"), follow=True)
    assert "1 accounts were deactivated" in answer.content.decode()
    client.get_json("/users/me", 401)
    assert set(User.objects.filter(is_active=True)) == {operator}


def test_keys_are_shown_without_what_could_open_and_revoked(browser, operator):
    ada = client_of(create_user(username="ada", password=None))
    made = ada.post_json("/users/me/api-keys", {"name": "ci", "scopes": ["workflow.view"]}, 201)
    key = ApiKey.objects.get()
    page = browser.get(reverse("admin:accounts_apikey_change", args=[key.pk])).content.decode()
    assert made["prefix"] in page
    assert key.digest not in page
    browser.post(reverse("admin:accounts_apikey_changelist"), {"action": "revoke", "_selected_action": [str(key.pk)]})
    key.refresh_from_db()
    assert key.revoked_at is not None


def test_lists_of_accounts_and_keys_take_the_same_queries_for_few_and_for_many(browser, operator, django_assert_max_num_queries):
    def make(name):
        client = client_of(create_user(username=name, password=None))
        client.post_json("/users/me/api-keys", {"name": name, "scopes": ["workflow.view"]}, 201)

    make("ada")
    urls = [reverse("admin:accounts_user_changelist"), reverse("admin:accounts_apikey_changelist")]
    few = []
    for url in urls:
        with django_assert_max_num_queries(12) as counted:
            browser.get(url)
        few.append(len(counted))
    for number in range(20):
        make(f"user{number}")
    for url, count in zip(urls, few, strict=True):
        with django_assert_max_num_queries(count):
            browser.get(url)
