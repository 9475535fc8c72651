"""`manage.py import_workflow FILE`: take in workflows of StructForge, n8n or Dify, and print what became of each node."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.table import Table

from apps.accounts.models import User, Workspace
from apps.accounts.permissions import Permission
from apps.accounts.queries import get_workspace
from apps.core.audit import acting
from apps.engine.errors import StructForgeError
from apps.workflows.exchange.files import read_file
from apps.workflows.imports.formats import FORMATS
from apps.workflows.imports.importing import Brought, import_document
from apps.workflows.imports.report import Report, Verdict

WIDTH_WITHOUT_TERMINAL = 150
USAGE = 2
_STYLES = {Verdict.MAPPED: "green", Verdict.APPROXIMATED: "yellow", Verdict.LEFT_OUT: "red"}


class Command(BaseCommand):
    help = "Take in the workflows of an export of StructForge, n8n (JSON) or Dify (YAML), and print what became of each node."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE", help="the export; its name says whether it is YAML")
        parser.add_argument("--dry-run", action="store_true", help="print the report and keep nothing")
        parser.add_argument("--format", choices=FORMATS, help="told by the document without it")
        parser.add_argument("--on-conflict", choices=["rename", "skip", "version"], default="rename", help="where the name is taken")
        parser.add_argument("--publish", action="store_true", help="publish the newest version of each")
        parser.add_argument("--user", metavar="NAME", help="whose workflows they are; the first administrator's without it")

    def handle(self, *, file: Path, **options: Any) -> None:
        console = Console(markup=False, emoji=False, highlight=False)
        if not console.is_terminal:
            console.width = WIDTH_WITHOUT_TERMINAL
        try:
            user = _user(options["user"])
            with acting(actor=user, via="shell"):
                brought = import_document(
                    workspace=get_workspace(user, _personal(user), Permission.WORKFLOW_CREATE),
                    document=read_file(file.read_bytes(), name=file.name),
                    on_conflict=options["on_conflict"],
                    created_by=user,
                    publish=options["publish"],
                    format=options["format"],
                    dry_run=options["dry_run"],
                )
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror}.", returncode=USAGE) from error
        except StructForgeError as error:
            raise CommandError(_explained(error), returncode=USAGE) from error
        for each in brought:
            _print(console, each, is_dry=options["dry_run"])


def _user(name: str | None) -> User:
    user = User.objects.filter(username=name).first() if name else User.objects.filter(is_superuser=True).order_by("date_joined").first()
    if user is None:
        nobody = f"There is no user '{name}'." if name else "There is no administrator; `make run` makes one, and so does createsuperuser."
        raise CommandError(nobody, returncode=USAGE)
    return user


def _personal(user: User) -> Any:
    return Workspace.objects.get(owner=user, is_personal=True).pk


def _print(console: Console, brought: Brought, *, is_dry: bool) -> None:
    imported = brought.imported
    kept = "would be" if is_dry else "is"
    console.print(f"{imported.workflow.name}: version {imported.number} {kept} {imported.status}")
    if brought.report is not None:
        console.print(_table(brought.report))
        for remark in brought.report.remarks:
            console.print(f"- {remark}")


def _table(report: Report) -> Table:
    table = Table("node", "type", "verdict", "here", "remarks")
    for line in report.lines:
        verdict = line.verdict.value.replace("_", " ")
        table.add_row(line.node, line.type, verdict, ", ".join(line.keys), "\n".join(line.remarks), style=_STYLES[line.verdict])
    counts = report.counts
    table.caption = ", ".join(f"{count} {verdict.replace('_', ' ')}" for verdict, count in counts.items())
    return table


def _explained(error: StructForgeError) -> str:
    """The message, and each fault with its place."""
    faults = error.details.get("errors", [])
    lines = [f"  {fault.get('pointer') or '/'}: {fault['message']}" for fault in faults if isinstance(fault, dict) and "message" in fault]
    return "\n".join([error.message, *lines])
