from django.urls import path

from apps.notifications.api import views

urlpatterns = [
    path("notifications", views.DeliveriesView.as_view(), name="notifications"),
    path("notifications/<uuid:delivery_id>/redeliver", views.RedeliverView.as_view(), name="redeliver"),
    path("workspaces/<uuid:workspace_id>/signing-key", views.SigningKeyView.as_view(), name="signing-key"),
]
