"""Subject and text of a mail, in the language of who reads it."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from apps.accounts.languages import language_at
from apps.notifications.models import Delivery
from apps.notifications.words import WORDS, Words


def mail_of(delivery: Delivery) -> tuple[str, str]:
    """Subject and text: those of the payload where it brings its own, {"mail": {"subject", "text"}}."""
    if own := delivery.payload.get("mail"):
        return own["subject"], own["text"]
    told, words = delivery.payload["data"], WORDS[language_at(delivery.target)]
    facts = _of_schedule(told) if "schedule" in told else _of_execution(told, words)
    text = "\n".join(words.line(name, value) for name, value in facts.items() if value) + "\n"
    return words.subjects[delivery.event].format(workflow=told["workflow"]["name"]), text


def _of_schedule(told: Mapping[str, Any]) -> dict[str, Any]:
    alert, error = told["alert"], told["error"]
    return {
        "Workflow": told["workflow"]["name"],
        "Schedule": told["schedule"]["name"],
        "Runs": alert["count"],
        "First for": alert["first_for"],
        "Last for": alert["last_for"],
        "Error": f"{error['code']}: {error['message']}" if error else None,
    }


def _of_execution(told: Mapping[str, Any], words: Words) -> dict[str, Any]:
    execution, error = told["execution"], told["error"]
    return {
        "Workflow": words.version.format(workflow=told["workflow"]["name"], number=told["workflow"]["version"]),
        "Execution": execution["id"],
        "Business key": execution["business_key"],
        "Status": words.statuses.get(execution["status"], execution["status"]),
        "Finished": execution["finished_at"],
        "Node": told["node"],
        "Error": f"{error['code']}: {error['message']}" if error else None,
        "See": f"{settings.PUBLIC_URL.rstrip('/')}/executions/{execution['id']}" if settings.PUBLIC_URL else None,
    }
