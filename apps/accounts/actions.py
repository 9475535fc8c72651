"""What is done to accounts: one function a verb."""

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import perform_password_login
from allauth.account.models import Login
from allauth.core import ratelimit
from allauth.headless.constants import Client
from allauth.headless.internal.authkit import authentication_context
from allauth.headless.internal.decorators import mark_request_as_headless
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest

from apps.accounts.models import User, Workspace
from apps.accounts.tokens import Tokens, TokenStrategy
from apps.core.audit import Verb, record
from apps.core.errors import TooManyRequestsError, UnauthenticatedError


class WrongCredentialsError(UnauthenticatedError):
    """The name or the password is wrong, or the account is not active: which one is not said."""

    code = "wrong_credentials"


class TooManyAttemptsError(TooManyRequestsError):
    code = "too_many_attempts"


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


def authenticate(request: HttpRequest, *, username: str, password: str) -> User:
    """The person of this name and password; nobody is logged in by it.

    Raises WrongCredentialsError, or TooManyAttemptsError after too many tries from one address or for one name.
    """
    if not ratelimit.consume(request, action="login"):
        raise TooManyAttemptsError("Too many logins from this address. Wait a minute.")
    try:
        user = get_adapter().authenticate(request, username=username, password=password)
    except ValidationError as error:  # allauth's way to say that its limit is reached
        raise TooManyAttemptsError("Too many failed logins. Wait a few minutes.") from error
    if not isinstance(user, User):
        raise WrongCredentialsError("The username or the password is wrong.")
    return user


def log_in(request: HttpRequest, *, username: str, password: str) -> Tokens:
    """Open a session by allauth's own flow, and return its tokens. Raises as `authenticate` does."""
    mark_request_as_headless(request, Client.APP)
    with authentication_context(request):
        user = authenticate(request, username=username, password=password)
        perform_password_login(request, {"username": username}, Login(user=user))
        if not request.user.is_authenticated:
            raise WrongCredentialsError("This account needs a further step to log in, which this address does not offer.")
        return TokenStrategy().open(request)


def refresh(*, refresh_token: str) -> Tokens:
    """Exchange a refresh token, once, for new tokens. One used twice ends the whole session. Raises RefreshRefusedError."""
    pair = TokenStrategy().refresh_token(refresh_token)
    if pair is None:
        raise RefreshRefusedError("This refresh token is not valid, has expired, or was used before. Log in again.")
    return Tokens(*pair)


@transaction.atomic
def log_out(*, refresh_token: str | None, access_token: str | None) -> None:
    """End the session that a token belongs to; its access tokens stop at once. Unknown tokens are no error: they are out already."""
    for user in User.objects.filter(pk__in=TokenStrategy().close(access_token=access_token, refresh_token=refresh_token)):
        record(Verb.USER_LOGGED_OUT, user, actor=user, personal_of=user.pk)
