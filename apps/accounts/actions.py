"""What is done to accounts: one function a verb."""

from allauth.account.adapter import get_adapter
from allauth.account.app_settings import EmailVerificationMethod
from allauth.account.internal.flows.login import perform_password_login
from allauth.account.models import Login
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest

from apps.accounts import limits
from apps.accounts.flows import login_result, session_of
from apps.accounts.models import LoginSession, User, Workspace
from apps.accounts.tokens import Tokens, TokenStrategy
from apps.core.audit import Verb, record
from apps.core.errors import UnauthenticatedError


class WrongCredentialsError(UnauthenticatedError):
    """The name or the password is wrong, or the account is not active: which one is not said."""

    code = "wrong_credentials"


class RefreshRefusedError(UnauthenticatedError):
    code = "refresh_refused"


def create_user(*, username: str, password: str | None, email: str = "", is_superuser: bool = False) -> User:
    """Make a person and the personal workspace.

    password        None: the person cannot log in with one
    is_superuser    an operator of the installation, who sees everything and uses the admin
    """
    return User.objects.create_user(username, email, password, is_staff=is_superuser, is_superuser=is_superuser)


def create_personal_workspace(*, user: User) -> Workspace:
    return Workspace.objects.create_personal(owner=user)


@transaction.atomic
def deactivate_user(*, user: User) -> None:
    """Let nobody come in as this person any more: sessions end now, and keys count no more."""
    deactivated = User.objects.filter(pk=user.pk, is_active=True).update(is_active=False)
    LoginSession.objects.filter(user=user).delete()
    if deactivated:
        active, inactive = {"is_active": True}, {"is_active": False}
        # A service account has no personal workspace.
        record(Verb.USER_DEACTIVATED, user, workspace_id=user.service_of_id, personal_of=user.pk, before=active, after=inactive)


def authenticate(request: HttpRequest, *, username: str, password: str) -> User:
    """The person of this name and password; nobody is logged in by it.

    Raises WrongCredentialsError, or TooManyAttemptsError after too many tries from one address or for one name.
    """
    limits.consume(request, "login")
    try:
        user = get_adapter().authenticate(request, username=username, password=password)
    except ValidationError as error:  # allauth's way to say that its limit is reached
        raise limits.too_many(request, "login_failed", key=limits.login_key(request, username)) from error
    if not isinstance(user, User) or user.kind != User.Kind.PERSON:
        raise WrongCredentialsError("The username or the password is wrong.")
    return user


def log_in(request: HttpRequest, *, username: str, password: str) -> Tokens:
    """Open a session by allauth's own flow, and return its tokens.

    Raises as `authenticate` does, and FurtherStepError when a second factor or a confirmed address is needed.
    """
    with session_of(request, None):
        user = authenticate(request, username=username, password=password)
        # Who has no address was made by an operator, and has nothing to confirm.
        verification = None if user.email else EmailVerificationMethod.NONE
        perform_password_login(request, {"username": username}, Login(user=user, email_verification=verification))
        return login_result(request)


def refresh(request: HttpRequest, *, refresh_token: str) -> Tokens:
    """Exchange a refresh token, once, for new tokens. One used twice ends the whole session. Raises RefreshRefusedError."""
    limits.consume(request, "refresh")
    pair = TokenStrategy().refresh_token(refresh_token)
    if pair is None:
        raise RefreshRefusedError("This refresh token is not valid, has expired, or was used before. Log in again.")
    return Tokens(*pair)


@transaction.atomic
def log_out(*, refresh_token: str | None, access_token: str | None) -> None:
    """End the session that a token belongs to; its access tokens stop at once. Unknown tokens are no error: they are out already."""
    for user in User.objects.filter(pk__in=TokenStrategy().close(access_token=access_token, refresh_token=refresh_token)):
        record(Verb.USER_LOGGED_OUT, user, actor=user, personal_of=user.pk)
