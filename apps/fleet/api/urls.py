from django.urls import path

from apps.fleet.api.views import HealthView, LiveView, ReadyView

urlpatterns = [
    path("health", HealthView.as_view(), name="health"),
    path("health/live", LiveView.as_view(), name="live"),
    path("health/ready", ReadyView.as_view(), name="ready"),
]
