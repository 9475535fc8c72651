"""People who cancel, pause and resume executions, whether that is a good idea or not."""

from collections import Counter
from dataclasses import dataclass, field
from random import Random

from django.db import close_old_connections

from apps.executions.actions import WrongStatusError, cancel_execution, pause_execution, resume_execution
from tests.chaos.stack import Stack

ACTIONS = {"cancel": cancel_execution, "pause": pause_execution, "resume": resume_execution}
# Mostly of those that are open; now and then of one that has ended.
_OPEN = "select id from execution where status in ('running', 'paused') order by random() limit 1"
_ANY = "select id from execution order by random() limit 1"
ANY_SHARE = 0.05


@dataclass
class People:
    """actions   how often each was done, and `refused`"""

    stack: Stack
    actions: Counter[str] = field(default_factory=Counter)

    def act(self, random: Random) -> None:
        """One action on one execution."""
        name = random.choice(sorted(ACTIONS))
        with self.stack.database() as connection:
            row = connection.execute(_ANY if random.random() < ANY_SHARE else _OPEN).fetchone()
        if row is None:
            return
        try:
            ACTIONS[name](execution_id=row[0])
        except WrongStatusError:
            name = "refused"
        finally:
            close_old_connections()
        self.actions[name] += 1
