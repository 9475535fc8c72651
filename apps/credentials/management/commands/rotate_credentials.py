"""`manage.py rotate_credentials`: seal every credential with the first key of the ring."""

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.core import audit
from apps.credentials.actions import BATCH, rotate_credentials
from apps.credentials.keys import key_ring
from apps.credentials.sealing import new_key


class Command(BaseCommand):
    help = "Seal every credential anew with the first key of CREDENTIAL_KEYS. Executions may use them meanwhile."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--batch", type=int, default=BATCH, help="credentials in one transaction")
        parser.add_argument(
            "--new-key", action="store_true", help="print an entry with a random key for CREDENTIAL_KEYS, and do nothing else"
        )

    def handle(self, *args: Any, batch: int, new_key: bool, **options: Any) -> None:
        if new_key:
            self.stdout.write(_entry())
            return
        with audit.acting(via="shell"):
            done, failed = rotate_credentials(batch=max(batch, 1), progress=self._progress)
        self.stdout.write(f"{done} credentials are sealed anew with the key '{key_ring().sealing}'.")
        if failed:
            raise CommandError(f"{failed} credentials do not open: a key that sealed them is missing in CREDENTIAL_KEYS.")

    def _progress(self, done: int, failed: int) -> None:
        self.stdout.write(f"{done} sealed anew" + (f", {failed} do not open" if failed else ""))


def _entry() -> str:
    return new_key(f"k{datetime.now(UTC):%Y%m%d%H%M%S}")
