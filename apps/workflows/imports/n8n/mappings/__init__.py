"""What becomes of each node type of n8n; importing this registers all of them."""

from apps.workflows.imports.n8n.mappings import code, control, data, dates, http, lists, merging, triggers  # noqa: F401
