from django.urls import path

from apps.credentials.api import views

urlpatterns = [
    path("credential-types", views.CredentialTypesView.as_view(), name="credential-types"),
    path("credentials", views.CredentialsView.as_view(), name="credentials"),
    path("credentials/<uuid:credential_id>", views.CredentialView.as_view(), name="credential"),
    path("credentials/<uuid:credential_id>/test", views.TestView.as_view(), name="test-credential"),
    path("credentials/<uuid:credential_id>/grants", views.GrantsView.as_view(), name="credential-grants"),
    path("credentials/<uuid:credential_id>/grants/<uuid:grant_id>", views.GrantView.as_view(), name="credential-grant"),
]
