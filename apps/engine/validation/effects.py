"""Settings that could have no effect: they are refused, since whoever wrote them expects one."""

from collections.abc import Iterator

from apps.engine.definition import AtLeast, DefaultOutput, Node, Retry, Settings
from apps.engine.pointers import pointer_to
from apps.engine.problems import Problem
from apps.engine.validation.draft import Draft, Traits


def check_effects(draft: Draft) -> Iterator[Problem]:
    """Settings of the workflow and of nodes without effect, and caches that would leave an effect out."""
    for setting, message in _of_execution(draft):
        yield Problem(pointer_to("settings", *setting.split(".")), message, found=setting, expected="only settings that have an effect")
    yield from _concurrency(draft.definition.settings)
    for index, node in enumerate(draft.nodes):
        traits = draft.traits.get(index)
        if node.cache is not None and (draft.is_loop(node.key) or (traits is not None and traits.is_external)):
            what = "the nodes inside may act" if draft.is_loop(node.key) else "the node acts"
            message = f"'cache' cannot be set: {what} on the outside world, and a cached output would leave that out."
            yield Problem(pointer_to("nodes", index, "cache"), message, found="cache", expected="a node without outside effects")
        elif node.cache is not None and node.type in draft.catalog and draft.catalog[node.type].asks_people:
            message = f"'cache' cannot be set: a node of type {node.type} asks people, and a cached output would leave them out."
            yield Problem(pointer_to("nodes", index, "cache"), message, found="cache", expected="a node whose output may be kept")
        for setting, message in _idle_settings(draft, index, node):
            yield Problem(
                pointer_to("nodes", index, *setting.split(".")), message, found=setting, expected="only settings that have an effect"
            )


def _of_execution(draft: Draft) -> Iterator[tuple[str, str]]:
    settings = draft.definition.settings
    if settings.retry is not None:
        yield from _retry(settings.retry)
    possible = {"retrying": settings.retry is not None, "compensation_failed": bool(draft.undone)}
    for index, notification in enumerate(settings.notify):
        for name, values in notification:
            if not values:
                yield f"notify.{index}.{name}", f"'{name}' is empty: nobody would ever be told."
        for place, event in enumerate(notification.on):
            if not possible.get(event, True):
                needed = "the settings have no 'retry'" if event == "retrying" else "no node has a 'compensate'"
                yield f"notify.{index}.on.{place}", f"'{event}' never comes: {needed}."


def _concurrency(settings: Settings) -> Iterator[Problem]:
    if settings.concurrency_key is None:
        return
    if settings.max_concurrency is None:
        message = "'concurrency_key' has no effect without 'max_concurrency': nothing limits the executions of a key."
    elif "${" not in settings.concurrency_key:
        message = "'concurrency_key' is the same for every execution: an expression is written ${…}."
    else:
        return
    found = settings.concurrency_key
    yield Problem(pointer_to("settings", "concurrency_key"), message, found=found, expected="only settings that have an effect")


def _idle_settings(draft: Draft, index: int, node: Node) -> Iterator[tuple[str, str]]:
    """(name of the setting, sentence)."""
    yield from _join(node, len(draft.incoming[node.key]))
    if draft.is_loop(node.key):
        yield from _loop(node)
    yield from _on_error(node, catches_errors=draft.catches_errors(node.key))
    if node.retry is not None and "retry" in node.model_fields_set:
        yield from _retry(node.retry)
    yield from _timeout(node, draft.definition.settings.timeout_seconds)
    if node.cache is not None and draft.is_trigger(node.key):
        yield "cache", "'cache' has no effect: a trigger hands on the input of each execution."
    if (traits := draft.traits.get(index)) is not None:
        yield from _of_type(node, traits)


def _join(node: Node, edges: int) -> Iterator[tuple[str, str]]:
    if isinstance(node.join, AtLeast) and node.join.at_least > edges:
        yield "join.at_least", f"'at_least' is {node.join.at_least}, but the node has {edges} edge(s) in: it could never start."
    elif node.cancel_rest and (node.join in ("all", "all_settled") or edges < 2):
        yield "cancel_rest", "'cancel_rest' has no effect: only a join of 'any' or 'at_least' starts before all ways to it have ended."
    elif node.join == "all_settled" and edges == 0:
        yield "join", "'join' has no effect: no edge leads to the node."
    elif node.join not in ("all", "all_settled") and edges < 2:
        yield "join", f"'join' has no effect: the node has {edges} edge(s) in, and there is nothing to join."


def _loop(node: Node) -> Iterator[tuple[str, str]]:
    if "retry" in node.model_fields_set or node.on_error == "retry":
        name = "retry" if "retry" in node.model_fields_set else "on_error"
        yield name, "A loop is not tried again as a whole: give the retry to the nodes of its body."


def _on_error(node: Node, *, catches_errors: bool) -> Iterator[tuple[str, str]]:
    if (
        catches_errors
        and "on_error" in node.model_fields_set
        and (isinstance(node.on_error, DefaultOutput) or node.on_error in ("continue", "skip"))
    ):
        yield "on_error", "'on_error' has no effect: an edge leaves port 'error', and a failure goes there."


def _retry(retry: Retry) -> Iterator[tuple[str, str]]:
    given = retry.model_fields_set
    if retry.max_attempts == 1:
        yield "retry.max_attempts", "'retry' has no effect: one attempt in all is none beside the first."
        return
    if retry.strategy == "fixed" and "max_delay_seconds" in given:
        yield "retry.max_delay_seconds", "'max_delay_seconds' has no effect: with strategy 'fixed', the delay does not grow."
    if retry.strategy == "exponential" and retry.delay_seconds > retry.max_delay_seconds:
        limit = f"{retry.max_delay_seconds:g}" + ("" if "max_delay_seconds" in given else ", its default")
        yield "retry.delay_seconds", f"'delay_seconds' is {retry.delay_seconds:g}, over 'max_delay_seconds' of {limit}."
    if retry.delay_seconds == 0 and "jitter" in given and retry.jitter > 0:
        yield "retry.jitter", "'jitter' has no effect: there is no delay to vary."


def _timeout(node: Node, of_execution: float | None) -> Iterator[tuple[str, str]]:
    if node.timeout_seconds is not None and of_execution is not None and node.timeout_seconds > of_execution:
        yield (
            "timeout_seconds",
            f"'timeout_seconds' has no effect: the execution has {of_execution:g} s, the node would have {node.timeout_seconds:g} s.",
        )


def _of_type(node: Node, traits: Traits) -> Iterator[tuple[str, str]]:
    if traits.is_pure and node.on_worker_lost == "ask":
        yield "on_worker_lost", "'ask' has no effect: the node does nothing to the world, so it is simply run again."
    if traits.ports.can_fail:
        return
    if "retry" in node.model_fields_set:
        yield "retry", f"'retry' has no effect: a node of type {node.type} does not fail."
    if "on_error" in node.model_fields_set and node.on_error != "fail":
        yield "on_error", f"'on_error' has no effect: a node of type {node.type} does not fail."
