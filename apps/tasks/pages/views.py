"""Tasks in a browser, without any script: the inbox, the page of a task, and what a link in a mail opens."""

from collections.abc import Callable, Iterable, Mapping

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from apps.core.api.errors import status_of
from apps.engine.errors import InvalidError, StructForgeError
from apps.engine.input_schema import input_problems
from apps.engine.json_values import JsonTooLargeError
from apps.tasks.deciding import AnswersDoNotFitError, complete
from apps.tasks.discussing import EmptyAttachmentError, attach, comment
from apps.tasks.holding import claim, delegate, release
from apps.tasks.links import read_link
from apps.tasks.models import HumanTask
from apps.tasks.pages.answering import OwnPage, note, shown
from apps.tasks.pages.drawing import form_context, outcome_of, task_context
from apps.tasks.pages.fields import form_of
from apps.tasks.pages.reading import read_answers
from apps.tasks.pages.words import words_of
from apps.tasks.queries import count_tasks, get_task, list_tasks

PER_PAGE = 50
MAX_COMMENT = 10_000
MAX_ID_DIGITS = 18
_UNFIT_IN_NAMES = str.maketrans(dict.fromkeys((*map(chr, range(32)), "/", "\\", '"', "\x7f"), "_"))


class InboxPage(OwnPage):
    def get(self, request: HttpRequest) -> HttpResponse:
        """What awaits the person, the newest first."""
        rows = list_tasks(self.user, mine=True).order_by("-id")
        before = request.GET.get("before", "")
        if before.isdecimal() and len(before) <= MAX_ID_DIGITS:
            rows = rows.filter(pk__lt=int(before))
        tasks = list(rows[: PER_PAGE + 1])
        words = words_of(request)
        return shown(
            request,
            "tasks/inbox.html",
            {
                "tasks": [(task, words[task.get_priority_display().lower()]) for task in tasks[:PER_PAGE]],
                "before": tasks[PER_PAGE - 1].pk if len(tasks) > PER_PAGE else None,
                "is_first": not before,
                "counts": count_tasks(self.user),
                "now": timezone.now(),
            },
        )


class LinkPage(OwnPage):
    def get(self, request: HttpRequest, task_token: str) -> HttpResponse:
        """What a link in a mail opens: the page of its task, for whom it was sent to. The token does not stay in the address."""
        return redirect("tasks-task", read_link(task_token, self.user))


class TaskPage(OwnPage):
    def get(self, request: HttpRequest, task_id: int) -> HttpResponse:
        return self._page(request, get_task(self.user, task_id))

    def post(self, request: HttpRequest, task_id: int) -> HttpResponse:
        """Do what the button says that was pressed. What does not fit is shown with its reason, and nothing is lost of what was written."""
        task = get_task(self.user, task_id)
        actions: Mapping[str, Callable[[HttpRequest, HumanTask], str]] = {
            "claim": self._claim,
            "release": self._release,
            "delegate": self._delegate,
            "comment": self._comment,
            "attach": self._attach,
        }
        if (action := actions.get(request.POST.get("action", ""))) is None:
            return self._complete(request, task)
        try:
            note(request, action(request, task))
        except StructForgeError as error:
            words = words_of(request)
            return self._page(request, get_task(self.user, task_id), status=status_of(error), problem=words.get(error.code, error.message))
        return redirect("tasks-task", task_id)

    def _complete(self, request: HttpRequest, task: HumanTask) -> HttpResponse:
        form = form_of(task.form, task.decision)
        answers, faults = read_answers(form.fields, request.POST)
        pressed = outcome_of(form, request.POST)
        if pressed is None or faults:
            unread = {pointer: words_of(request)[word] for pointer, word in faults.items()}
            problems = input_problems(task.form, {**answers, **(pressed or {})})
            unfit = _of_schema(request, ((each.pointer, each.message) for each in problems))
            return self._page(request, task, status=422, faults=_beside(unfit, unread) | unread)
        try:
            complete(task_id=task.pk, user=self.user, variables={**answers, **pressed})
        except AnswersDoNotFitError as error:
            found = ((each["pointer"].removeprefix("/variables"), each["message"]) for each in error.details["errors"])
            return self._page(request, task, status=422, faults=_of_schema(request, found))
        note(request, "completed")
        return redirect("tasks-task", task.pk)

    def _claim(self, request: HttpRequest, task: HumanTask) -> str:
        claim(task_id=task.pk, user=self.user)
        return "claimed"

    def _release(self, request: HttpRequest, task: HumanTask) -> str:
        release(task_id=task.pk, user=self.user)
        return "released"

    def _delegate(self, request: HttpRequest, task: HumanTask) -> str:
        delegate(task_id=task.pk, user=self.user, to=request.POST.get("to", "").strip()[:254])
        return "delegated"

    def _comment(self, request: HttpRequest, task: HumanTask) -> str:
        text = request.POST.get("text", "").strip()
        if not text:
            raise _NothingSaidError("Expected a text.")
        if len(text) > MAX_COMMENT:
            raise JsonTooLargeError(f"Expected at most {MAX_COMMENT} characters, found {len(text)}.")
        comment(task=task, user=self.user, text=text)
        return "commented"

    def _attach(self, request: HttpRequest, task: HumanTask) -> str:
        upload = request.FILES.get("file")
        if upload is None:
            raise EmptyAttachmentError("Expected a file.")
        if (upload.size or 0) > settings.TASK_ATTACHMENT_BYTES:
            raise JsonTooLargeError(f"Expected at most {settings.TASK_ATTACHMENT_BYTES} bytes, found {upload.size}.")
        kind = (upload.content_type or "application/octet-stream")[:127]
        name = (upload.name or "file").translate(_UNFIT_IN_NAMES)[-255:]
        attach(task=task, user=self.user, name=name, content_type=kind, data=upload.read())
        return "attached"

    def _page(
        self, request: HttpRequest, task: HumanTask, *, status: int = 200, problem: str = "", faults: Mapping[str, str] | None = None
    ) -> HttpResponse:
        words = words_of(request)
        context = task_context(task, self.user, words)
        context |= {"problem": problem, "now": timezone.now(), "max_mb": settings.TASK_ATTACHMENT_BYTES // 1_000_000}
        if task.is_open and not context["refusal"]:
            data = request.POST if faults is not None else None
            context |= {"form": form_context(task, words, data=data, faults=faults)}
        return shown(request, "tasks/task.html", context, status=status)


class _NothingSaidError(InvalidError):
    code = "required"


def _of_schema(request: HttpRequest, problems: Iterable[tuple[str, str]]) -> dict[str, str]:
    """{pointer of an answer: what is wrong with it}."""
    words = words_of(request)
    found: dict[str, str] = {}
    for pointer, message in problems:
        found[pointer] = f"{found.get(pointer, '')} {words['does_not_fit']} {message}".strip()
    return found


def _beside(unfit: Mapping[str, str], unread: Mapping[str, str]) -> dict[str, str]:
    """What does not fit at other places than those that could not be read, and those around them, which lack what could not be read."""
    return {pointer: text for pointer, text in unfit.items() if not any(f"{other}/".startswith(f"{pointer}/") for other in unread)}
