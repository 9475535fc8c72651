"""The pages of tasks as a browser without scripts sees them."""

import re
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from apps.accounts.models import User
from apps.tasks.deciding import complete
from apps.tasks.links import task_token
from apps.tasks.models import HumanTask
from apps.tasks.pages.words import CHINESE, ENGLISH
from tests.api.clients import ApiClient
from tests.api.test_tasks import ask, copies, enter
from tests.api.workspaces import workspace_of
from tests.workers.driving import drive

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "correct horse battery"
FORM = {
    "type": "object",
    "properties": {
        "approved": {"type": "boolean"},
        "amount": {"type": "number", "title": "Amount", "minimum": 1, "description": "In euro."},
        "count": {"type": "integer", "propertyOrder": 1},
        "reason": {"enum": ["price", "quality"]},
        "tags": {"type": "array", "items": {"enum": ["a", "b", "c"]}},
        "lines": {"type": "array", "items": {"type": "string", "maxLength": 5}},
        "address": {"type": "object", "properties": {"street": {"type": "string"}, "zip": {"$ref": "#/$defs/zip"}}, "required": ["street"]},
        "rows": {"type": "array", "items": {"type": "object"}},
        "agreed": {"const": True, "type": "boolean"},
        "day": {"type": "string", "format": "date"},
    },
    "required": ["approved", "amount", "reason"],
    "$defs": {"zip": {"type": "string", "pattern": "^[0-9]{5}$", "maxLength": 5}},
}


def browser(user: User, language: str = "en", **more: Any) -> Client:
    client = Client(headers={"Accept-Language": language}, **more)
    client.force_login(user)
    return client


def text_of(response: Any) -> str:
    return str(response.content.decode())


class TestLinks:
    def test_a_link_asks_to_log_in_and_comes_back_to_the_task(self, ada):
        task = ask(ada, assignee="ada")
        ada.user.set_password(PASSWORD)  # ends what was logged in before
        ada.user.save()
        visitor = Client(headers={"Accept-Language": "en"})
        link = f"/tasks/open/{task_token(task, ada.user.pk)}"

        to_login = visitor.get(link)
        assert to_login.status_code == 302
        assert to_login.url.startswith("/tasks/login?next=/tasks/open/")
        page = visitor.get(to_login.url)
        assert (page.status_code, 'name="password"' in text_of(page)) == (200, True)
        wrong = visitor.post("/tasks/login", {"username": "ada", "password": "wrong", "next": link})
        assert (wrong.status_code, ENGLISH["wrong_credentials"] in text_of(wrong)) == (422, True)
        back = visitor.post("/tasks/login", {"username": "ada", "password": PASSWORD, "next": link})
        assert (back.status_code, back.url) == (302, link)
        opened = visitor.get(link, follow=True)
        assert opened.redirect_chain == [(f"/tasks/{task}", 302)]
        assert "Approve ORDER-001" in text_of(opened)

    def test_a_forwarded_link_is_refused_and_lets_the_other_log_in(self, ada, bob):
        task = ask(ada, assignee="ada")
        enter(bob, workspace_of(ada), "owner")
        other = browser(bob.user)
        link = f"/tasks/open/{task_token(task, ada.user.pk)}"
        page = other.get(link)
        assert page.status_code == 403
        assert ENGLISH["link_of_another"] in text_of(page)
        assert "ORDER-001" not in text_of(page)
        out = other.post("/tasks/logout", {"next": link})
        assert out.url == f"/tasks/login?next={link}"
        assert other.get(link).url.startswith("/tasks/login")
        assert browser(ada.user).get(f"{link}x").status_code == 404

    @pytest.mark.parametrize("target", ["https://evil.example/tasks", "//evil.example/tasks", "/tasks\\@evil.example/", "/admin/"])
    def test_nobody_is_sent_elsewhere_after_logging_in(self, ada, target):
        ada.user.set_password(PASSWORD)
        ada.user.save()
        response = Client().post("/tasks/login", {"username": "ada", "password": PASSWORD, "next": target})
        assert response.status_code == 302
        assert (urlsplit(response.url).netloc, urlsplit(response.url).path[:6]) == ("", "/tasks")

    def test_an_address_that_has_to_be_confirmed_first_lets_nobody_in(self, ada, settings):
        ada.user.set_password(PASSWORD)
        ada.user.email = "ada@example.com"
        ada.user.save()
        settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
        response = Client(headers={"Accept-Language": "en"}).post("/tasks/login", {"username": "ada", "password": PASSWORD})
        assert (response.status_code, ENGLISH["not_confirmed"] in text_of(response)) == (422, True)

    def test_too_many_wrong_passwords_are_stopped_as_in_the_api(self, ada):
        client = Client(headers={"Accept-Language": "en"})
        seen = [text_of(client.post("/tasks/login", {"username": "ada", "password": "wrong"})) for _ in range(7)]
        assert ENGLISH["too_many_attempts"] in seen[-1]


class TestPage:
    def test_sizes_of_files_are_told_in_the_language_of_the_browser(self, ada):
        task = ask(ada, assignee="ada")
        browser(ada.user).post(f"/tasks/{task}", {"action": "attach", "file": SimpleUploadedFile("a.txt", b"12345678")})
        assert "8\u00a0字节" in text_of(browser(ada.user, "zh-CN").get(f"/tasks/{task}"))
        assert "8\u00a0bytes" in text_of(browser(ada.user).get(f"/tasks/{task}"))

    def test_answers_are_shown_by_their_labels_in_the_order_in_which_they_were_asked(self, ada):
        form = {
            "type": "object",
            "properties": {
                "approved": {"type": "boolean"},
                "zone": {
                    "title": "Zone",
                    "propertyOrder": 2,
                    "oneOf": [{"const": "n", "title": "North"}, {"const": "s", "title": "South"}],
                },
                "tags": {"title": "Tags", "propertyOrder": 1, "type": "array", "items": {"enum": ["a", "b", "c"]}},
                "address": {"title": "Address", "propertyOrder": 3, "properties": {"street": {"title": "Street", "type": "string"}}},
                "rows": {"propertyOrder": 4, "type": "array", "items": {"type": "object"}},
            },
        }
        form["properties"]["address"]["type"] = "object"
        task = ask(ada, assignee="ada", form=form)
        answers = {"zone": "s", "tags": ["c", "a"], "address": {"street": "Main 1"}, "rows": [{"n": 1}], "approved": False}
        complete(task_id=task, user=ada.user, variables=answers)

        page = text_of(browser(ada.user).get(f"/tasks/{task}"))

        shown = re.findall(r"<dt>([^<]+)</dt><dd class=\"text\">(.*?)</dd>", page)
        expected = [("Tags", "c, a"), ("Zone", "South"), ("Address", "Street: Main 1"), ("rows", "[{&quot;n&quot;:1}]")]
        assert shown == [("Decision", ENGLISH["reject"]), *expected]

    def test_it_shows_what_is_asked_in_the_language_of_the_browser(self, ada):
        task = ask(ada, description="It is <b>large</b>.", four_eyes=False)
        english, chinese = (text_of(browser(ada.user, language).get(f"/tasks/{task}")) for language in ("en-GB,de;q=0.5", "zh-CN,en;q=0.3"))
        for page, words in ((english, ENGLISH), (chinese, CHINESE)):
            assert f'<html lang="{words["lang"]}">' in page
            assert all(words[word] in page for word in ("approve", "reject", "comments", "files", "claim"))
            assert "It is &lt;b&gt;large&lt;/b&gt;." in page
        assert ENGLISH.keys() == CHINESE.keys()

    def test_nothing_foreign_may_run_in_it_and_nobody_keeps_or_frames_it(self, ada):
        response = browser(ada.user).get(f"/tasks/{ask(ada)}")
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert (response.headers["Cache-Control"], response.headers["Content-Language"]) == ("no-store", "en")
        assert not re.search(r"<script(?! src)|\son\w+=|\sstyle=", text_of(response))

    def test_an_answer_by_a_button_goes_on_with_the_execution(self, ada):
        task = ask(ada, assignee="ada")
        client = browser(ada.user)
        done = client.post(f"/tasks/{task}", {"outcome": "0", "answer/comments": "审批通过\r\nall of it"}, follow=True)
        assert done.redirect_chain == [(f"/tasks/{task}", 302)]
        assert ENGLISH["completed"] in text_of(done)
        assert "审批通过" in text_of(done)
        row = HumanTask.objects.get(pk=task)
        assert row.decisions.get().variables == {"approved": True, "comments": "审批通过\nall of it"}
        assert drive(UUID(str(row.execution_id))).output == {"approved": True}
        again = client.post(f"/tasks/{task}", {"outcome": "1"})
        assert (again.status_code, ENGLISH["task_closed"] in text_of(again)) == (409, True)

    def test_reject_says_no_and_no_button_says_nothing(self, ada):
        task = ask(ada, assignee="ada", form={})
        client = browser(ada.user)
        assert client.post(f"/tasks/{task}", {"outcome": "7"}).status_code == 422
        assert client.post(f"/tasks/{task}", {}).status_code == 422
        client.post(f"/tasks/{task}", {"outcome": "1"})
        assert HumanTask.objects.get(pk=task).approved is False

    def test_each_kind_of_field_comes_back_as_its_schema_asks(self, ada):
        task = ask(ada, assignee="ada", form=FORM)
        page = text_of(browser(ada.user).get(f"/tasks/{task}"))
        number = 'type="number" step="any" inputmode="decimal" min="1" required aria-describedby="answer-47-amount-hint"'
        assert f'<input id="answer-47-amount" name="answer/amount" value="" {number}>' in page
        assert 'type="date"' in page
        names = list(dict.fromkeys(re.findall(r' name="answer/(\w+)', page)))
        assert names[:3] == ["count", "amount", "reason"]
        assert 'name="answer/approved"' not in page
        sent = {
            "outcome": "0",
            "answer/amount": "2.5",
            "answer/count": "3",
            "answer/reason": "1",
            "answer/tags": ["0", "2"],
            "answer/lines": "x\n\ny\n",
            "answer/address/street": "Main",
            "answer/address/zip": "12345",
            "answer/rows": '[{"a": 1}]',
            "answer/agreed": "on",
            "answer/day": "2030-01-31",
        }
        assert browser(ada.user).post(f"/tasks/{task}", sent).status_code == 302
        assert HumanTask.objects.get(pk=task).decisions.get().variables == {
            "approved": True,
            "amount": 2.5,
            "count": 3,
            "reason": "quality",
            "tags": ["a", "c"],
            "lines": ["x", "y"],
            "address": {"street": "Main", "zip": "12345"},
            "rows": [{"a": 1}],
            "agreed": True,
            "day": "2030-01-31",
        }

    @pytest.mark.parametrize(
        ("sent", "field", "message"),
        [
            ({}, "/amount", ENGLISH["required"]),
            ({"answer/amount": "many"}, "/amount", ENGLISH["number"]),
            ({"answer/amount": "nan"}, "/amount", ENGLISH["number"]),
            ({"answer/amount": "0"}, "/amount", "less than the minimum of 1"),
            ({"answer/count": "1.5"}, "/count", "not of type"),
            ({"answer/reason": ""}, "/reason", ENGLISH["required"]),
            ({"answer/reason": "9"}, "/reason", ENGLISH["required"]),
            ({"answer/lines": "too long a line"}, "/lines", "too long"),
            ({"answer/address/zip": "12345"}, "/address/street", ENGLISH["required"]),
            ({"answer/address/street": "Main", "answer/address/zip": "x"}, "/address/zip", "does not match"),
            ({"answer/rows": "{"}, "/rows", ENGLISH["json"]),
            ({"answer/rows": "[1]"}, "/rows", "not of type"),
            ({"answer/agreed": None}, "/agreed", "True was expected"),
        ],
        ids=str,
    )
    def test_what_does_not_fit_is_said_beside_its_field_and_nothing_written_is_lost(self, ada, sent, field, message):
        task = ask(ada, assignee="ada", form=FORM)
        good = {"outcome": "0", "answer/amount": "5", "answer/reason": "0", "answer/agreed": "on", "answer/day": "2030-01-31"}
        data = {name: value for name, value in {**(good if sent else {"outcome": "0"}), **sent}.items() if value is not None}
        response = browser(ada.user).post(f"/tasks/{task}", data)
        page = text_of(response)
        assert response.status_code == 422
        place = "answer" + field.replace("/", "-47-")
        assert re.search(rf'id="{place}"[^>]*aria-invalid="true" aria-describedby="{place}-fault"', page)
        shown = re.search(rf'<small class="fault" id="{place}-fault">([^<]*)</small>', page)
        assert shown is not None
        assert message in shown[1].replace("&#x27;", "'")
        assert f'<a href="#{place}">' in page
        if sent:
            assert 'value="2030-01-31"' in page
        assert HumanTask.objects.get(pk=task).is_open

    def test_all_that_is_wrong_is_said_at_once(self, ada):
        task = ask(ada, assignee="ada", form=FORM)
        sent = {"outcome": "0", "answer/amount": "0", "answer/rows": "{", "answer/address/zip": "1"}
        page = text_of(browser(ada.user).post(f"/tasks/{task}", sent))
        named = set(re.findall(r'<a href="#answer-47-([^"]+)">', page))
        assert named == {"amount", "rows", "reason", "agreed", "address-47-street", "address-47-zip"}

    def test_who_may_not_answer_is_told_why_and_gets_no_form(self, ada, bob):
        enter(bob, workspace_of(ada), "admin")
        given, starters = ask(ada, assignee="ada"), ask(ada, four_eyes=True)
        for client, task, word in ((bob, given, "not_your_task"), (ada, starters, "four_eyes")):
            page = browser(client.user).get(f"/tasks/{task}")
            assert (page.status_code, ENGLISH[word] in text_of(page), 'name="outcome"' in text_of(page)) == (200, True, False)
            forced = browser(client.user).post(f"/tasks/{task}", {"outcome": "0"})
            assert (forced.status_code, ENGLISH[word] in text_of(forced)) == (403, True)

    def test_a_stranger_finds_nothing(self, ada, bob):
        task = ask(ada)
        for response in (browser(bob.user).get(f"/tasks/{task}"), browser(bob.user).post(f"/tasks/{task}", {"outcome": "0"})):
            assert response.status_code == 404
            assert "ORDER-001" not in text_of(response)

    def test_a_form_of_another_site_is_refused(self, ada):
        client = Client(enforce_csrf_checks=True)
        client.force_login(ada.user)
        assert client.post(f"/tasks/{ask(ada, assignee='ada')}", {"outcome": "0"}).status_code == 403

    def test_claim_give_back_and_give_away(self, ada, bob):
        enter(bob, workspace_of(ada), "owner")
        task, client = ask(ada), browser(ada.user)
        for action, word, holder in (("claim", "claimed", "ada"), ("release", "released", None)):
            assert ENGLISH[word] in text_of(client.post(f"/tasks/{task}", {"action": action}, follow=True))
            assert getattr(HumanTask.objects.get(pk=task).assignee, "username", None) == holder
        nobody = client.post(f"/tasks/{task}", {"action": "delegate", "to": "nobody"})
        assert (nobody.status_code, ENGLISH["no_such_person"] in text_of(nobody)) == (422, True)
        client.post(f"/tasks/{task}", {"action": "delegate", "to": "bob"})
        assert ENGLISH["not_your_task"] in text_of(client.get(f"/tasks/{task}"))
        assert 'name="outcome"' in text_of(browser(bob.user).get(f"/tasks/{task}"))

    def test_several_see_who_has_answered_and_answer_once(self, ada, bob):
        enter(bob, workspace_of(ada), "owner")
        task = ask(ada, quorum={"at_least": 2}, candidate_users=["ada", "bob"])
        page = text_of(browser(ada.user).post(f"/tasks/{task}", {"outcome": "0"}, follow=True))
        assert ENGLISH["already_answered"] in page
        assert 'name="outcome"' not in page
        assert ENGLISH["votes"] in text_of(browser(bob.user).get(f"/tasks/{task}"))
        browser(bob.user).post(f"/tasks/{task}", {"outcome": "0"})
        assert HumanTask.objects.get(pk=task).status == "completed"

    def test_comments_and_files(self, ada, settings):
        task, client = ask(ada), browser(ada.user)
        assert "&lt;i&gt;why&lt;/i&gt;" in text_of(client.post(f"/tasks/{task}", {"action": "comment", "text": "<i>why</i>"}, follow=True))
        assert client.post(f"/tasks/{task}", {"action": "comment", "text": " "}).status_code == 422
        file = SimpleUploadedFile("报价.html", b"<script>", content_type="text/html")
        page = text_of(client.post(f"/tasks/{task}", {"action": "attach", "file": file}, follow=True))
        address = re.search(rf'href="(/api/v1/tasks/{task}/attachments/[0-9a-f-]+)" download>报价.html', page)
        assert address is not None
        assert client.get(address[1]).headers["Content-Disposition"].startswith("attachment;")
        assert client.post(f"/tasks/{task}", {"action": "attach"}).status_code == 422
        settings.TASK_ATTACHMENT_BYTES = 3
        large = SimpleUploadedFile("a.txt", b"1234", content_type="text/plain")
        assert client.post(f"/tasks/{task}", {"action": "attach", "file": large}).status_code == 413


class TestInbox:
    def test_it_shows_what_awaits_the_person_page_by_page(self, ada, bob):
        enter(bob, workspace_of(ada))
        task = ask(ada, assignee="ada", priority="urgent", due_seconds=60)
        copies(HumanTask.objects.get(pk=task), 60)
        client = browser(ada.user)
        first = text_of(client.get("/tasks"))
        assert first.count("<li>") == 50
        assert ENGLISH["urgent"] in first
        older = re.search(r'href="(/tasks\?before=\d+)"', first)
        assert older is not None
        assert text_of(client.get(older[1])).count("<li>") == 11
        assert ENGLISH["nothing"] in text_of(browser(bob.user).get("/tasks"))

    def test_it_asks_who_comes_to_log_in(self, ada, anonymous: ApiClient):
        task = ask(ada)
        for path in ("/tasks", f"/tasks/{task}", f"/tasks/open/{task_token(task, ada.user.pk)}"):
            response = Client().get(path)
            assert (response.status_code, response.url) == (302, f"/tasks/login?next={path}")
        assert Client().get("/tasks/logout").status_code == 405

    def test_a_task_closed_meanwhile_is_shown_as_such(self, ada):
        task = ask(ada, assignee="ada")
        complete(task_id=task, user=ada.user, variables={"approved": False})
        page = text_of(browser(ada.user).get(f"/tasks/{task}"))
        assert ENGLISH["status_completed"] in page
        assert 'name="outcome"' not in page
