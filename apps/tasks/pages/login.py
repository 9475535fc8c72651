"""Logging in for the pages of tasks, as the API does it: the same limits, the same second factor."""

from typing import Any

from allauth.account.models import EmailAddress
from django import forms
from django.conf import settings
from django.contrib.auth import login, logout
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import View

from apps.accounts.actions import authenticate
from apps.accounts.mfa import check_code, is_mfa_on
from apps.accounts.models import User
from apps.core.errors import TooManyRequestsError, UnauthenticatedError
from apps.tasks.pages.answering import shown
from apps.tasks.pages.words import Words, words_of


class LoginForm(forms.Form):
    username = forms.CharField(max_length=254)
    password = forms.CharField(strip=False, max_length=4096)
    code = forms.CharField(required=False, max_length=64)

    def __init__(self, request: HttpRequest, words: Words, *data: Any) -> None:
        super().__init__(*data)
        self._request, self._words = request, words
        self.user: User | None = None

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        if data.get("username") and data.get("password"):
            try:
                self.user = self._checked(data["username"], data["password"], data.get("code", ""))
            except (UnauthenticatedError, TooManyRequestsError) as error:
                raise ValidationError(self._words.get(error.code, error.message)) from error
        return data

    def _checked(self, username: str, password: str, code: str) -> User:
        user = authenticate(self._request, username=username, password=password)
        if is_mfa_on(user):
            if not code:
                raise ValidationError(self._words["code_needed"])
            check_code(user, code)
        needs_address = settings.ACCOUNT_EMAIL_VERIFICATION == "mandatory" and user.email
        if needs_address and not EmailAddress.objects.filter(user=user, verified=True).exists():
            raise ValidationError(self._words["not_confirmed"])
        return user


@method_decorator(sensitive_post_parameters("password", "code"), name="dispatch")
class LoginPage(View):
    def get(self, request: HttpRequest) -> HttpResponse:
        return self._page(request, LoginForm(request, words_of(request)))

    def post(self, request: HttpRequest) -> HttpResponse:
        form = LoginForm(request, words_of(request), request.POST)
        if not form.is_valid() or form.user is None:
            return self._page(request, form, status=422)
        login(request, form.user, backend=settings.AUTHENTICATION_BACKENDS[0])
        return redirect(_next(request))

    def _page(self, request: HttpRequest, form: LoginForm, *, status: int = 200) -> HttpResponse:
        context = {"form": form, "next": _next(request), "other_way": settings.OIDC_NAME if settings.OIDC_ISSUER else ""}
        return shown(request, "tasks/login.html", context, status=status)


class LogoutPage(View):
    def post(self, request: HttpRequest) -> HttpResponse:
        target = _next(request)
        logout(request)
        return redirect(f"{reverse('tasks-login')}?next={target}")


def _next(request: HttpRequest) -> str:
    """Where it goes on: a page of tasks; whatever else is asked for is not followed."""
    asked = str(request.POST.get("next") or request.GET.get("next") or "")
    is_ours = asked.startswith("/tasks") and url_has_allowed_host_and_scheme(asked, allowed_hosts=None)
    return asked if is_ours else reverse("tasks-inbox")
