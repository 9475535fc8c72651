"""Settings of the test suite."""

from structforge.settings.base import *  # noqa: F403

NODE_FUNCTION_MODULES = [*NODE_FUNCTION_MODULES, "tests.workers.functions"]

SECRET_KEY = "for tests alone: what it signs does not leave the machine that runs them"  # noqa: S105
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # Argon2 is slow on purpose
MFA_TOTP_PERIOD = 3600  # seconds; a code that is right when a test reads it off is right when the server looks at it
WHITENOISE_AUTOREFRESH = True  # looks for a file when it is asked for, and not for all of them in each test
REGISTRATION_OPEN = True
INSTALLED_APPS = [*INSTALLED_APPS, "allauth.socialaccount.providers.openid_connect"]

# Tests empty tables; the audit log would refuse.
DATABASES["default"]["OPTIONS"]["options"] = "-c structforge.empties_audit=on"
