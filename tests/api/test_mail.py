"""Mails over real SMTP, to a stand-in that delivers nothing."""

import re
from urllib.parse import unquote

import pytest

from apps.accounts.models import User
from tests.api.people import PASSWORD, logged_in
from tests.apps.smtp_sink import running_sink

pytestmark = pytest.mark.django_db


@pytest.fixture
def sink(settings):
    with running_sink() as sink:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", sink.port
        yield sink


def test_an_address_is_confirmed_and_a_password_reset_by_mail_that_went_over_the_wire(anonymous, sink, settings):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    settings.DEFAULT_FROM_EMAIL = "StructForge <flows@example.org>"
    body = {"username": "ada", "email": "ada@example.com", "password": PASSWORD}
    assert anonymous.post_json("/auth/register", body, 201)["step"] == "verify_email"

    [mail] = sink.taken
    assert (mail.sender, mail.recipients) == ("flows@example.org", ["ada@example.com"])
    anonymous.post_json("/auth/email/verify", {"key": key_in(mail)}, 204)
    logged_in()

    anonymous.post_json("/auth/password/reset", {"email": "ada@example.com"}, 204)
    anonymous.post_json("/auth/password/reset/confirm", {"key": key_in(sink.taken[1]), "password": "a wholly new password"}, 204)
    logged_in(password="a wholly new password")
    assert "password" in sink.taken[2].message["Subject"].lower()  # that it was changed
    assert User.objects.get(username="ada").emailaddress_set.get().verified


def key_in(mail) -> str:
    text = mail.message.get_body(("plain",)).get_content()
    link = re.search(r"(http://testserver/\S+\?key=)(\S+)", text)
    assert link, text
    return unquote(link[2])
