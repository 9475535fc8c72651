"""What the tests of node types share."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from apps.engine.outcomes import Failed, Outcome, Succeeded
from apps.engine.problems import InvalidDefinitionError
from apps.engine.validation import validate
from apps.nodes.contract import RunContext
from apps.nodes.execute import perform
from apps.nodes.registry import all_types, get_type


def context_of(**values: Any) -> RunContext:
    return RunContext(
        **{"execution_id": "execution", "workspace_id": "workspace", "key": "node", "idempotency_key": "key-of-node"} | values
    )


def outcome_when_cancelled(type_name: str, config: Mapping[str, Any]) -> Outcome:
    """What comes of a node that is cancelled as soon as it can be: once it has said how."""
    can_be_cancelled, outcomes = threading.Event(), []

    class WatchedContext(RunContext):
        def on_cancel(self, callback: Callable[[], None]) -> None:
            RunContext.on_cancel(self, callback)
            can_be_cancelled.set()

    context = WatchedContext(execution_id="execution", workspace_id="workspace", key="node")
    run = threading.Thread(target=lambda: outcomes.append(perform(get_type(type_name), config, context)))
    run.start()
    assert can_be_cancelled.wait(10)
    context.cancel()
    run.join(10)
    assert outcomes, "the node went on"
    return outcomes[0]


def outcome_of(type_name: str, config: Mapping[str, Any], **values: Any) -> Outcome:
    """What the runner gets from a node of this type with this config, its expressions resolved."""
    return perform(get_type(type_name), config, context_of(**values))


def output_of(type_name: str, config: Mapping[str, Any], **values: Any) -> Any:
    outcome = outcome_of(type_name, config, **values)
    assert isinstance(outcome, Succeeded), outcome
    return outcome.output


def failure_of(type_name: str, config: Mapping[str, Any], **values: Any) -> Failed:
    outcome = outcome_of(type_name, config, **values)
    assert isinstance(outcome, Failed), outcome
    return outcome


def faults_at_save(type_name: str, config: Mapping[str, Any]) -> dict[str, str]:
    """{JSON pointer inside the config: message} of what saving a workflow with this node would refuse."""
    node = {"key": "node", "type": type_name, "config": config}
    nodes = [node] if type_name.startswith("trigger.") else [{"key": "start", "type": "trigger.manual"}, node]
    edges = [{"source": "start", "target": "node"}] if len(nodes) > 1 else []
    at = len(nodes) - 1
    if type_name.startswith("loop."):
        nodes.append({"key": "inside", "type": "data.set", "config": {"values": {"a": 1}}, "parent": "node"})
    try:
        validate({"schema": 1, "name": "one node", "nodes": nodes, "edges": edges}, all_types())
    except InvalidDefinitionError as error:
        base = f"/nodes/{at}/config"
        return {each["pointer"].removeprefix(base): each["message"] for each in error.details["errors"]}
    return {}
