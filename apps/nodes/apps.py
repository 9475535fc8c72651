from django.apps import AppConfig
from django.conf import settings

from apps.nodes.addresses import rules_of


class NodesConfig(AppConfig):
    name = "apps.nodes"
    label = "nodes"

    def ready(self) -> None:
        rules_of(tuple(settings.EGRESS_ALLOWED))  # a mistake in it ends the start, and not the first request
