"""Logging in by an OpenID Connect provider that the operator has configured (settings.OIDC_ISSUER): code flow with PKCE and state.

The server asks the provider itself, for its description, the token and the person. No guard stands before these requests as it does before
those of nodes: the address is the operator's own, and may well be inside the network.
"""

from allauth.core.internal.httpkit import add_query_params
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.internal.flows.signup import clear_pending_signup, get_pending_signup
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.base.constants import AuthProcess
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from requests import RequestException

from apps.accounts import limits
from apps.accounts.flows import PENDING_SECONDS
from apps.engine.errors import InvalidError, NotFoundError

PROVIDER = "oidc"
LOGIN_PAGE = settings.HEADLESS_FRONTEND_URLS["socialaccount_login_error"]


class NoProviderError(NotFoundError):
    code = "no_provider"


class InvalidNextError(InvalidError):
    """The address to come back to is none of ours."""

    code = "invalid_next"


def to_provider(request: HttpRequest, *, next_path: str) -> HttpResponseBase:
    """The redirect to the provider. The state is kept in the session of the browser, and counts once.

    next_path   where the browser goes in the end; errors come there as `?error=`
    """
    if not (next_path.startswith("/") and url_has_allowed_host_and_scheme(next_path, allowed_hosts=None)):
        raise InvalidNextError(f"Expected a path on this host, such as /, found '{next_path[:100]}'.")
    limits.consume(request, "login")
    if SESSION_KEY not in request.session:
        request.session.set_expiry(PENDING_SECONDS)
    try:
        provider = get_adapter().get_provider(request, PROVIDER)
        return provider.redirect(request, AuthProcess.LOGIN, next_url=next_path, headless=True)
    except SocialApp.DoesNotExist as error:
        raise NoProviderError("No OpenID Connect provider is configured.") from error
    except (RequestException, OAuth2Error, ValueError, KeyError):
        return HttpResponseRedirect(add_query_params(LOGIN_PAGE, {"error": "provider_unavailable"}))


def from_provider(request: HttpRequest) -> HttpResponseBase:
    """Finish the login, or begin its next step, and go to where it was asked for. An unknown state ends at the login page."""
    limits.consume(request, "login")
    try:
        view = OAuth2CallbackView.adapter_view(OpenIDConnectOAuth2Adapter(request, PROVIDER))
        response: HttpResponseBase = view(request)
    except SocialApp.DoesNotExist as error:
        raise NoProviderError("No OpenID Connect provider is configured.") from error
    except (ValueError, KeyError):  # an answer of the provider that is none
        return HttpResponseRedirect(add_query_params(LOGIN_PAGE, {"error": "provider_unavailable"}))
    if request.user.is_authenticated:
        request.session.set_expiry(None)
    if get_pending_signup(request) is not None:
        clear_pending_signup(request)
        return HttpResponseRedirect(add_query_params(LOGIN_PAGE, {"error": "email_taken"}))
    return response
