"""From the config of a `human.task` to the node run that waits: who is asked is found out here, the task itself is made by a trigger."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.accounts.permissions import BUILT_IN_ROLES
from apps.engine.graph import GraphNode
from apps.engine.outcomes import AskPeople, Failed, NodeError
from apps.engine.statuses import NodeRunStatus
from apps.engine.waits import HUMAN_TASK
from apps.executions.connection import fetch_repeating
from apps.executions.protocol import Claim
from apps.executions.settlement import End, end_of
from apps.tasks.models import FIRST, UNANIMOUS, HumanTask

# An address counts where it is confirmed, or where nobody was ever asked to confirm it.
_FIND = """
(select distinct on (a.name) 'user' as kind, a.name as asked, 'user:' || u.id as key, u.username as name
   from unnest(%(users)s::text[]) as a(name) join membership m on m.workspace_id = %(workspace)s
   join accounts_user u on u.id = m.user_id and u.is_active and u.kind = 'person'
    and (u.id::text = a.name or u.username = a.name
         or u.email <> '' and lower(u.email) = lower(a.name)
            and not exists (select from account_emailaddress c where c.user_id = u.id and c.email = lower(u.email) and not c.verified))
  order by a.name, u.id::text = a.name desc, u.username = a.name desc)
union all
select 'team', a.name, 'team:' || t.id, t.name
  from unnest(%(teams)s::text[]) as a(name) join team t on t.workspace_id = %(workspace)s and (t.id::text = a.name or t.name = a.name)
union all
select 'role', a.name, 'role:' || r.id, r.name
  from unnest(%(roles)s::text[]) as a(name) join role r on r.workspace_id = %(workspace)s and (r.id::text = a.name or r.name = a.name)
"""
_COUNT = "select count(*)::int as count from human_task_people_v1(%(workspace)s, %(keys)s::text[])"


@dataclass(frozen=True, slots=True)
class _CannotAskError(Exception):
    error: NodeError


class _People:
    """Whom the names of a config mean in a workspace. Raises _CannotAskError for names that mean nobody."""

    def __init__(self, workspace_id: UUID, parts: Sequence[Mapping[str, Any]]) -> None:
        self._workspace_id = workspace_id
        self._found: dict[tuple[str, str], dict[str, str]] = {}
        users = {name for part in parts for name in (*part["candidate_users"], part["assignee"]) if name}
        teams = {name for part in parts for name in part["candidate_teams"]}
        roles = {name for part in parts for name in part["candidate_roles"]}
        wanted = {"user": users, "team": teams, "role": roles.difference(BUILT_IN_ROLES)}
        if any(wanted.values()):
            self._read(wanted)

    def _read(self, wanted: Mapping[str, set[str]]) -> None:
        lists = {f"{kind}s": sorted(names) for kind, names in wanted.items()}
        for row in fetch_repeating(_FIND, {"workspace": self._workspace_id, **lists}):
            self._found[row["kind"], row["asked"]] = {name: row[name] for name in ("key", "kind", "name")}
        unknown = [f"{kind} '{name}'" for kind, names in wanted.items() for name in sorted(names) if (kind, name) not in self._found]
        if unknown:
            message = f"The workspace has no {', no '.join(unknown)[:400]}."
            raise _CannotAskError(NodeError("no_such_person", message, {"names": unknown}))

    def assignee(self, part: Mapping[str, Any]) -> str | None:
        """Id of the person; None where the config names none."""
        return self._found["user", part["assignee"]]["key"].partition(":")[2] if part["assignee"] else None

    def candidates(self, part: Mapping[str, Any]) -> list[dict[str, str]]:
        built_in = [name for name in part["candidate_roles"] if name in BUILT_IN_ROLES]
        own = [("role", name) for name in part["candidate_roles"] if name not in BUILT_IN_ROLES]
        users = [("user", name) for name in part["candidate_users"]]
        found = [self._found[each] for each in (*users, *(("team", name) for name in part["candidate_teams"]), *own)]
        found += [{"key": f"role:{self._workspace_id}:{name}", "kind": "role", "name": name} for name in built_in]
        return list({each["key"]: each for each in found}.values())


def task_end(node: GraphNode, asked: AskPeople, claim: Claim, *, attempt: int) -> End:
    """How a node run ends that asks people: waiting; or failed, where nobody can be asked."""
    try:
        state = _state(asked.task, claim.workspace_id)
    except _CannotAskError as fault:
        return end_of(node, Failed(fault.error, is_final=True), workspace_id=claim.workspace_id, attempt=attempt)
    return End(NodeRunStatus.WAITING, waits_for=HUMAN_TASK, state=state, delay_seconds=node.timeout_seconds)


def _state(task: Mapping[str, Any], workspace_id: UUID) -> dict[str, Any]:
    """What the trigger makes the task of; its shape is in sql/tasks_v1.sql."""
    people = _People(workspace_id, [task, *task["escalations"]])
    assignee, candidates = people.assignee(task), people.candidates(task)
    holders = holders_of(assignee, candidates)
    if not holders:
        raise _CannotAskError(NodeError("nobody_to_ask", "The expressions for assignee and candidates gave nobody."))
    if task["quorum"] != FIRST:
        _check_reach(task["quorum"], workspace_id, holders)
    taken = ("title", "description", "form", "decision", "quorum", "four_eyes", "due_at", "due_seconds")
    return {
        **{name: task[name] for name in taken},
        "priority": HumanTask.Priority[task["priority"].upper()].value,
        "assignee": assignee,
        "candidates": candidates,
        "holders": holders,
        "timers": [*_timers(task, people)],
    }


def holders_of(assignee: object, candidates: Iterable[Mapping[str, str]]) -> list[str]:
    """Keys of those who may do a task: its assignee alone, or all to whom it is offered."""
    return [f"user:{assignee}"] if assignee else [each["key"] for each in candidates]


def needed_of(quorum: Any, asked: int) -> int:
    """How many yeses a quorum takes of so many who are asked."""
    if quorum == UNANIMOUS:
        return asked
    return 1 if quorum == FIRST else int(quorum["at_least"])


def _check_reach(quorum: Any, workspace_id: UUID, holders: list[str]) -> None:
    [row] = fetch_repeating(_COUNT, {"workspace": workspace_id, "keys": holders})
    needed = max(1, needed_of(quorum, row["count"]))
    if row["count"] < needed:
        message = f"{needed} people have to agree, and {row['count']} are asked."
        raise _CannotAskError(NodeError("quorum_out_of_reach", message, {"needed": needed, "asked": row["count"]}))


def _timers(task: Mapping[str, Any], people: _People) -> Iterable[dict[str, Any]]:
    if task["notify"]:
        yield {"kind": "offered", "offset": None, "what": None}
    for seconds in task["reminders"]:
        yield {"kind": "reminder", "offset": -seconds, "what": None}
    for each in task["escalations"]:
        what = {"action": each["action"], "assignee": people.assignee(each), "candidates": people.candidates(each)}
        if each["action"] == "reassign" and not (what["assignee"] or what["candidates"]):
            raise _CannotAskError(NodeError("nobody_to_ask", "The expressions for an escalation gave nobody."))
        yield {"kind": "escalation", "offset": each["after_seconds"], "what": what}
