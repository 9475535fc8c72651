"""Settings of every installation. Values that differ between installations come from the environment."""

from pathlib import Path
from urllib.parse import urlsplit

import environ

from apps.accounts.permissions import Permission
from apps.engine.statuses import ExecutionStatus, NodeRunStatus
from structforge.settings.admin import UNFOLD  # noqa: F401  # a setting

BASE_DIR = Path(__file__).resolve().parent.parent.parent
STATE_DIR = Path(environ.Env().str("STRUCTFORGE_STATE_DIR", default=str(BASE_DIR / ".structforge")))

env = environ.Env()
# `manage.py up` writes the addresses of the embedded services here, so that every other command finds them.
environ.Env.read_env(STATE_DIR / "services.env")

DEBUG = False
SECRET_KEY = env.str("SECRET_KEY", default="")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
LOG_LEVEL = env.str("LOG_LEVEL", default="info").upper()
SERVER_PORT = env.int("SERVER_PORT", default=8000)

INSTALLED_APPS = [
    "apps.core",
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "channels",
    "django_celery_beat",
    "django_celery_results",
    "allauth",
    "allauth.account",
    "allauth.headless",
    "allauth.mfa",
    "allauth.socialaccount",
    "apps.accounts",
    "apps.audit",
    "apps.quotas",
    "apps.realtime",
    "apps.nodes",
    "apps.credentials",
    "apps.workflows",
    "apps.templates",
    "apps.executions",
    "apps.triggers",
    "apps.notifications",
    "apps.tasks",
    "apps.dialects",
    "apps.fleet",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "apps.core.fence.FenceMiddleware",
    "apps.core.audit.scene.AuditMiddleware",
]

ROOT_URLCONF = "structforge.urls"
ASGI_APPLICATION = "structforge.asgi.application"
WSGI_APPLICATION = "structforge.wsgi.application"
AUTH_USER_MODEL = "accounts.User"
TIME_ZONE = "UTC"
USE_TZ = True
FORMAT_MODULE_PATH = ["structforge.formats"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# Data. PostgreSQL is the truth; everything in Redis may vanish at any moment.
DATABASES = {"default": env.db_url("DATABASE_URL", default="postgresql://structforge@127.0.0.1:5432/structforge")}
DATABASES["default"]["ENGINE"] = "apps.core.postgresql"  # Django's, with the second fence
DATABASES["default"]["CONN_MAX_AGE"] = 0  # under ASGI each request may run on a fresh thread: kept connections would leak
DATABASES["default"].setdefault("OPTIONS", {})["pool"] = {
    "min_size": 0,
    "max_size": env.int("DATABASE_POOL_SIZE", default=16),
    "timeout": 5,
}
REDIS_URL = env.str("REDIS_URL", default="redis://127.0.0.1:6379")
CACHES = {"default": {"BACKEND": "apps.core.cache.PostgresCache"}}  # allauth counts logins in it, and may not lose count with Redis

# Live messages. The pub/sub layer, since the default one drops every socket that is idle for 5 s: its blocking reads run into the time-out
# of redis-py.
LIVE_REDIS_URL = f"{REDIS_URL.rstrip('/')}/1"
LIVE_PREFIX = "live"
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [LIVE_REDIS_URL], "prefix": LIVE_PREFIX},
    }
}

# Celery delivers, PostgreSQL decides: the broker is a hint channel with nothing precious in it.
BROKER_URL = env.str("BROKER_URL", default=f"{REDIS_URL.rstrip('/')}/0")
CELERY_BROKER_URL = BROKER_URL
_IS_REDIS = BROKER_URL.startswith("redis")  # with rediss
CELERY_BROKER_TRANSPORT = "structforge.broker:Transport" if _IS_REDIS else None
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # Without time-outs a half-open connection keeps a worker silent for ever.
    "socket_timeout": 10,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 5,
    "retry_on_timeout": True,
    # A message that dies with its worker is no loss: the sweepers point at the row again. So none is written down while it is worked on.
    "ack_emulation": False,
    # High priority first, but not for ever.
    "queue_order_strategy": "structforge.broker:Turns",
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.2}
CELERY_TASK_ACKS_LATE = False  # the claim is the real acknowledgement
CELERY_WORKER_DISABLE_PREFETCH = _IS_REDIS
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_IGNORE_RESULT = True
CELERY_RESULT_BACKEND = None
CELERY_RESULT_EXTENDED = True
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_DEFAULT_QUEUE = "default"
WORKER_STOP_SECONDS = env.float("WORKER_STOP_SECONDS", default=25.0)  # then a worker that stops hands back what it still holds
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = WORKER_STOP_SECONDS
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False  # losing the broker must not kill a claimed node
CELERY_WORKER_MAX_TASKS_PER_CHILD = 10_000
CELERY_WORKER_MAX_MEMORY_PER_CHILD = 400_000  # KiB
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_BEAT_SCHEDULER = "workers.beat:Scheduler"  # django-celery-beat's, in any number of copies, and the clock of schedules
CELERY_DB_REUSE_MAX = 500  # else a new PostgreSQL connection for each task that uses Django's

# Names that expressions read as `env.<name>`: values of the installation that are no secret.
EXAMPLE_URL = env.str("STRUCTFORGE_EXAMPLE_URL", default="")
WORKFLOW_ENV = {"example_url": EXAMPLE_URL}

# Nodes
NODE_FUNCTION_MODULES = env.list("NODE_FUNCTION_MODULES", default=[])  # imported for the functions that they register with @node_function
# Addresses that nodes may call though they are not public: host:port, CIDR, or CIDR with a port as in 10.0.0.0/8:443 or [fd00::/8]:443.
EGRESS_ALLOWED = [*env.list("EGRESS_ALLOWED", default=[]), *filter(None, [urlsplit(EXAMPLE_URL).netloc])]
# Keys that seal credentials: `id:base64 of 32 bytes`, separated by commas; the first one seals, the others still open. Where it is empty,
# a key made from SECRET_KEY seals.
CREDENTIAL_KEYS = env.str("CREDENTIAL_KEYS", default="")
OBJECT_STORE_URL = env.str(
    "OBJECT_STORE_URL", default=f"file://{STATE_DIR / 'objects'}"
)  # outputs that are too large for a row; or s3://bucket/prefix

# Logging in. allauth keeps sessions, hands out tokens and limits attempts; apps.accounts checks the tokens.
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
REGISTRATION_OPEN = env.bool("REGISTRATION_OPEN", default=False)  # whether strangers may make accounts
ACCOUNT_ADAPTER = "apps.accounts.adapters.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = env.str("EMAIL_VERIFICATION", default="optional", choices=("mandatory", "optional", "none"))
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_EMAIL_NOTIFICATIONS = True  # of a changed password, address, or second factor
ACCOUNT_CHANGE_EMAIL = True  # a new address takes the place of the old one once it is confirmed
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_RATE_LIMITS = {
    "login": "30/m/ip",
    "login_failed": "10/m/ip,5/5m/key",
    "refresh": "120/m/ip",
    "signup": "10/m/ip",
    "reset_password": "10/m/ip,3/m/key",
    "reset_password_from_key": "20/m/ip",
    "email_key": "20/m/ip",
    "change_password": "5/m/key",
    "manage_email": "5/m/key",
    # of share links, per link and address; then per link, whoever tries
    "link_password": "10/5m/key",
    "link_password_all": "100/h/key",
    "link_start": "30/m/key",
    "link_start_all": "120/m/key",
    "person_lookup": "30/10m/key",
    # of addresses that resume an execution, per address of the caller and per token
    "resume": "600/m/ip,30/m/key",
}
ALLAUTH_TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXY_COUNT", default=0)
MFA_ADAPTER = "apps.accounts.adapters.MfaAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", "webauthn"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_RECOVERY_CODE_DIGITS = 10
MFA_TOTP_ISSUER = "StructForge"
MFA_ALLOW_UNVERIFIED_EMAIL = True  # a machine without mail has second factors too; where addresses matter, nobody logs in with another's

# Logging in by an OpenID Connect provider, off without OIDC_ISSUER. The operator names it, so discovery may go to any address.
OIDC_ISSUER = env.str("OIDC_ISSUER", default="")
OIDC_NAME = env.str("OIDC_NAME", default="Single sign-on")
OIDC_SIGNUP = env.bool("OIDC_SIGNUP", default=True)  # whether those whom it knows, and we do not, get an account
OIDC_TRUSTS_EMAIL = env.bool("OIDC_TRUSTS_EMAIL", default=False)  # whether an address that it confirmed opens the account with that address
SOCIALACCOUNT_ADAPTER = "apps.accounts.adapters.SocialAccountAdapter"
SOCIALACCOUNT_EMAIL_REQUIRED = False
SOCIALACCOUNT_EMAIL_VERIFICATION = "none"  # whom it lets in is known there
SOCIALACCOUNT_EMAIL_AUTHENTICATION = OIDC_TRUSTS_EMAIL
SOCIALACCOUNT_EMAIL_AUTHENTICATION_AUTO_CONNECT = OIDC_TRUSTS_EMAIL
SOCIALACCOUNT_PROVIDERS = {}
if OIDC_ISSUER:
    INSTALLED_APPS.append("allauth.socialaccount.providers.openid_connect")
    OIDC_APP = {
        "provider_id": "oidc",
        "name": OIDC_NAME,
        "client_id": env.str("OIDC_CLIENT_ID"),
        "secret": env.str("OIDC_CLIENT_SECRET"),
        "settings": {"server_url": OIDC_ISSUER},
    }
    SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": [OIDC_APP]}}

HEADLESS_ONLY = True
HEADLESS_CLIENTS = ("app",)
HEADLESS_TOKEN_STRATEGY = "apps.accounts.tokens.TokenStrategy"  # noqa: S105  # the name of a class
HEADLESS_JWT_ALGORITHM = "HS256"
HEADLESS_JWT_PRIVATE_KEY = env.str("JWT_SECRET", default="")  # SECRET_KEY where it is empty
HEADLESS_JWT_ACCESS_TOKEN_EXPIRES_IN = env.int("ACCESS_TOKEN_SECONDS", default=600)
HEADLESS_JWT_REFRESH_TOKEN_EXPIRES_IN = env.int("REFRESH_TOKEN_SECONDS", default=14 * 24 * 3600)
HEADLESS_JWT_ROTATE_REFRESH_TOKEN = True


def frontend_urls(public_url: str) -> dict[str, str]:
    """Pages of the front end that mails and redirects name. Without a public URL they are on the host that was asked."""
    pages = {
        "account_confirm_email": "/verify-email?key={key}",
        "account_reset_password": "/reset-password",
        "account_reset_password_from_key": "/reset-password?key={key}",
        "account_signup": "/register",
        "socialaccount_login_error": "/login",
    }
    return {name: f"{public_url.rstrip('/')}{path}" for name, path in pages.items()}


PUBLIC_URL = env.str("PUBLIC_URL", default="").rstrip("/")
HEADLESS_FRONTEND_URLS = frontend_urls(PUBLIC_URL)
SESSION_ENGINE = "apps.accounts.sessions"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = HEADLESS_JWT_REFRESH_TOKEN_EXPIRES_IN
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

# Mail. Without EMAIL_URL each mail becomes a file, so that a machine of one's own needs no mail server.
_MAIL = env.email_url_config(env.str("EMAIL_URL", default="") or f"filemail:///{STATE_DIR / 'mail'}")
EMAIL_BACKEND = _MAIL["EMAIL_BACKEND"]
EMAIL_FILE_PATH = _MAIL["EMAIL_FILE_PATH"] or None
EMAIL_HOST, EMAIL_PORT = _MAIL["EMAIL_HOST"] or "localhost", _MAIL["EMAIL_PORT"] or 25
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _MAIL["EMAIL_HOST_USER"] or "", _MAIL["EMAIL_HOST_PASSWORD"] or ""
EMAIL_USE_TLS, EMAIL_USE_SSL = _MAIL.get("EMAIL_USE_TLS", False), _MAIL.get("EMAIL_USE_SSL", False)
EMAIL_TIMEOUT = 10
# Seconds after each failed attempt to tell of an execution by mail or webhook, up to a day and a half in all.
NOTIFICATION_DELAYS = env.list("NOTIFICATION_DELAYS", cast=float, default=[5.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0, 64_800.0])
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.str("EMAIL_FROM", default="") or "StructForge <structforge@localhost>"

# API. Whatever a view does not say is refused.
HTTP_THREADS = env.int("HTTP_THREADS", default=128)  # requests under way at a time in one web process
MAX_WAITS = HTTP_THREADS * 3 // 4  # of them those that wait for an execution to end
MAX_BODY_BYTES = env.int("MAX_BODY_BYTES", default=5_000_000)
IDEMPOTENCY_KEY_SECONDS = env.int("IDEMPOTENCY_KEY_SECONDS", default=86_400)  # how long an Idempotency-Key brings the same answer
MAX_STREAMS_EACH = env.int("MAX_STREAMS_EACH", default=50)  # event streams that one person may have open in one web process
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "apps.accounts.api.authentication.TokenAuthentication",
        "apps.accounts.api.authentication.ApiKeyAuthentication",
        "apps.accounts.api.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["apps.core.api.parsers.JsonParser"],
    "DEFAULT_RENDERER_CLASSES": ["apps.core.api.renderers.JsonRenderer"],
    "DEFAULT_PAGINATION_CLASS": "apps.core.api.pagination.NewestFirst",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "apps.core.api.errors.answer",
    "URL_FORMAT_OVERRIDE": None,  # `?format=` is a parameter like any other
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "StructForge",
    "DESCRIPTION": "Durable workflows: every step that has finished stays finished, whatever dies.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "GET_LIB_DOC_EXCLUDES": "apps.core.api.description.classes_with_inner_words",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "apps.core.api.description.add_errors",
        "apps.core.api.description.add_summaries",
    ],
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {
        "CredentialLevel": "apps.credentials.models.CredentialGrant.Level",
        "QuotaName": "apps.quotas.models.NAMES",
        "QuotaScope": "apps.quotas.models.Quota.Scope",
        "HoldScope": "apps.executions.models_waiting.Hold.Scope",
        "AuditVia": "apps.audit.models.VIAS",
        "Priority": "apps.executions.models.Execution.Priority",
        "ExecutionStatus": [status.value for status in ExecutionStatus],
        "NodeRunStatus": [status.value for status in NodeRunStatus],
        "HealthStatus": ["ok", "failing"],
        "UserKind": "apps.accounts.models.User.Kind",
        "ShareLevel": ["owner", "editor", "executor", "viewer"],
        "LinkLevel": "apps.workflows.levels.LINK_CHOICES",
        "NewLinkLevel": ["viewer", "executor", "editor"],
        "SharedLevel": ["viewer", "executor"],
        "ExportKind": ["workflow", "bundle"],
        "FollowUpKind": ["compensation", "retry", "error"],
        "Permission": [permission.value for permission in Permission],
        "ScheduleKind": "apps.triggers.models.Schedule.Kind",
        "ScheduleStatus": ["active", "disabled", "ended"],
        "ScheduleRunState": "apps.triggers.models.ScheduleRun.State",
        "OriginEnum": "apps.executions.models.NodeRun.Origin",
        "ScheduleRunOrigin": "apps.triggers.models.ScheduleRun.Origin",
        "ScheduleAlertKind": "apps.triggers.models.ScheduleAlert.Kind",
        "WebhookCallState": "apps.triggers.models.WebhookCall.State",
        "EventOrigin": "apps.triggers.models.Event.Origin",
        "TaskPriority": ["low", "normal", "high", "urgent"],
        "TaskStatus": "apps.tasks.models.HumanTask.Status",
        "ServiceKind": "apps.dialects.models.Service.Kind",
        "ProcessDefinitionStatus": ["active", "suspended"],
        "StepTemplateStatus": ["active", "inactive"],
        "TemplateStatus": "apps.templates.models.Status",
        "TemplateVisibility": "apps.templates.models.Visibility",
        "TemplateCategory": "apps.templates.categories.Category",
    },
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "filter": True, "persistAuthorization": True, "displayRequestDuration": True},
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

TASK_ATTACHMENT_BYTES = env.int("TASK_ATTACHMENT_BYTES", default=4_000_000)  # of one file; a body may not be larger than MAX_BODY_BYTES

# Housekeeping
WEBHOOK_RETENTION_DAYS = env.int("WEBHOOK_RETENTION_DAYS", default=30)  # so long the inbox keeps calls, and knows one that comes again
AUDIT_RETENTION_DAYS = env.int("AUDIT_RETENTION_DAYS", default=0)  # 0 keeps the audit log for ever; the last 30 days are kept in any case

# Language and files.
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
FORMAT_MODULE_PATH = ["structforge.formats"]
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True  # static files come straight from the packages; prod collects them first

# Logs go to the standard output of each process, where the supervisor or the container engine takes them up.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "class": "apps.core.redaction.RedactingFormatter",
            "format": "{asctime} {levelname} {name}: {message}",
            "datefmt": "%H:%M:%S",
            "style": "{",
        }
    },
    "filters": {"secrets": {"()": "apps.nodes.redaction.RedactingFilter"}},
    # The level of the handler holds for libraries too that set one of their own.
    "handlers": {"output": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["secrets"], "level": LOG_LEVEL}},
    "root": {"handlers": ["output"], "level": LOG_LEVEL},
    "loggers": {
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "celery.app.trace": {"level": "WARNING"},  # a line for each task says less than the history of the execution
        "celery.worker.strategy": {"level": "WARNING"},
        "httpx2": {"level": "WARNING"},
        "uvicorn.error": {"level": "WARNING"},
    },
}
