"""Runs one node: validates its config, calls it, and checks what it returns."""

import logging
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from apps.engine.json_values import InvalidJsonError, clean_json
from apps.engine.outcomes import AskPeople, Deferred, Failed, Gathered, Iterate, NodeError, Outcome, StartChild, Succeeded
from apps.engine.problems import problems_of
from apps.nodes.contract import NodeFailure, NodeType, RunContext
from apps.nodes.redaction import redacting_logs

log = logging.getLogger(__name__)


def perform(node_type: NodeType, config: Any, context: RunContext, resumed: bool = False) -> Outcome:  # type: ignore[type-arg]  # of any config
    """Run a node, or resume it after a Deferred, and return its outcome. Raises no Exception: a surprise is Failed("internal_error").

    The secrets of its credentials are taken out of the outcome and of what is logged meanwhile.

    config   the node's config with its expressions resolved
    """
    if not context.credentials:
        return _perform(node_type, config, context, resumed)
    with redacting_logs(context.redactor):
        outcome = _perform(node_type, config, context, resumed)
        try:
            return context.redactor.outcome(outcome)
        except (TypeError, ValueError):
            log.exception("The outcome of node '%s' (%s) cannot be searched for secrets.", context.key, node_type.name)
            return Failed(NodeError("internal_error", "The node failed unexpectedly: what it returned could not be searched for secrets."))


def _perform(node_type: NodeType, config: Any, context: RunContext, resumed: bool) -> Outcome:  # type: ignore[type-arg]
    try:
        return _checked(_run(node_type, config, context, resumed))
    except NodeFailure as failure:
        return failure.outcome
    except Exception as error:
        log.exception("Node '%s' (%s) of execution %s raised a surprise.", context.key, node_type.name, context.execution_id)
        # The text of a stranger's exception may hold anything, a secret too: it goes to the log of the worker alone.
        return Failed(NodeError("internal_error", f"The node failed unexpectedly, with a {type(error).__name__}."))


def _run(node_type: NodeType, config: Any, context: RunContext, resumed: bool) -> Outcome:  # type: ignore[type-arg]
    try:
        model = node_type.Config.model_validate(config)
    except ValidationError as error:
        return _invalid_config(node_type, config, error)
    return node_type.resume(model, context) if resumed else node_type.run(model, context)


def _invalid_config(node_type: NodeType, config: Any, error: ValidationError) -> Failed:  # type: ignore[type-arg]
    problems = problems_of(error, node_type.Config, config)
    message = f"The config is not valid: {problems[0].message} (at '{problems[0].pointer}')"
    return Failed(NodeError("invalid_config", message, {"errors": [problem.as_json() for problem in problems]}), is_final=True)


def _checked(outcome: Outcome) -> Outcome:
    try:
        match outcome:
            case Succeeded():
                return replace(outcome, output=clean_json(outcome.output), variables=clean_json(outcome.variables))
            case Deferred():
                return replace(outcome, state=clean_json(outcome.state))
            case Failed(error=error):
                return replace(outcome, error=replace(error, details=clean_json(error.details)))
            case Iterate(items=items):
                return outcome if items is None else replace(outcome, items=clean_json(items))
            case StartChild(input=given):
                return replace(outcome, input=clean_json(given))
            case AskPeople(task=task):
                return replace(outcome, task=clean_json(task))
            case Gathered():
                return outcome
    except InvalidJsonError as fault:
        message = f"The node returned what is not JSON: {fault.message} (at '{fault.pointer}')"
        return Failed(NodeError("output_not_json", message, {"pointer": fault.pointer}), is_final=True)
    raise TypeError(f"expected an Outcome, found a {type(outcome).__name__}")
