"""What allauth asks us: who may register, how a person is stored, how mail goes out, how secrets are kept."""

import logging
from base64 import urlsafe_b64encode
from hashlib import sha256
from smtplib import SMTPException
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.http import HttpRequest
from django.utils import translation

from apps.accounts.languages import CATALOGUES, find_chosen
from apps.accounts.models import User, Workspace
from apps.core import audit
from apps.core.audit import Verb

log = logging.getLogger(__name__)


class AccountAdapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return bool(settings.REGISTRATION_OPEN)

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """What failed logins are counted by. Unlike allauth's own it does not differ with the host that is asked."""
        return str(credentials.get("username") or credentials.get("email", "")).casefold()

    @transaction.atomic
    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        saved: User = super().save_user(request, user, form, commit=commit)
        if commit:
            _make_workspace(saved)
            _record(saved)
        return saved

    def render_mail(self, template_prefix: str, email: Any, context: dict[str, Any], headers: dict[str, str] | None = None) -> EmailMessage:
        """In the language of who reads it."""
        reader = context.get("user")
        chosen = find_chosen(reader)
        language = CATALOGUES[chosen] if chosen else settings.LANGUAGE_CODE
        with translation.override(language):
            message: EmailMessage = super().render_mail(template_prefix, email, context, headers)
        return message

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """A mail that does not go out undoes nothing: it can be asked for again, and the log says why."""
        try:
            super().send_mail(template_prefix, email, context)
        except (OSError, SMTPException):
            log.exception("The mail '%s' could not be sent.", template_prefix)


class SocialAccountAdapter(DefaultSocialAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        """Whom the configured provider lets in is its own decision, and the operator's."""
        return bool(settings.OIDC_SIGNUP)

    @transaction.atomic
    def save_user(self, request: HttpRequest, sociallogin: Any, form: Any = None) -> User:
        saved: User = super().save_user(request, sociallogin, form)
        _make_workspace(saved)
        _record(saved, provider=sociallogin.account.provider)
        return saved


class MfaAdapter(DefaultMFAAdapter):
    """Keeps the secrets of authenticator apps and recovery codes encrypted under SECRET_KEY, or a former one in SECRET_KEY_FALLBACKS."""

    def encrypt(self, text: str) -> str:
        return _cipher().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return _cipher().decrypt(encrypted_text.encode()).decode()


def _cipher() -> MultiFernet:
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return MultiFernet([Fernet(urlsafe_b64encode(sha256(b"structforge.mfa:" + secret.encode()).digest())) for secret in secrets])


def _make_workspace(user: User) -> None:
    if not Workspace.objects.filter(owner=user, is_personal=True).exists():
        Workspace.objects.create_personal(owner=user)


def _record(user: User, **more: str) -> None:
    after = {"username": user.get_username(), "email": user.email, **more}
    audit.record(Verb.USER_REGISTERED, user, actor=user, personal_of=user.pk, after=after)
