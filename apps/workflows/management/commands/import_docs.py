"""`manage.py import_docs`: write the tables of docs/imports.md from the mappings."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from apps.workflows.imports.page import page


class Command(BaseCommand):
    help = "Write the tables of docs/imports.md from the mappings."

    def handle(self, *args: Any, **options: Any) -> None:
        target = Path(settings.BASE_DIR) / "docs" / "imports.md"
        target.write_text(page(target.read_text()))
        self.stdout.write(f"Wrote {target}.")
