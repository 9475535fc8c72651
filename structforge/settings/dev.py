"""Settings of a machine of one's own: `make run`."""

from structforge.settings.base import *  # noqa: F403
from structforge.settings.base import STATE_DIR, env
from structforge.settings.secrets import kept_secret, random_key_entry

SECRET_KEY = env.str("SECRET_KEY", default="") or kept_secret(STATE_DIR / "secret_key")
HEADLESS_JWT_PRIVATE_KEY = env.str("JWT_SECRET", default="") or kept_secret(STATE_DIR / "jwt_secret")
REGISTRATION_OPEN = env.bool("REGISTRATION_OPEN", default=True)
CREDENTIAL_KEYS = env.str("CREDENTIAL_KEYS", default="") or kept_secret(STATE_DIR / "credential_keys", random_key_entry)
