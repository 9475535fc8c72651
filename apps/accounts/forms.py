"""The login form of the admin."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.forms import AuthenticationForm
from unfold.widgets import UnfoldAdminTextInputWidget

from apps.accounts.actions import authenticate
from apps.accounts.mfa import check_code, is_mfa_on
from apps.core.errors import TooManyRequestsError, UnauthenticatedError


class LoginForm(AuthenticationForm):
    """Asks as the API does, so that the same limits and the same second factor hold for both."""

    code = forms.CharField(
        required=False,
        label="Code",
        help_text="If your account has a second factor: of your authenticator app, or a recovery code.",
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "one-time-code"}),
    )

    def clean(self) -> dict[str, Any]:
        username, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if username and password:
            try:
                user = authenticate(self.request, username=username, password=password)
                if is_mfa_on(user):
                    self._check(user)
            except (UnauthenticatedError, TooManyRequestsError) as error:
                raise ValidationError(error.message) from error
            self.confirm_login_allowed(user)
            self.user_cache = user
        return self.cleaned_data

    def _check(self, user: Any) -> None:
        code = self.cleaned_data.get("code")
        if not code:
            raise ValidationError("This account needs a code of its authenticator app, or a recovery code.", code="code_needed")
        check_code(user, code)
