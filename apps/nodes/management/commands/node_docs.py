"""`manage.py node_docs`: write docs/nodes.md from the node types."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from apps.nodes.page import page


class Command(BaseCommand):
    help = "Write docs/nodes.md from the node types."

    def handle(self, *args: Any, **options: Any) -> None:
        target = Path(settings.BASE_DIR) / "docs" / "nodes.md"
        target.write_text(page())
        self.stdout.write(f"Wrote {target}.")
