from django.urls import path

from apps.quotas.api.views import MyQuotasView, QuotasView, QuotaView, WorkspaceQuotasView

urlpatterns = [
    path("quotas", QuotasView.as_view(), name="quotas"),
    path("quotas/<uuid:quota_id>", QuotaView.as_view(), name="quota"),
    path("users/me/quotas", MyQuotasView.as_view(), name="my-quotas"),
    path("workspaces/<uuid:workspace_id>/quotas", WorkspaceQuotasView.as_view(), name="workspace-quotas"),
]
