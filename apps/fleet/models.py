"""Worker processes as the fleet sees them."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from apps.accounts.models import User


class WorkerQuerySet(models.QuerySet["Worker"]):
    def visible_to(self, user: User) -> "WorkerQuerySet":
        """Workers serve every workspace: they are for operators."""
        return self if user.access.is_operator else self.none()


class Worker(models.Model):
    """A Celery worker that says every few seconds that it lives; written by `workers.heartbeat`, read in sql/served_v1.sql."""

    name = models.CharField(max_length=128, primary_key=True, help_text="host/namespace:pid:start")
    queues = ArrayField(models.CharField(max_length=80), help_text="Celery queues that it takes messages from: gpu.high, gpu.")
    pool = models.CharField(max_length=32)
    concurrency = models.IntegerField(help_text="Node runs at a time.")
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField(help_text="When it last said that it lives.")

    objects = WorkerQuerySet.as_manager()

    class Meta:
        db_table = "worker"

    def __str__(self) -> str:
        return self.name
