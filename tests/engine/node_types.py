"""Node types for tests of validation: small ones, of the real contract."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from apps.nodes.contract import Effect, NodeConfig, NodeType, Ports
from apps.nodes.credentials import CredentialSlot


class NoConfig(NodeConfig):
    pass


class SetConfig(NodeConfig):
    values: dict[str, Any] = {}
    variables: dict[str, Any] = {}


class BasicLogin(NodeConfig):
    kind: Literal["basic"]
    user: str
    password: str


class TokenLogin(NodeConfig):
    kind: Literal["token"]
    token: str


class RequestConfig(NodeConfig):
    url: str
    retries: int = 0
    codes: list[int] = []
    body: int | list[int] | None = None
    login: Annotated[BasicLogin | TokenLogin, Field(discriminator="kind")] | None = None


class Trigger(NodeType[NoConfig]):
    name, title, category, icon, effect = "trigger.test", "Start", "trigger", "play", Effect.PURE
    Config: ClassVar = NoConfig


class Set(NodeType[SetConfig]):
    name, title, category, icon, effect = "data.set", "Set", "data", "pen", Effect.PURE
    Config: ClassVar = SetConfig

    def check(self, config: Mapping[str, Any]) -> list[tuple[str, str]]:
        return [("/values/forbidden", "This one is not allowed.")] if "forbidden" in config.get("values", {}) else []

    def writes(self, config: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(config.get("variables", {}))


class Request(NodeType[RequestConfig]):
    name, title, category, icon, effect = "http.request", "Request", "integration", "globe", Effect.EXTERNAL
    credentials: ClassVar = {"default": CredentialSlot(("bearer",))}
    Config: ClassVar = RequestConfig


class Query(NodeType[SetConfig]):
    name, title, category, icon, effect = "database.query", "Query", "data", "table", Effect.EXTERNAL
    credentials: ClassVar = {"default": CredentialSlot(("database",), is_required=True)}
    Config: ClassVar = SetConfig


class Branch(NodeType[SetConfig]):
    name, title, category, icon, effect = "control.if", "If", "control", "split", Effect.PURE
    Config: ClassVar = SetConfig

    def ports(self, config: Mapping[str, Any]) -> Ports:
        return Ports(("true", "false"), can_fail=False)


CATALOG = {each.name: each() for each in (Trigger, Set, Request, Query, Branch)}
