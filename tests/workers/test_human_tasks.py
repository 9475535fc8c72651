"""Nodes that ask people: from the settle that makes the task to the answer that wakes the node run, on a real PostgreSQL."""

import threading
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.utils import timezone

from apps.accounts.models import Membership, Role, Team, TeamMember, User
from apps.engine.json_values import JsonTooLargeError
from apps.executions import protocol
from apps.executions.actions import cancel_execution, pause_execution, resume_execution, start_execution
from apps.executions.answers import AnswerOfPeopleError
from apps.executions.breakpoints import Breakpoint, edit, start_test_run
from apps.executions.connection import fetch
from apps.executions.models import Execution, NodeRun
from apps.executions.rerunning import Place, Rerun, rerun_execution
from apps.notifications.models import Delivery
from apps.tasks import holding
from apps.tasks.absences import set_absence
from apps.tasks.deciding import MAX_ANSWER_BYTES, AlreadyAnsweredError, AnswersDoNotFitError, complete
from apps.tasks.holding import AlreadyClaimedError, DecidedByManyError, NobodyElseError, NoSuchPersonError, claim, delegate, release
from apps.tasks.keys import keys_of
from apps.tasks.models import Decision, HumanTask, Timer
from apps.tasks.rights import FourEyesError, NotYourTaskError, TaskClosedError
from apps.tasks.timers import fire, fire_due
from tests.factories import make_version, make_workspace
from tests.workers.driving import drive, run_queued, statuses, step
from tests.workers.test_loops import foreach, inside
from tests.workers.test_runner import FAIL, START, document, put
from tests.workers.test_sweepers import redis, sent, sweeper  # noqa: F401  # fixtures

pytestmark = pytest.mark.django_db(transaction=True)

YES = {"approved": True}


def ask(**config: Any) -> dict[str, Any]:
    people = {"candidate_users", "candidate_teams", "candidate_roles", "assignee"} & config.keys()
    return {"type": "human.task", "config": {"title": "Approve", **({} if people else {"candidate_roles": ["owner"]}), **config}}


def member(username: str, role: str = "viewer") -> User:
    """Somebody else in the workspace of Ada."""
    user = User.objects.filter(username=username).first() or User.objects.create_user(username, email=f"{username}@example.com")
    Membership.objects.update_or_create(workspace=make_workspace("ada"), user=user, defaults={"role": role})
    return User.objects.get(pk=user.pk)


def ada() -> User:
    return make_workspace("ada").owner


def asking(
    task: dict[str, Any],
    *edges: str,
    by: User | None = None,
    input: dict[str, Any] | None = None,
    rest: dict[str, Any] | None = None,
    **nodes: Any,
) -> UUID:
    """An execution whose node `ask` has been settled once: it waits, or has failed."""
    version = make_version(document({"start": START, "ask": task, **nodes}, "start -> ask", *edges, **(rest or {})))
    execution_id = start_execution(workflow=version.workflow, input=input, started_by=by).execution_id
    run_queued(execution_id)
    return execution_id


def task_of(execution_id: UUID, key: str = "ask") -> HumanTask:
    return HumanTask.objects.get(execution_id=execution_id, key=key, status="open")


def inbox(user: User) -> list[int]:
    return list(HumanTask.objects.visible_to(user).open_for(keys_of(user)).order_by("id").values_list("pk", flat=True))


def move_clock(**by: float) -> None:
    """Let so much time pass for tasks: what is due is due so much sooner."""
    fetch("update human_task_timer set due_at = due_at - %(by)s where fired_at is null returning 1 as x", {"by": timedelta(**by)})
    fetch("update human_task set due_at = due_at - %(by)s returning 1 as x", {"by": timedelta(**by)})


class TestAnswers:
    def test_the_answer_is_the_output_and_the_execution_goes_on(self, sent):  # noqa: F811
        member("bob")
        execution_id = asking(
            ask(assignee="bob", form={"approved": "boolean", "comments": "string?"}),
            "ask -> after",
            after=put(by="${nodes.ask.decisions[0].by}"),
        )
        task = task_of(execution_id)
        assert statuses(execution_id)["ask"] == "waiting"
        assert (task.title, task.assignee.username, inbox(member("bob")), inbox(ada())) == ("Approve", "bob", [task.pk], [])
        sent.clear()

        complete(task_id=task.pk, user=member("bob"), variables={"approved": True, "comments": "fine"})

        assert sent == ["ask"]
        execution = drive(execution_id)
        assert (execution.status, execution.output) == ("success", {"by": "bob"})
        output = NodeRun.objects.get(execution_id=execution_id, key="ask").output
        assert (output["approved"], output["variables"], output["task"]) == (True, {"approved": True, "comments": "fine"}, task.pk)
        task.refresh_from_db()
        assert (task.status, task.approved, task.closed_at is None) == ("completed", True, False)
        assert inbox(member("bob")) == []

    def test_a_no_leaves_by_its_own_port_where_an_edge_leaves_it(self):
        apart = asking(ask(), "ask:out -> yes", "ask:rejected -> no", yes=put(said="yes"), no=put(said="no"))
        together = asking(ask(), "ask -> after", after=put(said="${nodes.ask.approved}"))
        for execution_id in (apart, together):
            complete(task_id=task_of(execution_id).pk, user=ada(), variables={"approved": False})

        assert drive(apart).output == {"no": {"said": "no"}, "yes": {}}
        assert drive(together).output == {"said": False}

    def test_answers_become_variables_where_that_is_asked(self):
        nodes = {"after": put(amount="${vars.amount + 1}")}
        rest = {"variables": {"amount": 0}}
        execution_id = asking(ask(form={"amount": "number"}, keep_answers=True), "ask -> after", rest=rest, **nodes)

        complete(task_id=task_of(execution_id).pk, user=ada(), variables={"amount": 41})

        assert drive(execution_id).output == {"amount": 42}

    @pytest.mark.parametrize(
        ("variables", "pointer"),
        [
            ({}, "/variables"),
            ({"approved": "yes"}, "/variables/approved"),
            ({"approved": True, "lines": [{"n": 0}]}, "/variables/lines/0/n"),
        ],
    )
    def test_what_does_not_fit_the_form_is_refused_with_its_place_and_the_task_stays_open(self, variables, pointer):
        lines = {"type": "array", "items": {"properties": {"n": {"minimum": 1}}}}
        form = {"type": "object", "properties": {"approved": {"type": "boolean"}, "lines": lines}, "required": ["approved"]}
        execution_id = asking(ask(form=form))

        with pytest.raises(AnswersDoNotFitError) as caught:
            complete(task_id=task_of(execution_id).pk, user=ada(), variables=variables)

        assert caught.value.details["errors"][0]["pointer"] == pointer
        assert task_of(execution_id).voters == []

    def test_an_answer_that_is_too_large_is_refused(self):
        with pytest.raises(JsonTooLargeError):
            complete(task_id=task_of(asking(ask())).pk, user=ada(), variables={"x": "x" * MAX_ANSWER_BYTES})

    def test_a_second_answer_finds_the_task_closed(self):
        task = task_of(asking(ask()))
        complete(task_id=task.pk, user=ada(), variables=YES)
        with pytest.raises(TaskClosedError):
            complete(task_id=task.pk, user=ada(), variables=YES)
        assert Decision.objects.count() == 1

    def test_somebody_elses_task_is_refused(self):
        task = task_of(asking(ask(assignee="ada")))
        with pytest.raises(NotYourTaskError):
            complete(task_id=task.pk, user=member("bob", "admin"), variables=YES)

    def test_a_paused_execution_takes_the_answer_and_goes_on_later(self):
        execution_id = asking(ask())
        pause_execution(execution_id=execution_id)
        complete(task_id=task_of(execution_id).pk, user=ada(), variables=YES)
        assert drive(execution_id, rounds=3).status == "paused"
        resume_execution(execution_id=execution_id)
        assert drive(execution_id).status == "success"

    def test_in_a_loop_each_item_has_a_task_of_its_own(self):
        inside = {**ask(title="Check ${item}"), "parent": "loop"}
        loop = {"type": "loop.foreach", "config": {"items": ["a", "b"], "parallel": 2}}
        version = make_version(document({"start": START, "loop": loop, "ask": inside}, "start -> loop"))
        execution_id = start_execution(workflow=version.workflow).execution_id
        for _ in range(4):
            step(execution_id)
        assert sorted(HumanTask.objects.values_list("title", "path")) == [("Check a", "0"), ("Check b", "1")]

        for task in HumanTask.objects.all():
            complete(task_id=task.pk, user=ada(), variables={"it": task.title})

        execution = drive(execution_id)
        assert [each["variables"]["it"] for each in execution.output] == ["Check a", "Check b"]


class TestLoss:
    def test_a_worker_that_dies_before_the_settle_leaves_no_task_and_one_after_it_leaves_one(self, monkeypatch, sweeper):  # noqa: F811
        class DiedError(BaseException):
            pass

        settle = protocol.settle

        def dies(after: bool):
            def dying(**call: Any) -> Any:
                if after:
                    settle(**call)
                raise DiedError

            return dying

        version = make_version(document({"start": START, "ask": ask()}, "start -> ask"))
        execution_id = start_execution(workflow=version.workflow).execution_id
        monkeypatch.setattr(protocol, "settle", dies(after=False))
        with pytest.raises(DiedError):
            step(execution_id)
        assert not HumanTask.objects.exists()
        fetch("update node_run set lease_until = clock_timestamp() - interval '1 s' where status = 'running' returning 1 as x", {})
        assert sweeper.rescue() == 1

        monkeypatch.setattr(protocol, "settle", dies(after=True))
        with pytest.raises(DiedError):
            step(execution_id)
        monkeypatch.undo()

        assert HumanTask.objects.count() == 1
        assert statuses(execution_id)["ask"] == "waiting"
        complete(task_id=task_of(execution_id).pk, user=ada(), variables=YES)
        assert drive(execution_id).status == "success"

    def test_an_answer_whose_message_is_lost_is_found_by_the_sweeper(self, sent, sweeper):  # noqa: F811
        execution_id = asking(ask())
        complete(task_id=task_of(execution_id).pk, user=ada(), variables=YES)
        sent.clear()
        fetch("update node_run set due_at = clock_timestamp() where status = 'queued' returning 1 as x", {})

        sweeper.send_overdue()

        assert sent == ["ask"]

    def test_what_ends_the_waiting_closes_the_task(self):
        cancelled = asking(ask())
        failing = asking(ask(), "start -> bad", bad={**FAIL, "queue": "default"})
        over = asking({**ask(), "timeout_seconds": 60}, "ask:timeout -> late", late=put(late=True))
        cancel_execution(execution_id=cancelled)
        drive(failing)
        drive(over)

        found = {task.execution_id: task.status for task in HumanTask.objects.all()}
        assert found == {cancelled: "cancelled", failing: "cancelled", over: "expired"}
        assert Execution.objects.get(pk=over).output == {"late": True}
        with pytest.raises(TaskClosedError):
            complete(task_id=HumanTask.objects.get(execution_id=cancelled).pk, user=ada(), variables=YES)


class TestPeople:
    def test_each_way_of_naming_reaches_its_people_and_nobody_else(self):
        bob, carl, dora = member("bob"), member("carl"), member("dora", "operator")
        workspace = make_workspace("ada")
        team = Team.objects.create(workspace=workspace, name="auditors")
        TeamMember.objects.create(team=team, user=carl)
        role = Role.objects.create(workspace=workspace, name="approver", permissions=["task.work"])
        Membership.objects.filter(user=dora).update(role="", own_role=role)
        dora = member_again(dora)
        stranger = make_workspace("eve").owner
        everybody = {user.username: user for user in (ada(), bob, carl, dora, stranger)}
        reached = {
            "bob": ask(candidate_users=["bob"]),
            "carl": ask(candidate_teams=["auditors"]),
            "dora": ask(candidate_roles=["approver"]),
            "ada": ask(candidate_roles=["owner"]),
        }
        for name, task in reached.items():
            found = task_of(asking(task)).pk
            assert [each for each, user in everybody.items() if found in inbox(user)] == [name]
        assert HumanTask.objects.visible_to(stranger).count() == 0
        assert HumanTask.objects.visible_to(dora).count() == 1, "her role sees no executions, but what is offered to her"

    def test_people_may_come_from_expressions(self):
        member("bob")
        execution_id = asking(
            ask(assignee="${input.who}", candidate_users="${input.others}"), input={"who": "BOB@example.com", "others": ["ada"]}
        )
        assert task_of(execution_id).assignee.username == "bob"

    @pytest.mark.parametrize(
        ("config", "input", "code"),
        [
            ({"assignee": "nobody"}, {}, "no_such_person"),
            ({"candidate_teams": ["none"]}, {}, "no_such_person"),
            ({"candidate_roles": ["none"]}, {}, "no_such_person"),
            ({"assignee": "eve"}, {}, "no_such_person"),
            ({"assignee": "${input.x}"}, {"x": None}, "nobody_to_ask"),
            ({"candidate_users": "${input.x}"}, {"x": []}, "nobody_to_ask"),
            ({"quorum": {"at_least": 2}}, {}, "quorum_out_of_reach"),
            ({"due_at": "${input.x}"}, {"x": "tomorrow"}, "invalid_instant"),
            ({"form": {"a": "${input.x}"}}, {"x": "colour"}, "invalid_form"),
        ],
    )
    def test_who_or_what_cannot_be_asked_fails_the_node_with_its_code(self, config, input, code):
        make_workspace("eve")
        execution = Execution.objects.get(pk=asking(ask(**config), input=input))
        assert (execution.status, execution.error["code"]) == ("failed", code)
        assert not HumanTask.objects.exists()

    def test_an_address_that_was_not_confirmed_is_nobodys(self):
        from allauth.account.models import EmailAddress  # noqa: PLC0415

        mallory = member("mallory")
        EmailAddress.objects.create(user=mallory, email="mallory@example.com", verified=False)
        execution = Execution.objects.get(pk=asking(ask(assignee="mallory@example.com")))
        assert execution.error["code"] == "no_such_person"


def member_again(user: User) -> User:
    return User.objects.get(pk=user.pk)


class TestHolding:
    def test_two_claim_at_once_and_one_wins(self):
        people = [member("bob"), member("carl")]
        task = task_of(asking(ask(candidate_roles=["viewer"])))
        ready, results = threading.Barrier(2, timeout=30), {}

        def take(user: User) -> None:
            try:
                ready.wait()
                claim(task_id=task.pk, user=user)
                results[user.username] = "won"
            except AlreadyClaimedError:
                results[user.username] = "lost"
            finally:
                connection.close()

        threads = [threading.Thread(target=take, args=[user]) for user in people]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)

        assert sorted(results.values()) == ["lost", "won"]
        winner, loser = sorted(people, key=lambda user: results[user.username] != "won")
        assert (inbox(winner), inbox(loser)) == ([task.pk], [])
        with pytest.raises(NotYourTaskError):
            complete(task_id=task.pk, user=loser, variables=YES)
        claim(task_id=task.pk, user=winner)
        complete(task_id=task.pk, user=winner, variables=YES)

    def test_a_released_task_is_offered_to_all_again(self):
        bob, carl = member("bob"), member("carl")
        task = task_of(asking(ask(candidate_users=["bob", "carl"])))
        claim(task_id=task.pk, user=bob)
        with pytest.raises(NotYourTaskError):
            release(task_id=task.pk, user=carl)
        release(task_id=task.pk, user=bob)
        assert inbox(bob) == inbox(carl) == [task.pk]
        claim(task_id=task.pk, user=bob)
        release(task_id=task.pk, user=ada())
        assert inbox(carl) == [task.pk], "who steers executions may take it back"

    def test_what_was_given_by_name_cannot_be_released(self):
        task = task_of(asking(ask(assignee="ada")))
        with pytest.raises(NobodyElseError):
            release(task_id=task.pk, user=ada())

    def test_a_delegated_task_is_the_other_persons_alone(self):
        bob, carl = member("bob"), member("carl")
        make_workspace("eve")
        task = task_of(asking(ask(assignee="bob")))
        with pytest.raises(NotYourTaskError):
            delegate(task_id=task.pk, user=carl, to="carl")
        with pytest.raises(NoSuchPersonError):
            delegate(task_id=task.pk, user=bob, to="eve")
        delegate(task_id=task.pk, user=bob, to="carl")
        assert (inbox(bob), inbox(carl)) == ([], [task.pk])
        task.refresh_from_db()
        assert task.delegated_by == bob
        delegate(task_id=task.pk, user=ada(), to=str(bob.pk))
        assert inbox(bob) == [task.pk]

    def test_whoever_leaves_the_workspace_leaves_the_claimed_task_to_the_others(self):
        bob, carl = member("bob"), member("carl")
        task = task_of(asking(ask(candidate_users=["bob", "carl"])))
        claim(task_id=task.pk, user=bob)
        holding.give_back(make_workspace("ada").pk, bob.pk)
        assert inbox(carl) == [task.pk]


class TestFourEyes:
    def test_the_starter_may_not_approve_and_another_may(self):
        bob = member("bob", "owner")
        task = task_of(asking(ask(four_eyes=True), by=ada()))
        with pytest.raises(FourEyesError):
            complete(task_id=task.pk, user=ada(), variables=YES)
        with pytest.raises(FourEyesError):
            claim(task_id=task.pk, user=ada())
        with pytest.raises(FourEyesError):
            delegate(task_id=task.pk, user=bob, to="ada")
        complete(task_id=task.pk, user=bob, variables=YES)

    def test_an_earlier_approver_may_not_approve_again_not_even_in_a_rerun_or_a_child(self):
        bob, carl = member("bob", "owner"), member("carl", "owner")
        execution_id = asking(ask(), "ask -> second", second=ask(four_eyes=True))
        complete(task_id=task_of(execution_id).pk, user=bob, variables=YES)
        drive(execution_id, rounds=2)
        with pytest.raises(FourEyesError):
            complete(task_id=task_of(execution_id, "second").pk, user=bob, variables=YES)
        cancel_execution(execution_id=execution_id)

        again = rerun_execution(
            execution=Execution.objects.get(pk=execution_id), asked=Rerun(Place("second")), started_by=carl
        ).execution_id
        drive(again, rounds=2)

        for user in (bob, carl):
            with pytest.raises(FourEyesError):
                complete(task_id=task_of(again, "second").pk, user=user, variables=YES)
        complete(task_id=task_of(again, "second").pk, user=ada(), variables=YES)

    def test_an_approval_in_a_called_workflow_counts(self):
        bob = member("bob", "owner")
        called = make_version(document({"start": START, "inner": ask()}, "start -> inner"))
        call = {"type": "workflow.call", "config": {"workflow": str(called.workflow_id)}}
        version = make_version(document({"start": START, "call": call, "outer": ask(four_eyes=True)}, "start -> call -> outer"))
        execution_id = start_execution(workflow=version.workflow).execution_id
        step(execution_id)
        step(execution_id)
        child = Execution.objects.get(parent_node_run__execution_id=execution_id)
        step(child.pk)
        complete(task_id=task_of(child.pk, "inner").pk, user=bob, variables=YES)
        drive(child.pk)
        drive(execution_id, rounds=2)

        with pytest.raises(FourEyesError):
            complete(task_id=task_of(execution_id, "outer").pk, user=bob, variables=YES)
        complete(task_id=task_of(execution_id, "outer").pk, user=ada(), variables=YES)

    def test_a_substitute_of_the_starter_may_not_either(self):
        bob = member("bob")
        away(ada(), bob)
        task = task_of(asking(ask(four_eyes=True, assignee="ada"), by=ada()))
        with pytest.raises(FourEyesError):
            complete(task_id=task.pk, user=bob, variables=YES)


def away(user: User, substitute: User, **values: Any) -> None:
    ends = timezone.now() + timedelta(days=7)
    set_absence(
        workspace=make_workspace("ada"),
        set_by=user,
        user=None,
        substitute=substitute.username,
        **{"starts_at": None, "ends_at": ends, **values},
    )


class TestAnswersStand:
    def ended(self) -> Execution:
        execution_id = asking(ask(), "start -> first -> ask -> after", first=put(amount="${input.amount}"), after=FAIL, input={"amount": 1})
        step(execution_id)
        complete(task_id=task_of(execution_id).pk, user=ada(), variables=YES)
        return drive(execution_id)

    def test_a_rerun_takes_an_answer_over_as_it_was_given(self):
        again = rerun_execution(execution=self.ended(), asked=Rerun(Place("after")), started_by=ada())
        assert drive(again.execution_id).error["code"] == "broken"
        assert HumanTask.objects.count() == 1

    @pytest.mark.parametrize(
        "asked", [{"outputs": {"ask": {"approved": True}}}, {"outputs": {"first": {"amount": 2}}}, {"input": {"amount": 2}}]
    )
    def test_not_for_other_facts_than_it_was_given_for(self, asked):
        with pytest.raises(AnswerOfPeopleError):
            rerun_execution(execution=self.ended(), asked=Rerun(Place("after"), **asked), started_by=ada())

    def looped(self) -> Execution:
        """Answered in both items; then the second one fails.

        start ─▶ first ─▶ each [ before ─▶ ask ─▶ work ✗ ] ─▶ after
        """
        nodes = {
            "first": put(amount="${input.amount}"),
            "each": foreach("${[1, 2]}", parallel=2, on_failure="collect"),
            "before": inside("each", put(at="${item}")),
            "ask": inside("each", ask()),
            "work": inside("each", put(x="${1 / (item - 2)}")),
            "after": FAIL,
        }
        edges = ("start -> first -> each -> after", "before -> ask -> work")
        version = make_version(document({"start": START, **nodes}, *edges))
        execution_id = start_execution(workflow=version.workflow, input={"amount": 1}, started_by=ada()).execution_id
        run_queued(execution_id)
        while task := HumanTask.objects.filter(execution_id=execution_id, status="open").order_by("id").first():
            complete(task_id=task.pk, user=ada(), variables=YES)
            run_queued(execution_id)
        return drive(execution_id)

    def test_in_loops_as_well_an_answer_goes_over_as_it_was_given(self):
        execution = self.looped()
        asked = HumanTask.objects.count()
        assert asked == 2
        for origin in (Place("work", "1"), Place("after")):
            drive(rerun_execution(execution=execution, asked=Rerun(origin), started_by=ada()).execution_id)
        assert HumanTask.objects.count() == asked

    @pytest.mark.parametrize(
        ("origin", "asked", "name"),
        [
            (Place("work", "1"), {"outputs": {"ask[1]": {"approved": True}}}, "ask[1]"),
            (Place("work", "1"), {"outputs": {"before[1]": {"at": 9}}}, "ask[1]"),
            (Place("work", "1"), {"items": {"each[1]": 9}}, "ask[1]"),
            (Place("work", "1"), {"outputs": {"first": {"amount": 2}}}, "ask[1]"),
            (Place("work", "1"), {"input": {"amount": 2}}, "ask[1]"),
            (Place("ask", "1"), {"input": {"amount": 2}}, "each"),
            (Place("after"), {"outputs": {"first": {"amount": 2}}}, "each"),
            (Place("after"), {"outputs": {"each": []}}, "each"),
            (Place("after"), {"input": {"amount": 2}}, "each"),
        ],
        ids=str,
    )
    def test_in_loops_not_for_other_facts_than_it_was_given_for(self, origin, asked, name):
        execution = self.looped()
        with pytest.raises(AnswerOfPeopleError) as caught:
            rerun_execution(execution=execution, asked=Rerun(origin, **asked), started_by=ada())
        assert name in caught.value.details["nodes"]
        assert Execution.objects.count() == 1

    def test_in_loops_people_are_asked_again_in_the_iteration_that_is_about_something_else(self):
        execution = self.looped()
        asked = Rerun(Place("ask", "1"), outputs={"before[1]": {"at": 9}})
        again = rerun_execution(execution=execution, asked=asked, started_by=ada()).execution_id
        run_queued(again)
        assert task_of(again).path == "1"
        assert list(HumanTask.objects.filter(execution_id=again).values_list("path", flat=True)) == ["1"]

    def test_from_before_it_people_are_asked_again(self):
        again = rerun_execution(execution=self.ended(), asked=Rerun(Place("ask"), input={"amount": 2}), started_by=ada()).execution_id
        run_queued(again)
        assert task_of(again).is_open

    def test_a_test_run_does_not_edit_it(self):
        version = make_version(document({"start": START, "ask": ask(), "after": put(x=1)}, "start -> ask -> after"))
        breakpoints = [Breakpoint("after")]
        execution_id = start_test_run(workflow=version.workflow, version=None, breakpoints=breakpoints, started_by=ada()).execution_id
        step(execution_id)
        complete(task_id=task_of(execution_id).pk, user=ada(), variables={"approved": False})
        step(execution_id)
        with pytest.raises(AnswerOfPeopleError):
            edit(execution_id=execution_id, variables={}, outputs=[{"key": "ask", "path": "", "output": YES}], edited_by=ada())


class TestAbsence:
    def test_a_substitute_does_what_was_given_before_and_during_the_absence_by_name(self):
        bob, carl = member("bob"), member("carl")
        before = task_of(asking(ask(assignee="bob"))).pk
        away(bob, carl)
        during = task_of(asking(ask(candidate_users=["bob"]))).pk
        by_role = task_of(asking(ask(candidate_roles=["owner"]))).pk
        assert inbox(carl) == [before, during]
        assert by_role not in inbox(carl)

        complete(task_id=before, user=carl, variables=YES)
        claim(task_id=during, user=carl)
        complete(task_id=during, user=carl, variables=YES)

        assert [(each.user, each.voter) for each in Decision.objects.all()] == [(carl, bob), (carl, bob)]
        drive(HumanTask.objects.get(pk=before).execution_id)
        output = NodeRun.objects.get(execution__human_tasks=before, key="ask").output
        assert (output["decisions"][0]["by"], output["decisions"][0]["in_place_of"]) == ("carl", "bob")

    def test_only_while_it_lasts(self):
        bob, carl = member("bob"), member("carl")
        task = task_of(asking(ask(assignee="bob"))).pk
        away(bob, carl, starts_at=timezone.now() + timedelta(hours=1))
        assert inbox(carl) == []
        fetch("update absence set starts_at = clock_timestamp() - interval '2 h', ends_at = clock_timestamp() returning 1 as x", {})
        assert inbox(carl) == []
        with pytest.raises(NotYourTaskError):
            complete(task_id=task, user=carl, variables=YES)


class TestQuorum:
    def voting(self, quorum: Any, *names: str, **config: Any) -> HumanTask:
        for name in names:
            member(name)
        return task_of(asking(ask(quorum=quorum, candidate_users=list(names), **config)))

    def answer(self, task: HumanTask, name: str, approved: bool = True) -> str:
        complete(task_id=task.pk, user=member(name), variables={"approved": approved})
        task.refresh_from_db()
        return f"{task.status} {task.approved}"

    def test_unanimous_takes_all(self):
        task = self.voting("unanimous", "bob", "carl", "dora")
        assert self.answer(task, "bob") == self.answer(task, "carl") == "open None"
        assert self.answer(task, "dora") == "completed True"
        execution = drive(task.execution_id)
        assert [each["by"] for each in execution.output["decisions"]] == ["bob", "carl", "dora"]

    def test_unanimous_ends_with_the_first_no(self):
        task = self.voting("unanimous", "bob", "carl", "dora")
        assert self.answer(task, "bob", False) == "completed False"

    def test_two_of_three_end_with_the_second_yes_or_no(self):
        yes = self.voting({"at_least": 2}, "bob", "carl", "dora")
        assert [self.answer(yes, "bob"), self.answer(yes, "carl", False), self.answer(yes, "dora")] == [
            "open None",
            "open None",
            "completed True",
        ]
        no = self.voting({"at_least": 2}, "bob", "carl", "dora")
        assert [self.answer(no, "bob", False), self.answer(no, "dora", False)] == ["open None", "completed False"]

    def test_nobody_answers_twice_or_has_it_alone(self):
        task = self.voting("unanimous", "bob", "carl")
        self.answer(task, "bob")
        assert inbox(member("bob")) == []
        with pytest.raises(AlreadyAnsweredError):
            self.answer(task, "bob")
        for action in (lambda: claim(task_id=task.pk, user=member("carl")), lambda: delegate(task_id=task.pk, user=ada(), to="bob")):
            with pytest.raises(DecidedByManyError):
                action()

    def test_four_eyes_are_not_counted_among_those_who_have_to_agree(self):
        for name in ("bob", "carl"):
            member(name)
        task = task_of(asking(ask(quorum="unanimous", four_eyes=True, candidate_users=["bob", "carl"]), by=member("carl")))
        assert self.answer(task, "bob") == "completed True"

    def test_two_last_answers_at_once_close_it_once(self):
        task = self.voting({"at_least": 1}, "bob", "carl")
        ready, results = threading.Barrier(2, timeout=30), []

        def vote(user: User) -> None:
            try:
                ready.wait()
                complete(task_id=task.pk, user=user, variables=YES)
                results.append("counted")
            except TaskClosedError:
                results.append("late")
            finally:
                connection.close()

        threads = [threading.Thread(target=vote, args=[member(name)]) for name in ("bob", "carl")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sorted(results) == ["counted", "late"]
        assert Decision.objects.filter(task=task).count() == 1


class TestTime:
    def test_two_hours_later_the_task_goes_to_the_manager_once(self):
        bob, boss = member("bob"), member("boss", "admin")
        task = task_of(asking(ask(assignee="bob", due_seconds=7200, escalations=[{"action": "reassign", "candidate_roles": ["admin"]}])))
        fire_due()
        Delivery.objects.all().delete()
        assert fire_due() == 0

        move_clock(hours=2)

        timer = Timer.objects.get(kind="escalation")
        results: list[bool] = []
        threads = [threading.Thread(target=lambda: (results.append(fire(timer.pk)), connection.close())) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert fire_due() == 0
        assert sum(results) == 1
        assert (inbox(bob), inbox(boss)) == ([], [task.pk])
        assert [(mail.event, mail.target) for mail in Delivery.objects.all()] == [("task_escalated", "boss@example.com")]
        with pytest.raises(NotYourTaskError):
            complete(task_id=task.pk, user=bob, variables=YES)
        complete(task_id=task.pk, user=boss, variables=YES)

    def test_a_task_stays_where_it_is_when_those_it_should_go_to_have_left(self):
        bob, boss = member("bob"), member("boss", "admin")
        task = task_of(asking(ask(assignee="bob", due_seconds=3600, escalations=[{"action": "reassign", "assignee": "boss"}])))
        mails()
        Membership.objects.get(user=boss, workspace=make_workspace("ada")).delete()
        move_clock(hours=1)
        assert mails() == [("task_escalated", "bob@example.com")]
        assert inbox(bob) == [task.pk]

    def test_a_timeout_goes_by_its_port_or_fails(self, sent):  # noqa: F811
        config = {"due_seconds": 3600, "escalations": [{"action": "timeout", "after_seconds": 3600}]}
        connected = asking(ask(**config), "ask:timeout -> late", late=put(late="${nodes.ask.outcome}"))
        alone = asking(ask(**config))
        fire_due()
        move_clock(minutes=110)
        assert fire_due() == 0
        sent.clear()
        move_clock(minutes=10)
        assert fire_due() == 2

        assert sent == ["ask", "ask"]
        assert drive(connected).output == {"late": "timeout"}
        assert drive(alone).error["code"] == "wait_timed_out"
        assert set(HumanTask.objects.values_list("status", flat=True)) == {"expired"}

    def test_reminders_and_notices_are_mails_to_those_whose_task_it_is(self):
        bob, carl = member("bob"), member("carl")
        member("boss", "admin")
        asking(
            ask(
                candidate_users=["bob", "carl"],
                due_seconds=3600,
                reminders=[600, 7200],
                escalations=[{"action": "notify", "candidate_users": ["boss"]}],
            )
        )
        task = HumanTask.objects.get()
        assert list(Timer.objects.order_by("due_at").values_list("kind", flat=True)) == ["offered", "reminder", "escalation"]
        assert mails() == [("task_offered", "bob@example.com"), ("task_offered", "carl@example.com")]
        claim(task_id=task.pk, user=bob)
        move_clock(minutes=50)
        assert mails() == [("task_reminder", "bob@example.com")]
        move_clock(minutes=10)
        assert mails() == [("task_escalated", "boss@example.com")]
        assert carl.email not in str(mails())

    def test_a_task_that_is_closed_lets_its_timers_pass(self):
        task = task_of(asking(ask(due_seconds=60, escalations=[{"action": "timeout"}])))
        complete(task_id=task.pk, user=ada(), variables=YES)
        move_clock(hours=1)
        assert fire_due() == 2
        task.refresh_from_db()
        assert (task.status, fire_due()) == ("completed", 0)

    def test_the_sweeper_sees_to_it(self, sweeper):  # noqa: F811
        asking(ask())
        assert sweeper.fire_task_timers() == 1
        assert sweeper.fire_task_timers() == 0


def mails() -> list[tuple[str, str]]:
    fire_due()
    found = sorted(Delivery.objects.values_list("event", "target"))
    Delivery.objects.all().delete()
    return found
