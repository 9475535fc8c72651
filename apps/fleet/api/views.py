"""Health, for load balancers, monitors and people. Open to everybody, so it names no host and no address."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.fleet.health import Health, health, readiness


class HealthOutput(serializers.Serializer[object]):
    status = serializers.ChoiceField(choices=["ok", "failing"])
    parts = serializers.DictField(child=serializers.CharField(), help_text='"ok", "down", or what is missing.')
    warnings = serializers.DictField(child=serializers.CharField(), help_text="What somebody should look at, though every part works.")


class _PublicView(APIView):
    authentication_classes = ()
    permission_classes = (AllowAny,)


def _answer(found: Health) -> Response:
    body = {"status": "ok" if found.is_ok else "failing", "parts": dict(found.parts), "warnings": dict(found.warnings)}
    return Response(body, status=200 if found.is_ok else 503, headers={"Cache-Control": "no-store"})


class HealthView(_PublicView):
    @extend_schema(operation_id="health", tags=["health"], responses={200: HealthOutput, 503: HealthOutput})
    def get(self, request: Request) -> Response:
        """Whether every part works: database, broker, live messages, and a worker of each fleet."""
        return _answer(health.get())


class LiveView(_PublicView):
    @extend_schema(operation_id="live", tags=["health"], responses=HealthOutput)
    def get(self, request: Request) -> Response:
        """Whether this web process answers at all."""
        return _answer(Health({"web": "ok"}))


class ReadyView(_PublicView):
    @extend_schema(operation_id="ready", tags=["health"], responses={200: HealthOutput, 503: HealthOutput})
    def get(self, request: Request) -> Response:
        """Whether this web process has what it needs to serve: database and broker."""
        return _answer(readiness.get())
