"""Shapes of deliveries and signing keys."""

from typing import Any

from rest_framework import serializers

from apps.core.api.serializers import InputSerializer, JsonObject
from apps.notifications.models import Delivery


class DeliveriesQuery(InputSerializer):
    execution = serializers.UUIDField(required=False)
    workflow = serializers.UUIDField(required=False)
    state = serializers.ChoiceField(choices=Delivery.State.choices, required=False)


class DeliveryOutput(serializers.ModelSerializer[Delivery]):
    execution = serializers.UUIDField(source="execution_id", allow_null=True, help_text="Null where it is about a schedule.")
    workflow = serializers.UUIDField(source="execution.workflow_id", default=None, allow_null=True)
    attempts = serializers.IntegerField(help_text="Since it was last asked for.")
    next_try_at = serializers.SerializerMethodField(help_text="Null where it is not to be tried (again).")
    error = JsonObject(allow_null=True, help_text="Why the last attempt failed.")

    class Meta:
        model = Delivery
        fields = [
            "id",
            "execution",
            "workflow",
            "event",
            "channel",
            "target",
            "state",
            "attempts",
            "next_try_at",
            "error",
            "created_at",
            "delivered_at",
        ]
        read_only_fields = fields

    def get_next_try_at(self, delivery: Delivery) -> str | None:
        return delivery.next_try_at.isoformat() if delivery.state == Delivery.State.PENDING else None


class SigningKeyOutput(serializers.Serializer[Any]):
    made_at = serializers.DateTimeField(allow_null=True, help_text="Null where none was needed yet.")
    former_until = serializers.DateTimeField(allow_null=True, help_text="Until when the former one signs as well.")


class NewSigningKeyOutput(SigningKeyOutput):
    secret = serializers.CharField(help_text="`whsec_` and base64, as receivers enter it. It is shown this once.")
