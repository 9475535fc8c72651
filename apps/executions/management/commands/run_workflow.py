"""Run a workflow from files."""

from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console

from apps.accounts.models import User, Workspace
from apps.core.audit import acting
from apps.engine.errors import StructForgeError
from apps.executions.shell.files import FileFaultError, read_document, read_rows
from apps.executions.shell.run import Shell
from apps.workflows.actions import Saved, create_workflow, save_version
from apps.workflows.models import Workflow, WorkflowVersion

WIDTH_WITHOUT_TERMINAL = 150
FAILED, USAGE, INTERRUPTED = 1, 2, 130


class Command(BaseCommand):
    help = (
        "Run a workflow from a definition file (JSON or YAML). The input is a JSON or YAML object for one execution, or a CSV file for one "
        "per row. The definition is stored and published under its name first; unchanged content makes no new version. "
        "Exit status: 0 success, 1 an execution failed or did not end in time, 2 wrong usage, file or definition."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("definition", type=Path, metavar="FILE", help="the definition")
        parser.add_argument(
            "--input", type=Path, nargs="+", default=[], metavar="FILE", help="the input; several run one after another; {} without it"
        )
        parser.add_argument("--each", action="store_true", help="one execution for each element of a JSON or YAML array; CSV is always so")
        parser.add_argument(
            "--key", metavar="COLUMN", help="the column that names an execution; further rows of the same name are left out"
        )
        parser.add_argument("--group-by", metavar="FIELD", help="the field of the output that the report of many executions is grouped by")
        parser.add_argument("--follow", action="store_true", help="show nodes as they settle, and the result")
        parser.add_argument(
            "--timeout", type=float, default=600, metavar="SECONDS", help="how long to follow at most (default: %(default)g)"
        )
        parser.add_argument("--user", metavar="NAME", help="whose workflow it is; the first administrator's without it")

    def handle(self, *, definition: Path, input: Sequence[Path], **options: Any) -> None:
        console = _console()
        try:
            user = _user(options["user"])
            with acting(actor=user, via="shell"):
                saved = _store(read_document(definition), user)
            _say_what_is_stored(console, saved)
            shell = Shell(console, user, options["timeout"] if options["follow"] else None)
            outcomes = [_run(shell, saved.version, path, options) for path in (input or (None,))]
        except StructForgeError as error:
            raise CommandError(_explained(error), returncode=USAGE) from error
        except KeyboardInterrupt:
            raise CommandError("Stopped following; what was started goes on.", returncode=INTERRUPTED) from None
        if not all(outcomes):
            raise SystemExit(FAILED)


def _run(shell: Shell, version: WorkflowVersion, path: Path | None, options: dict[str, Any]) -> bool:
    if path is not None and (options["each"] or path.suffix.lower() == ".csv"):
        return shell.run_many(version, read_rows(path, version.start["input_schema"], options["key"]), group_by=options["group_by"])
    document = read_document(path) if path else {}
    if not isinstance(document, dict):
        raise FileFaultError(f"{path}: expected an object as input, found {type(document).__name__}; an array needs --each.")
    return shell.run_one(version, document)


def _console() -> Console:
    console = Console(markup=False, emoji=False, highlight=False)
    return console if console.is_terminal else Console(markup=False, emoji=False, highlight=False, width=WIDTH_WITHOUT_TERMINAL)


def _user(name: str | None) -> User:
    user = User.objects.filter(username=name).first() if name else User.objects.filter(is_superuser=True).order_by("date_joined").first()
    if user is None:
        nobody = f"There is no user '{name}'." if name else "There is no administrator; `make run` makes one, and so does createsuperuser."
        raise CommandError(nobody, returncode=USAGE)
    return user


def _store(document: Any, user: User) -> Saved:
    """Save and publish a definition as the workflow of its name."""
    name = document.get("name") if isinstance(document, dict) else None
    workspace = Workspace.objects.get(owner=user, is_personal=True)
    workflow = Workflow.objects.filter(workspace=workspace, name=name).first() if isinstance(name, str) else None
    if workflow is None:
        return create_workflow(workspace=workspace, definition=document, created_by=user, publish=True)
    return save_version(workflow=workflow, definition=document, created_by=user, publish=True)


def _say_what_is_stored(console: Console, saved: Saved) -> None:
    version = saved.version
    console.print(f"{version.workflow.name}: version {version.number} is {'new' if saved.created else 'unchanged'} and published")
    for warning in saved.warnings:
        console.print(f"  warning: {warning.pointer}: {warning.message}", style="yellow")


def _explained(error: StructForgeError) -> str:
    """The message, and each fault with its place."""
    faults = error.details.get("errors", [])
    lines = [f"  {fault.get('pointer') or '/'}: {fault['message']}" for fault in faults if isinstance(fault, dict) and "message" in fault]
    return "\n".join([error.message, *lines])
