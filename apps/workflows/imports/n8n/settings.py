"""What n8n says of any node, and of the whole workflow."""

from typing import TYPE_CHECKING, Any

from apps.workflows.imports.n8n.levels import Value, Way
from apps.workflows.imports.placeholders import MAX_NOTES

if TYPE_CHECKING:
    from apps.workflows.imports.n8n.step import Step
    from apps.workflows.imports.n8n.translation import Translation

MAX_TRIES = 100
_YEAR = 366 * 24 * 3600


def apply_common(step: "Step", outputs: set[int]) -> None:
    """Retries, the way of errors, notes and credentials of a node that was drawn."""
    if step.main is None or step.main not in step.translation.blueprint.nodes:
        return
    drawn, raw = step.translation.blueprint.nodes[step.main], step.node.raw
    if step.node.notes:
        drawn["notes"] = "\n\n".join(filter(None, [drawn.get("notes"), step.node.notes]))[:MAX_NOTES]
    if raw.get("retryOnFail") is True and drawn["type"] != "loop.foreach":
        drawn["retry"] = _retry(raw)
    _on_error(step, drawn, outputs)
    if raw.get("executeOnce") is True and step.level is not None:
        step.remark("It is to run once for all items; here it runs once for each.")
    if raw.get("alwaysOutputData") is True:
        step.remark("It is to hand on an empty item where it has none; here what follows is skipped, or gets an empty list.")
    for kind, name in step.node.credentials.items():
        step.remark(f"Choose a credential in place of '{name}' ({kind}): secrets are never part of an export.")


def _retry(raw: dict[str, Any]) -> dict[str, Any]:
    tries, wait = raw.get("maxTries", 3), raw.get("waitBetweenTries", 1000)
    attempts = int(tries) if isinstance(tries, int | float) and 1 <= tries <= MAX_TRIES else 3
    seconds = wait / 1000 if isinstance(wait, int | float) and 0 <= wait <= _YEAR else 1.0
    return {"max_attempts": attempts, "strategy": "fixed", "delay_seconds": seconds}


def _on_error(step: "Step", drawn: dict[str, Any], outputs: set[int]) -> None:
    match step.node.on_error:
        case "continueRegularOutput":
            drawn["on_error"] = "continue"
            step.remark('When it fails, the execution goes on with the error as its output: {"error": {…}}.')
        case "continueErrorOutput":
            regular = dict(step.ways)
            error, name = len(regular), f"{step.node.name} failed"
            for output, way in regular.items():
                step.ways[output] = Way(way.key, way.port, way.value, way.guards | {(name, 0)})
            if error in outputs and step.main is not None:
                step.ways[error] = Way(step.main, "error", Value(f"nodes.{step.main}", step.level), step.guards | {(name, 1)})
            else:
                drawn["on_error"] = "skip"


def settings_of(translation: "Translation") -> dict[str, Any]:
    """`settings` of the definition."""
    found, settings = translation.workflow.settings, {}
    timeout = found.get("executionTimeout")
    if isinstance(timeout, int | float) and not isinstance(timeout, bool) and 0 < timeout <= _YEAR:
        settings["timeout_seconds"] = float(timeout)
    if found.get("errorWorkflow"):
        translation.remarks.append("Choose the error workflow anew: settings.error_workflow.")
    if (zone := found.get("timezone")) and zone not in ("DEFAULT", "UTC", "Etc/UTC"):
        translation.remarks.append(
            f"The workflow was in the time zone {str(zone)[:64]}: expressions reckon in UTC here; a schedule has a zone of its own."
        )
    if translation.workflow.pins:
        translation.remarks.append("Test data that was pinned to nodes is left out.")
    return settings
