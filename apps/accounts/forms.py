"""The login form of the admin."""

from typing import Any

from django.core.exceptions import ValidationError
from unfold.forms import AuthenticationForm

from apps.accounts.actions import authenticate
from apps.core.errors import TooManyRequestsError, UnauthenticatedError


class LoginForm(AuthenticationForm):
    """Asks as the API does, so that the same limits hold for both."""

    def clean(self) -> dict[str, Any]:
        username, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if username and password:
            try:
                self.user_cache = authenticate(self.request, username=username, password=password)
            except (UnauthenticatedError, TooManyRequestsError) as error:
                raise ValidationError(error.message) from error
            self.confirm_login_allowed(self.user_cache)
        return self.cleaned_data
