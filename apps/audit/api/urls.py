from django.urls import path

from apps.audit.api.views import AuditExportView, AuditVerifyView, AuditView

urlpatterns = [
    path("audit", AuditView.as_view(), name="audit"),
    path("audit/export", AuditExportView.as_view(), name="audit-export"),
    path("audit/verify", AuditVerifyView.as_view(), name="audit-verify"),
]
