"""allauth's flows as our actions call them: on the right session, with our errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from allauth.account.internal.constants import LoginStageKey as AccountStageKey
from allauth.account.internal.flows.reauthentication import get_reauthentication_flows
from allauth.account.internal.stagekit import get_pending_stage
from allauth.account.stages import LoginStage, LoginStageController
from allauth.core import context
from allauth.core.exceptions import ReauthenticationRequired
from allauth.headless.constants import Client
from allauth.headless.internal.decorators import mark_request_as_headless
from allauth.mfa.internal.constants import LoginStageKey as MfaStageKey
from allauth.mfa.models import Authenticator
from django.contrib.auth import get_user
from django.contrib.sessions.backends.base import UpdateError
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from apps.accounts.limits import too_many
from apps.accounts.models import User
from apps.accounts.sessions import SessionStore
from apps.accounts.tokens import Tokens, TokenStrategy
from apps.core.errors import UnauthenticatedError
from apps.engine.errors import ForbiddenError, InvalidError

PENDING_SECONDS = 900
"""How long a login may wait for its next step, as allauth's ACCOUNT_LOGIN_TIMEOUT."""
_LIMIT_CODES = {"too_many_login_attempts", "rate_limited"}


class InvalidAccountDataError(InvalidError):
    """allauth refuses what was sent; details: {"errors": [{"pointer", "message", "code"}]}."""

    code = "invalid"


class FurtherStepError(UnauthenticatedError):
    """Name and password are right, and something else is needed.

    details   {"step": "mfa", "methods": ["totp" | "recovery_codes" | "webauthn"], "session_token": str} or {"step": "verify_email"}
    """

    code = "further_step"


class StepExpiredError(UnauthenticatedError):
    code = "step_expired"


class SessionEndedError(UnauthenticatedError):
    code = "session_ended"


class LoginRefusedError(UnauthenticatedError):
    """The person is not active any more."""

    code = "login_refused"


class ReauthenticationError(ForbiddenError):
    """A change of how one logs in needs proof that the person is there; details: {"methods": ["password" | "code" | "passkey"]}."""

    code = "reauthentication_required"


@contextmanager
def session_of(request: HttpRequest, session_key: str | None, user: User | None = None) -> Iterator[None]:
    """Let a flow work on the session of a token, or on a new one, and leave the one of a browser's cookie alone.

    session_key   None: a new session. One that is not known (any more): an empty session, in which nobody is logged in.
    user          whose session it is, where that has been checked; None: it is looked up in the session
    """
    outer_session, outer_user = request.session, request.user
    request.session = SessionStore(session_key)
    request.user = user or SimpleLazyObject(lambda: get_user(request))  # type: ignore[assignment]
    try:
        with as_flow(request):
            yield
    finally:
        try:
            _save(request)  # after an error too: what a login waits for is said by one
        finally:
            request.session, request.user = outer_session, outer_user
            request.META["CSRF_COOKIE_NEEDS_UPDATE"] = False  # a login rotates it, which is for browsers


@contextmanager
def as_flow(request: HttpRequest) -> Iterator[None]:
    """Let a flow work on the session that the request has."""
    mark_request_as_headless(request, Client.BROWSER)  # to an "app" allauth would hand tokens of its own, beside ours
    try:
        yield
    except ReauthenticationRequired as error:
        raise reauthentication_error(request.user) from error


def reauthentication_error(user: Any) -> ReauthenticationError:
    return ReauthenticationError(
        "This needs your password or a code again: send it to /auth/reauthenticate.", methods=reauthentication_methods(user)
    )


def reauthentication_methods(user: Any) -> list[str]:
    """What counts as proof: with a second factor only that one, since who has the password alone shall not be able to remove it."""
    types = {kind for flow in get_reauthentication_flows(user) for kind in flow.get("types", ())}
    codes = ["code"] if types & {Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES} else []
    passkeys = ["passkey"] if Authenticator.Type.WEBAUTHN in types else []
    return [*codes, *passkeys] or (["password"] if user.has_usable_password() else [])


def require_method(user: Any, given: str) -> None:
    """Raises ReauthenticationError unless `given` counts as proof."""
    if given not in (methods := reauthentication_methods(user)):
        raise ReauthenticationError(f"Expected one of {methods}, found '{given}'.", methods=methods)


def checked(form: Any) -> Any:
    """The form, if allauth takes what is in it. Raises InvalidAccountDataError, or TooManyAttemptsError."""
    if form.is_valid():
        return form
    faults = [
        {"pointer": "" if field == "__all__" else f"/{field}", "message": fault["message"], "code": fault["code"]}
        for field, errors in form.errors.get_json_data().items()
        for fault in errors
    ]
    if any(fault["code"] in _LIMIT_CODES for fault in faults):
        # The forms that count are those of second factors, and each knows whose it is.
        raise too_many(context.request, "login_failed", key=f"mfa-auth-user-{form.user.pk}")
    first = faults[0]
    raise InvalidAccountDataError(f"{first['pointer'] or '/'}: {first['message']}", errors=faults)


def get_mfa_stage(request: HttpRequest) -> LoginStage:
    """The second factor that the login in this session waits for. Raises StepExpiredError when it waits for none."""
    stage = LoginStageController.enter(request, MfaStageKey.MFA_AUTHENTICATE.value)
    if stage is None:
        raise StepExpiredError("This login does not wait for that, or not any more. Log in again.")
    return stage


def login_result(request: HttpRequest) -> Tokens:
    """Tokens of the login that a flow has finished. Raises FurtherStepError when it is not finished."""
    if request.user.is_authenticated:
        request.session.set_expiry(None)
        return TokenStrategy().open(request)
    raise further_step(request)


def further_step(request: HttpRequest) -> UnauthenticatedError:
    """The error that says what a login waits for, and how to go on."""
    stage = get_pending_stage(request)
    if stage is None:
        return LoginRefusedError("This account cannot log in.")
    if stage.key == AccountStageKey.VERIFY_EMAIL.value:
        request.session.flush()  # the mail's key works without it
        return FurtherStepError("Confirm your e-mail address by the link in the mail, then log in again.", step="verify_email")
    if stage.key != MfaStageKey.MFA_AUTHENTICATE.value:
        return LoginRefusedError(f"The login waits for '{stage.key}', which is not offered here.")
    request.session.set_expiry(PENDING_SECONDS)
    token = TokenStrategy().create_session_token(request)
    message = "A second factor is needed: send it with the session token to /auth/login/mfa or /auth/login/passkey."
    return FurtherStepError(message, step="mfa", methods=factors_of(stage.login.user), session_token=token)


def factors_of(user: User) -> list[str]:
    return sorted(Authenticator.objects.filter(user=user).values_list("type", flat=True).distinct())


def _save(request: HttpRequest) -> None:
    if request.session.is_empty() or not request.session.modified:
        return
    try:
        request.session.save()
    except UpdateError as error:
        raise SessionEndedError("This session has just ended. Log in again.") from error
