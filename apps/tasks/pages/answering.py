"""Answers to browsers: pages in their language, that nobody keeps or frames, for people who have logged in."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import translation
from django.views.generic import View

from apps.accounts.models import User
from apps.core import fence
from apps.core.api.errors import status_of
from apps.engine.errors import StructForgeError
from apps.tasks.pages.words import words_of

_HEADERS = {
    # Nothing of what people write may run: no script or style but our own files.
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "Vary": "Accept-Language, Cookie",
}


def shown(request: HttpRequest, template: str, context: Mapping[str, Any], *, status: int = 200) -> HttpResponse:
    """A page, in the language of who reads it; `words` is what it says."""
    words = words_of(request)
    with translation.override(words["lang"].lower()):  # for filters of Django, such as sizes of files
        response = render(request, template, {"words": words, **context}, status=status)
    for name, value in {**_HEADERS, "Content-Language": words["lang"]}.items():
        response.headers[name] = value
    return response


def refused(request: HttpRequest, error: StructForgeError) -> HttpResponse:
    """A page that says why not."""
    words = words_of(request)
    context = {"message": words.get(error.code, error.message), "is_other_account": error.code == "link_of_another"}
    return shown(request, "tasks/refused.html", context, status=status_of(error))


class OwnPage(View):
    """Base of pages for who has logged in; whoever has not is sent to do so, and comes back."""

    user: User

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not isinstance(user := request.user, User):
            return redirect(f"{reverse('tasks-login')}?next={quote(request.get_full_path())}")
        self.user = user
        fence.put_up(user.access.as_caller())
        try:
            return super().dispatch(request, *args, **kwargs)
        except StructForgeError as error:
            return refused(request, error)


def note(request: HttpRequest, word: str) -> None:
    """Say this on the next page."""
    messages.success(request, words_of(request)[word])
