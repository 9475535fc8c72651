"""What every table of StructForge has in common."""

from django.db import models

from apps.core.ids import uuid7


class BaseModel(models.Model):
    """A row with a time-ordered UUID as its public identifier."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True
