"""Every address of the web process; `structforge.asgi` has the WebSockets."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/v1/", include("apps.accounts.api.urls")),
    path("api/v1/", include("apps.workflows.api.urls")),
]

handler400 = "apps.core.api.errors.bad_request"
handler404 = "apps.core.api.errors.not_found"
handler500 = "apps.core.api.errors.server_error"
