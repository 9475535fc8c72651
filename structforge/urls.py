"""Every address of the web process; `structforge.asgi` has the WebSockets."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView, TemplateView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

# Here, and not in every process that sets Django up: workers need no pages, and would be a tenth larger with them.
admin.autodiscover()

api = [
    path("", include("apps.accounts.api.urls")),
    path("", include("apps.credentials.api.urls")),
    path("", include("apps.workflows.api.urls")),
    path("", include("apps.templates.api.urls")),
    path("", include("apps.dialects.api.urls")),
    path("", include("apps.executions.api.urls")),
    path("", include("apps.triggers.api.urls")),
    path("", include("apps.audit.api.urls")),
    path("", include("apps.quotas.api.urls")),
    path("", include("apps.notifications.api.urls")),
    path("", include("apps.tasks.api.urls")),
]

urlpatterns = [
    path("", TemplateView.as_view(template_name="landing.html"), name="landing"),
    path("favicon.ico", RedirectView.as_view(url="/static/icon.svg", permanent=True)),
    path("admin/", admin.site.urls),
    path("api/v1/", include(api)),
    path("hooks/", include("apps.triggers.api.hook_urls")),
    path("api/schema", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
    path("", include("apps.fleet.api.urls")),
    path("", include("apps.tasks.pages.urls")),
]

handler400 = "apps.core.api.errors.bad_request"
handler404 = "apps.core.api.errors.not_found"
handler500 = "apps.core.api.errors.server_error"
