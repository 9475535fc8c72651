"""Second factors: an authenticator app with recovery codes. Passkeys are in `apps.accounts.passkeys`."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from allauth.account.internal.flows.reauthentication import raise_if_reauthentication_required, reauthenticate_by_password
from allauth.core.internal import ratelimit
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.flows import can_generate_recovery_codes, generate_recovery_codes
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.totp.internal import flows as totp_flows
from allauth.mfa.totp.internal.auth import get_totp_secret
from django.db import transaction
from django.http import HttpRequest

from apps.accounts import limits
from apps.accounts.flows import (
    InvalidAccountDataError,
    checked,
    get_mfa_stage,
    login_result,
    require_method,
    session_of,
)
from apps.accounts.models import User
from apps.accounts.tokens import Tokens
from apps.core import audit
from apps.core.audit import Verb
from apps.core.errors import UnauthenticatedError
from apps.engine.errors import ConflictError, NotFoundError

APP = "allauth.mfa"  # whose settings count
SECOND_FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


class WrongCodeError(UnauthenticatedError):
    code = "wrong_code"


class MfaIsOnError(ConflictError):
    code = "mfa_is_on"


class MfaIsOffError(ConflictError):
    code = "mfa_is_off"


class FactorNotFoundError(NotFoundError):
    code = "factor_not_found"


@dataclass(frozen=True, slots=True)
class Factors:
    """What a person has set up; None where it is not.

    totp_at                when the authenticator app was confirmed
    recovery_codes_left    how many are unused
    """

    totp_at: datetime | None
    recovery_codes_left: int | None
    passkeys: list[Authenticator]

    @property
    def is_on(self) -> bool:
        return self.totp_at is not None or bool(self.passkeys)


@dataclass(frozen=True, slots=True)
class TotpOffer:
    """An authenticator app to be: `uri` is what the picture shows."""

    secret: str
    uri: str
    svg: str


def is_mfa_on(user: User) -> bool:
    return bool(get_adapter().is_mfa_enabled(user, types=SECOND_FACTORS))


def factors_of(user: User) -> Factors:
    rows = list(Authenticator.objects.filter(user=user).order_by("created_at"))
    totp = next((row for row in rows if row.type == Authenticator.Type.TOTP), None)
    codes = next((row for row in rows if row.type == Authenticator.Type.RECOVERY_CODES), None)
    return Factors(
        totp_at=totp and totp.created_at,
        recovery_codes_left=None if codes is None else len(codes.wrap().get_unused_codes()),
        passkeys=[row for row in rows if row.type == Authenticator.Type.WEBAUTHN],
    )


def reauthenticate(request: HttpRequest, *, password: str | None, code: str | None) -> None:
    """Note that the person is there, which counts for five minutes in this session. One of the two is given.

    Raises WrongCodeError, ReauthenticationError when another proof is expected, TooManyAttemptsError.
    """
    user: Any = request.user
    if code is not None:
        require_method(user, "code")
        right(ReauthenticateForm({"code": code}, user=user)).save()
    else:
        require_method(user, "password")
        check_password(request, user, password or "")
        reauthenticate_by_password(request)


def check_password(request: HttpRequest, user: User, password: str) -> None:
    """Raises WrongCodeError; tries are counted with the failed logins of the name."""
    key = limits.login_key(request, user.username)
    usage = ratelimit.consume(request, app="allauth.account", action="login_failed", key=key)
    if usage is None:
        raise limits.too_many(request, "login_failed", key=key)
    if not user.check_password(password):
        raise WrongCodeError("The password is wrong.")
    usage.rollback()


def offer_totp(request: HttpRequest) -> TotpOffer:
    """Make a secret for an authenticator app; it counts once a code of it is confirmed in the same session."""
    user: Any = request.user
    raise_if_reauthentication_required(request, app=APP)
    if Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).exists():
        raise MfaIsOnError("There is an authenticator app already. Remove it first.")
    secret = get_totp_secret(regenerate=True)
    uri = get_adapter().build_totp_url(user, secret)
    return TotpOffer(secret, uri, get_adapter().build_totp_svg(uri))


def confirm_totp(request: HttpRequest, *, code: str) -> list[str]:
    """Turn the offered authenticator app on. Returns the recovery codes, which are shown this once; none where there were some already."""
    if Authenticator.objects.filter(user=request.user, type=Authenticator.Type.TOTP).exists():
        raise MfaIsOnError("There is an authenticator app already.")
    raise_if_reauthentication_required(request, app=APP)
    form = checked(ActivateTOTPForm({"code": code}, user=request.user))
    with transaction.atomic():
        _, codes = totp_flows.activate_totp(request, form)
        shown = shown_once(codes)
        record_factor(Verb.AUTHENTICATOR_ADDED, request.user)
    return shown


def remove_totp(request: HttpRequest) -> None:
    """Remove the authenticator app; the recovery codes go with the last second factor."""
    factor = get_factor(request.user, type=Authenticator.Type.TOTP)
    with transaction.atomic():
        totp_flows.deactivate_totp(request, factor)
        record_factor(Verb.AUTHENTICATOR_REMOVED, request.user)


def renew_recovery_codes(request: HttpRequest) -> list[str]:
    """New recovery codes instead of the old ones, shown this once."""
    if not can_generate_recovery_codes(request.user):
        raise MfaIsOffError("Recovery codes belong to a second factor; there is none.")
    with transaction.atomic():
        shown = shown_once(generate_recovery_codes(request))
        record_factor(Verb.RECOVERY_CODES_RENEWED, request.user)
    return shown


@transaction.atomic
def reset_mfa(*, user: User) -> None:
    """Take all second factors away, for a person who has lost them: an operator's deed."""
    factors = Authenticator.objects.filter(user=user)
    before = {"factors": sorted(factors.values_list("type", flat=True))}
    if factors.delete()[0]:
        record_factor(Verb.MFA_RESET, user, before=before)


def log_in_with_code(request: HttpRequest, *, session_token: str, code: str) -> Tokens:
    """Finish a login by a code of the authenticator app, or by a recovery code."""
    with session_of(request, session_token):
        stage = get_mfa_stage(request)
        right(AuthenticateForm({"code": code}, user=stage.login.user)).save()
        stage.exit()
        return login_result(request)


def check_code(user: User, code: str) -> None:
    """Raises WrongCodeError when it is neither a code of the person's authenticator app nor one of the recovery codes."""
    right(AuthenticateForm({"code": code}, user=user))


def right(form: Any) -> Any:
    """The form, if the proof in it is right. Raises WrongCodeError, or TooManyAttemptsError."""
    try:
        return checked(form)
    except InvalidAccountDataError as error:
        raise WrongCodeError("The code or passkey is wrong, or was used before.") from error


def get_factor(user: Any, **which: Any) -> Authenticator:
    """The second factor of this person with these columns. Raises FactorNotFoundError."""
    factor = Authenticator.objects.filter(user=user, **which).first()
    if factor is None:
        raise FactorNotFoundError("You have no such second factor.")
    return factor


def record_factor(verb: Verb, user: Any, **more: Any) -> None:
    """Record a change of second factors: of the person, in the personal workspace."""
    audit.record(verb, user, personal_of=user.pk, **more)


def shown_once(codes: Authenticator | None) -> list[str]:
    """The recovery codes, marked as shown; none where there are none."""
    if codes is None:
        return []
    recovery = codes.wrap()
    recovery.mark_as_viewed()
    return list(recovery.get_unused_codes())
