"""Passkeys: a second factor, or instead of the password. A module of its own, since its library is large and only views need it."""

from typing import Any

from allauth.account.internal.flows.reauthentication import raise_if_reauthentication_required
from allauth.account.models import Login
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.forms import AddWebAuthnForm, AuthenticateWebAuthnForm, LoginWebAuthnForm, ReauthenticateWebAuthnForm
from allauth.mfa.webauthn.internal import auth as webauthn
from allauth.mfa.webauthn.internal import flows as webauthn_flows
from django.db import transaction
from django.http import HttpRequest

from apps.accounts import limits
from apps.accounts.flows import PENDING_SECONDS, InvalidAccountDataError, checked, get_mfa_stage, login_result, require_method, session_of
from apps.accounts.mfa import APP, get_factor, record_factor, right, shown_once
from apps.accounts.tokens import Tokens, TokenStrategy
from apps.core.audit import Verb


def offer_reauthentication(request: HttpRequest) -> dict[str, Any]:
    """What `navigator.credentials.get` takes, to reauthenticate by passkey."""
    user: Any = request.user
    require_method(user, "passkey")
    return webauthn.begin_authentication(user)


def reauthenticate(request: HttpRequest, *, credential: Any) -> None:
    """As `mfa.reauthenticate`, by what `navigator.credentials.get` returned."""
    require_method(request.user, "passkey")
    right(_passkey_form(ReauthenticateWebAuthnForm, {"credential": credential}, user=request.user)).save()


def offer_passkey(request: HttpRequest, *, passwordless: bool) -> dict[str, Any]:
    """What `navigator.credentials.create` takes.

    passwordless   the key shall also log in alone; it has to check who holds it, by PIN or finger
    """
    return webauthn_flows.begin_registration(request, request.user, passwordless)


def add_passkey(request: HttpRequest, *, name: str, credential: Any, passwordless: bool) -> tuple[Authenticator, list[str]]:
    """Keep what `navigator.credentials.create` returned. Returns it, and recovery codes as `confirm_totp` does."""
    raise_if_reauthentication_required(request, app=APP)
    data = {"name": name, "credential": credential, "passwordless": passwordless}
    form = checked(_passkey_form(AddWebAuthnForm, data, user=request.user))
    with transaction.atomic():
        key, codes = webauthn_flows.add_authenticator(request, form.cleaned_data["name"], form.cleaned_data["credential"])
        shown = shown_once(codes)
        record_factor(Verb.PASSKEY_ADDED, request.user, after={"name": name, "passwordless": passwordless})
    return key, shown


def rename_passkey(request: HttpRequest, *, passkey_id: int, name: str) -> Authenticator:
    key = get_factor(request.user, type=Authenticator.Type.WEBAUTHN, id=passkey_id)
    former = key.wrap().name
    with transaction.atomic():
        webauthn_flows.rename_authenticator(request, key, name)
        if name != former:
            record_factor(Verb.PASSKEY_RENAMED, request.user, before={"name": former}, after={"name": name})
    return key


def remove_passkey(request: HttpRequest, *, passkey_id: int) -> None:
    key = get_factor(request.user, type=Authenticator.Type.WEBAUTHN, id=passkey_id)
    before = {"name": key.wrap().name}
    with transaction.atomic():
        webauthn_flows.remove_authenticator(request, key)
        record_factor(Verb.PASSKEY_REMOVED, request.user, before=before)


def offer_passkey_login(request: HttpRequest, *, session_token: str | None) -> tuple[dict[str, Any], str]:
    """What `navigator.credentials.get` takes, and the session token to send its result with.

    session_token   of a login that waits for its second factor; None: the passkey alone shall log in
    """
    limits.consume(request, "login")
    with session_of(request, session_token):
        user = get_mfa_stage(request).login.user if session_token else None
        options = webauthn.begin_authentication(user)
        request.session.set_expiry(PENDING_SECONDS)
        return options, TokenStrategy().create_session_token(request)


def log_in_with_passkey(request: HttpRequest, *, session_token: str, credential: Any) -> Tokens:
    """Log in, or finish a login, by what `navigator.credentials.get` returned."""
    limits.consume(request, "login")
    with session_of(request, session_token):
        if "account_login" in request.session:
            stage = get_mfa_stage(request)
            right(_passkey_form(AuthenticateWebAuthnForm, {"credential": credential}, user=stage.login.user)).save()
            stage.exit()
        else:
            key = right(_passkey_form(LoginWebAuthnForm, {"credential": credential})).cleaned_data["credential"]
            webauthn_flows.perform_passwordless_login(request, key, Login(user=key.user))
        return login_result(request)


def _passkey_form(kind: Any, data: dict[str, Any], **options: Any) -> Any:
    """A form that has looked at a credential. What is no credential at all makes the library stumble in many ways."""
    form = kind(data, **options)
    try:
        form.is_valid()
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        fault = {"pointer": "/credential", "message": "This is no credential as browsers make them.", "code": "invalid"}
        raise InvalidAccountDataError("/credential: this is no credential as browsers make them.", errors=[fault]) from error
    return form
