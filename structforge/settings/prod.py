"""Settings of an installation that others use: nothing has a default that could be a secret."""

from django.core.exceptions import ImproperlyConfigured

from structforge.settings.base import *  # noqa: F403
from structforge.settings.base import env
from structforge.settings.secrets import required_secret

SECRET_KEY = required_secret("SECRET_KEY", env.str("SECRET_KEY", default=""))
HEADLESS_JWT_PRIVATE_KEY = required_secret("JWT_SECRET", env.str("JWT_SECRET", default=""))

ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[])
if not ALLOWED_HOSTS or "*" in ALLOWED_HOSTS:
    raise ImproperlyConfigured(f"ALLOWED_HOSTS is {ALLOWED_HOSTS}; the names that people use are expected, such as flows.example.com.")
ALLOWED_HOSTS.append("127.0.0.1")  # health is asked from inside the container or the machine
if env.bool("DEBUG", default=False):
    raise ImproperlyConfigured("DEBUG is set; it shows settings and source to visitors, and is only for structforge.settings.dev.")

# `manage.py collectstatic` writes compressed files with their content in their names, which browsers keep for ever.
WHITENOISE_USE_FINDERS = False
STATIC_ROOT = env.str("STATIC_ROOT", default=str(BASE_DIR / "build" / "static"))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# TLS ends at a proxy in front. IS_BEHIND_TLS=false is for a network that is private anyhow.
IS_BEHIND_TLS = env.bool("IS_BEHIND_TLS", default=True)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if IS_BEHIND_TLS else None
SECURE_SSL_REDIRECT = IS_BEHIND_TLS
SECURE_REDIRECT_EXEMPT = [r"^health"]  # asked by the container engine, which speaks plain HTTP
SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", default=3600)
SESSION_COOKIE_SECURE = IS_BEHIND_TLS
CSRF_COOKIE_SECURE = IS_BEHIND_TLS
