"""Calls of registered services, which are looked up when the node runs: a service that moves is found where it is now."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar
from uuid import UUID

from pydantic import Field

from apps.dialects.services.reading import find_row
from apps.engine.outcomes import Failed, NodeError, Outcome, Succeeded
from apps.executions.credentials import open_for_node
from apps.nodes.contract import Effect, NodeConfig, NodeType, RunContext, is_constant
from apps.nodes.credentials import DEFAULT_SLOT
from apps.nodes.execute import perform
from apps.nodes.registry import get_type, register

QUERY_METHODS = frozenset(("GET", "HEAD", "DELETE"))
DEFAULT_METHOD = "POST"


class ServiceCallConfig(NodeConfig):
    service_name: str = Field(title="Service", min_length=1, max_length=128)
    """Name of a service that the workspace has registered."""

    method: str = Field(title="Method", min_length=1, max_length=128)
    """What to ask it to do."""

    arguments: dict[str, Any] = Field(default={}, title="Arguments")
    """What it is called with: the body of the request as JSON (the query with GET and DELETE), or the arguments of the function."""

    result_variable: str | None = Field(default=None, title="Result variable", pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")
    """Execution variable that its answer is written to as well."""


@register
class ServiceCall(NodeType[ServiceCallConfig]):
    """Call a registered service by its name; the output is its answer: the body of the response, or what the function returns."""

    name = "service.call"
    title = "Service"
    category = "integration"
    icon = "server"
    effect = Effect.EXTERNAL
    errors: ClassVar = {
        "unknown_service": "the workspace has no service of this name (any more)",
        "unknown_method": "the service has no such method",
        "http_status": "the service answered with another status than 2xx; `details.status` says which",
    }
    example: ClassVar = {"service_name": "OrderValidationService", "method": "validate", "arguments": {"order_id": "${input.order_id}"}}
    Config: ClassVar = ServiceCallConfig

    def check(self, config: Mapping[str, Any]) -> list[tuple[str, str]]:
        names = ("service_name", "method", "result_variable")
        return [(f"/{name}", "Expected a name, found an expression.") for name in names if not is_constant(config.get(name))]

    def writes(self, config: Mapping[str, Any]) -> tuple[str, ...]:
        return (config["result_variable"],) if config.get("result_variable") else ()

    def run(self, config: ServiceCallConfig, context: RunContext) -> Outcome:
        row = find_row(UUID(context.workspace_id), config.service_name)
        if row is None:
            return _failed("unknown_service", f"The workspace has no service '{config.service_name}'.")
        if row["methods"] and config.method not in row["methods"]:
            return _failed("unknown_method", f"Service '{config.service_name}' has no method '{config.method}'.")
        outcome = _by_http(config, row, context) if row["kind"] == "http" else _by_function(config, row, context)
        if not isinstance(outcome, Succeeded) or config.result_variable is None:
            return outcome
        return replace(outcome, variables={config.result_variable: outcome.output})


def _by_function(config: ServiceCallConfig, row: Mapping[str, Any], context: RunContext) -> Outcome:
    return perform(get_type("function"), {"function": row["methods"][config.method], "arguments": config.arguments}, context)


def _by_http(config: ServiceCallConfig, row: Mapping[str, Any], context: RunContext) -> Outcome:
    if row["credential_id"] is not None:
        named, workspace = {DEFAULT_SLOT: str(row["credential_id"])}, UUID(context.workspace_id)
        # A credential of the service: it is the workspace's own, whoever wrote the workflow.
        context = replace(context, credentials=open_for_node(named, workspace_id=workspace, version_id=UUID(int=0)))
    outcome = perform(get_type("http.request"), _request(config, row), context)
    return replace(outcome, output=outcome.output["body"]) if isinstance(outcome, Succeeded) else outcome


def _request(config: ServiceCallConfig, row: Mapping[str, Any]) -> dict[str, Any]:
    how = row["methods"].get(config.method, {})
    method = how.get("http_method", DEFAULT_METHOD)
    path = how.get("path", config.method)
    given = {"query": config.arguments} if method in QUERY_METHODS else {"body": config.arguments}
    return {"url": f"{row['base_url'].rstrip('/')}/{path.lstrip('/')}", "method": method, **given}


def _failed(code: str, message: str) -> Failed:
    return Failed(NodeError(code, message), is_final=True)
