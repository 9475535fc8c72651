"""A node type: a class with a name, a config model and `run`."""

import re
import unicodedata
from typing import ClassVar

from pydantic import Field

from apps.engine.outcomes import Failed, NodeError, Outcome, Succeeded
from apps.nodes.contract import Effect, NodeConfig, NodeType, RunContext
from apps.nodes.registry import register


class SlugifyConfig(NodeConfig):
    text: str = Field(title="Text")
    """The text to shorten."""

    max_length: int = Field(default=50, title="Longest result", ge=1, le=200)
    """Characters that the result has at most."""


@register
class Slugify(NodeType[SlugifyConfig]):
    """Make a text fit into an address: `Crème brûlée!` becomes `creme-brulee`; the output is {"slug": str}."""

    name = "text.slugify"
    title = "Slugify"
    category = "text"
    icon = "link"
    effect = Effect.PURE
    brief = True
    errors: ClassVar = {"empty_slug": "the text holds no letter or digit"}
    example: ClassVar = {"text": "${input.title}"}
    Config: ClassVar = SlugifyConfig

    def run(self, config: SlugifyConfig, context: RunContext) -> Outcome:
        plain = unicodedata.normalize("NFKD", config.text).encode("ascii", "ignore").decode().lower()
        slug = re.sub(r"[^a-z0-9]+", "-", plain)[: config.max_length].strip("-")
        if not slug:
            return Failed(NodeError("empty_slug", f"Expected a text with a letter or digit, found '{config.text[:80]}'."), is_final=True)
        return Succeeded({"slug": slug})
