from apps.core import garbage

garbage.collect_seldom()  # before everything else is loaded

from structforge.celery import app as celery_app  # noqa: E402

__all__ = ["celery_app"]
