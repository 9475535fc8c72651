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


class CacheEntry(models.Model):
    """One value of `apps.core.cache`, which reads and writes them by statements of its own."""

    key = models.TextField(primary_key=True)
    value = models.TextField(help_text="JSON.")
    expires_at = models.DateTimeField(null=True, db_index=True, help_text="Empty: never.")

    class Meta:
        db_table = "cache_entry"

    def __str__(self) -> str:
        return self.key
