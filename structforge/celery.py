"""The Celery application. Messages carry ids only; what they may do and in what order is decided in PostgreSQL."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "structforge.settings.dev")
# Django's system checks load every view, which no worker needs; `make check` runs them.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")

app = Celery("structforge")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["workers"])
