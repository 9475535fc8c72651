"""Coming in: register, confirm an address, and get back in without the password."""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.forms import ResetPasswordForm, UserTokenForm
from allauth.account.internal.flows import password_change, password_reset
from allauth.account.internal.flows.signup import complete_signup
from allauth.account.models import get_emailconfirmation_model
from allauth.headless.account.inputs import ChangePasswordInput, ResetPasswordInput, SignupInput
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest

from apps.accounts import limits
from apps.accounts.flows import FurtherStepError, as_flow, checked, login_result, session_of
from apps.accounts.models import LoginSession, User
from apps.accounts.tokens import Tokens, TokenStrategy
from apps.core import audit
from apps.core.audit import Verb
from apps.engine.errors import ForbiddenError, InvalidError


class RegistrationClosedError(ForbiddenError):
    code = "registration_closed"


class InvalidKeyError(InvalidError):
    """The key of a mail is wrong, was used, or is too old."""

    code = "invalid_key"


def register(request: HttpRequest, *, username: str, email: str, password: str) -> Tokens | None:
    """Make an account and send the mail that confirms its address.

    Returns the tokens of a first session; None where the address must be confirmed first. An address that has an account already gives
    None as well in that case, and its owner a mail that says so, so that nobody can find out who has an account.
    Raises RegistrationClosedError, InvalidAccountDataError, TooManyAttemptsError.
    """
    if not settings.REGISTRATION_OPEN:
        raise RegistrationClosedError("Accounts are made by the operators of this installation: settings.REGISTRATION_OPEN is false.")
    limits.consume(request, "signup")
    with session_of(request, None):
        form = SignupInput({"username": username, "email": email, "password": password})
        _check_password(form, password, User(username=username, email=email))
        user, answer = form.try_save(request)
        if answer is None:
            complete_signup(request, user=user)
        try:
            return login_result(request)
        except FurtherStepError:
            return None


def _check_password(form: Any, password: str, user: User) -> None:
    """As `checked`, and that the password is not like the name or the address, which allauth's form does not ask."""
    if "password" not in form.errors:
        try:
            get_adapter().clean_password(password, user=user)
        except ValidationError as error:
            form.add_error("password", error)
    checked(form)


def confirm_email(request: HttpRequest, *, key: str) -> None:
    """Take an address as confirmed by the key out of a mail. Raises InvalidKeyError."""
    limits.consume(request, "email_key")
    confirmation = get_emailconfirmation_model().from_key(key)
    with transaction.atomic():
        if confirmation is None or not confirmation.email_address.can_set_verified() or not confirmation.confirm(request):
            raise InvalidKeyError("This key is not valid (any more). Log in for a new mail.")
        address = confirmation.email_address
        user = address.user
        audit.record(Verb.USER_EMAIL_CONFIRMED, user, actor=user, personal_of=user.pk, after={"email": address.email})


def request_password_reset(request: HttpRequest, *, email: str) -> None:
    """Send a mail with a key to set a new password; to an address without an account, one that says so. The answer is the same for both."""
    limits.consume(request, "reset_password", key=email.lower())
    with as_flow(request):
        checked(ResetPasswordForm({"email": email})).save(request)


def reset_password(request: HttpRequest, *, key: str, password: str) -> None:
    """Set a new password by the key out of a mail, and end all sessions. Raises InvalidKeyError, InvalidAccountDataError."""
    limits.consume(request, "reset_password_from_key")
    uid, _, token = key.partition("-")
    if not UserTokenForm({"uidb36": uid, "key": token}).is_valid():
        raise InvalidKeyError("This key is not valid (any more). Ask for a new mail.")
    form = ResetPasswordInput({"key": key, "password": password})
    checked(form)
    with as_flow(request), transaction.atomic():
        password_reset.reset_password(form.user, password)
        password_reset.finalize_password_reset(request, form.user)
        LoginSession.objects.filter(user=form.user).delete()
        audit.record(Verb.USER_PASSWORD_RESET, form.user, actor=form.user, personal_of=form.user.pk)


def change_password(request: HttpRequest, *, user: User, current: str, new: str) -> Tokens:
    """Set a new password. All other sessions end; this one goes on with the tokens that are returned.

    current   what it was; not looked at where the account has none, as after a login through another provider
    """
    limits.consume(request, "change_password", key=str(user.pk))
    form = ChangePasswordInput({"current_password": current, "new_password": new}, user=user)
    checked(form)
    with transaction.atomic():
        password_change.change_password(user, new)
        password_change.finalize_password_change(request, user)
        tokens = TokenStrategy().open(request)
        LoginSession.objects.filter(user=user).exclude(session_key=request.session.session_key).delete()
        audit.record(Verb.USER_PASSWORD_CHANGED, user, personal_of=user.pk)
    return tokens
