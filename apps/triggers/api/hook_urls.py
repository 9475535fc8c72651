"""Addresses of webhooks, with or without a path behind the token."""

from django.urls import path, re_path

from apps.triggers.api.hooks import call_test_webhook, call_webhook

urlpatterns = [
    path("test/<str:token>", call_test_webhook, name="call-test-webhook"),
    re_path(r"^test/(?P<token>[0-9a-f]+)(?P<tail>/.*)$", call_test_webhook, name="call-test-webhook-below"),
    path("<str:token>", call_webhook, name="call-webhook"),
    re_path(r"^(?P<token>[0-9a-f]+)(?P<tail>/.*)$", call_webhook, name="call-webhook-below"),
]
