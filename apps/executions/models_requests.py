"""What a caller asks for along with a start: to be called back at its end, and to be answered alike however often it is sent."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from apps.accounts.models import Workspace


class Callback(models.Model):
    """The URL that is told of the end of an execution, as its starter asked."""

    execution = models.OneToOneField("executions.Execution", on_delete=models.CASCADE, primary_key=True, related_name="callback")
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    url = models.CharField(max_length=2000)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "execution_callback"

    def __str__(self) -> str:
        return f"{self.execution_id} calls back"


class IdempotentRequest(models.Model):
    """The answer that an `Idempotency-Key` has had, until the key expires. A key is its caller's own, in one workspace."""

    id = models.BigAutoField(primary_key=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64, help_text="Hash of method, address and body: what the key was sent with.")
    answer = models.TextField(null=True, help_text="The body, as it was sent. Empty only within the transaction that makes it.")
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "idempotent_request"
        constraints = [models.UniqueConstraint(fields=["user", "workspace", "key"], name="idempotent_request_once")]

    def __str__(self) -> str:
        return self.key
