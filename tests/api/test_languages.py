"""Pages and mails in the language of who reads them."""

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test import Client

from apps.accounts.languages import language_at, language_of
from apps.accounts.models import User
from apps.notifications.delivering import announce_due, deliver
from apps.tasks.models import HumanTask
from apps.tasks.pages.words import CHINESE, ENGLISH
from apps.tasks.timers import fire_due
from tests.api.test_tasks import ask, enter
from tests.api.workspaces import workspace_of
from tests.apps.smtp_sink import running_sink

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sink(settings):
    with running_sink() as sink:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", sink.port
        yield sink


def inbox_of(user: User, *accepted: str) -> str:
    client = Client(headers={"Accept-Language": accepted[0]} if accepted else {})
    client.force_login(user)
    return client.get("/tasks").content.decode()


@pytest.mark.parametrize(
    ("chosen", "accepted", "default", "words"),
    [
        ("", ["zh-CN"], "en", CHINESE),
        ("", ["de, en;q=0.5"], "zh-hans", ENGLISH),
        ("", ["de"], "zh-hans", CHINESE),
        ("", [], "de", ENGLISH),
        ("en", ["zh-CN"], "zh-hans", ENGLISH),
        ("zh", ["en"], "en", CHINESE),
    ],
)
def test_pages_speak_as_the_person_chose_else_as_the_browser_asks(ada, settings, chosen, accepted, default, words):
    settings.LANGUAGE_CODE = default
    ada.patch_json("/users/me", {"language": chosen})
    assert f'lang="{words["lang"]}"' in (page := inbox_of(User.objects.get(pk=ada.user.pk), *accepted))
    assert words["your_tasks"] in page


def test_mails_about_tasks_are_in_the_language_of_each_reader(ada, bob, sink, settings):
    settings.PUBLIC_URL = "https://flows.example.org"
    enter(bob, workspace_of(ada))
    for client in (ada, bob):
        User.objects.filter(pk=client.user.pk).update(email=f"{client.user.username}@example.com")
    bob.patch_json("/users/me", {"language": "zh"})
    task = ask(ada, candidate_users=["ada", "bob"], description="It is large.", due_seconds=7200)
    fire_due()
    for delivery_id in announce_due(10):
        deliver(delivery_id)

    mails = {taken.recipients[0]: taken.message for taken in sink.taken}
    due = f"{HumanTask.objects.get(pk=task).due_at:%Y-%m-%d %H:%M} UTC"
    english, chinese = (mails[f"{name}@example.com"].get_content().replace("\r\n", "\n") for name in ("ada", "bob"))
    assert mails["ada@example.com"]["Subject"] == "A task for you: Approve ORDER-001"
    assert mails["bob@example.com"]["Subject"] == "您有新任务：Approve ORDER-001"
    assert english.startswith(f"Task:    Approve ORDER-001\nDue:     {due}\nAnswer:  https://flows.example.org/tasks/open/")
    assert chinese.startswith(f"任务：Approve ORDER-001\n截止时间：{due}\n前往处理：https://flows.example.org/tasks/open/")
    assert english.endswith("\n\nIt is large.\n\nThe link is yours alone, and asks you to log in.\n")
    assert chinese.endswith("\n\nIt is large.\n\n此链接仅供您本人使用，打开时需要登录。\n")


def test_who_has_not_chosen_and_who_is_nobody_here_read_the_installations_own(ada, settings):
    User.objects.filter(pk=ada.user.pk).update(email="Ada@example.com")
    for default, expected in (("en", "en"), ("zh-hans", "zh"), ("de", "en")):
        settings.LANGUAGE_CODE = default
        assert [language_of(ada.user), language_at("ada@example.com"), language_at("nobody@example.com")] == [expected] * 3
    ada.patch_json("/users/me", {"language": "zh"})
    assert (language_at("ada@example.com"), language_at("nobody@example.com")) == ("zh", "en")


def test_english_that_nobody_chose_is_not_taken_for_a_choice_when_an_installation_is_updated(ada, bob):
    User.objects.filter(pk=ada.user.pk).update(language="zh")
    call_command("migrate", "accounts", "0006", verbosity=0)
    try:
        assert language(bob) == "en"
        MigrationExecutor(connection).migrate([("accounts", "0007_language_unchosen")])
        assert (language(ada), language(bob)) == ("zh", "")
    finally:
        call_command("migrate", verbosity=0)


def language(client) -> str:
    return User.objects.values_list("language", flat=True).get(pk=client.user.pk)
