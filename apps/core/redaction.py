"""Words that must not reach a log."""

import logging
import re

LINK_TOKEN_PREFIX = "sfl_"  # noqa: S105  # no secret, but what one begins with
"""Every token of a share link begins with it, so that one is known wherever it turns up."""

RESUME_TOKEN_PREFIX = "sfr_"  # noqa: S105
"""Every token that wakes a waiting node run begins with it."""

TASK_TOKEN_PREFIX = "sft_"  # noqa: S105
"""Every token of a mail about a human task begins with it."""

_TOKENS = re.compile(rf"({LINK_TOKEN_PREFIX}|{RESUME_TOKEN_PREFIX}|{TASK_TOKEN_PREFIX})[A-Za-z0-9_.-]{{8,}}")


def redact(text: str) -> str:
    """The text without tokens of share links, waiting node runs and mails: they stand in addresses, and addresses stand in logs.

    >>> redact("Not Found: /api/v1/shared/sfl_3sTTz0XhYwT")
    'Not Found: /api/v1/shared/sfl_…'
    """
    return _TOKENS.sub(r"\1…", text)


class RedactingFormatter(logging.Formatter):
    """Formats as usual, traceback included, and redacts the whole."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))
