"""Every setting of the risk desk, read from the environment (README, "Settings")."""

import hashlib
import tempfile
from pathlib import Path
from typing import Any

import django_stubs_ext
import environ
from django.templatetags.static import static
from django.urls import reverse_lazy

from riskadmin.secret import load_or_create

django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.FileAwareEnv()

DATA_DIR = Path(env.str("RISKADMIN_DATA", default=str(BASE_DIR / ".riskdesk"))).absolute()
SECRET_KEY = env.str("SECRET_KEY", default="") or load_or_create(DATA_DIR / "secret_key")
DEBUG = env.bool("DEBUG", default=False)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

# Which of the provider's environments this server answers for: demo serves everything.
RISKADMIN_ENVIRONMENT = env.str("RISKADMIN_ENVIRONMENT", default="demo")
MARK_MAX_AGE_SECONDS = env.float("RISKADMIN_MARK_MAX_AGE_SECONDS", default=10.0)
RUN_DEADLINE_SECONDS = env.float("RISKADMIN_RUN_DEADLINE_SECONDS", default=300.0)

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "accounts",
    "liquidation",
    "riskadmin",  # for its commands; it has no models
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
]
ROOT_URLCONF = "riskadmin.urls"
WSGI_APPLICATION = "riskadmin.wsgi.application"
APPEND_SLASH = True
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

SQLITE_OPTIONS: dict[str, Any] = {
    # DEFERRED transactions fail with "database is locked" when two of them write; IMMEDIATE ones wait for each other.
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": (
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA cache_size=-20000"
    ),
}
DATABASES = {"default": env.db("DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'riskdesk.sqlite3'}")}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = SQLITE_OPTIONS
else:
    DATABASES["default"] |= {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"


def _embedded_socket() -> Path:
    socket = DATA_DIR / "valkey.sock"
    if len(str(socket)) < 100:  # the kernel's limit for a socket's path is 107
        return socket
    return Path(tempfile.gettempdir()) / f"riskdesk-{hashlib.sha256(str(socket).encode()).hexdigest()[:16]}.sock"


EMBEDDED_VALKEY_SOCKET = _embedded_socket()
REDIS_IS_EMBEDDED = not env.str("REDIS_URL", default="")
REDIS_URL = env.str("REDIS_URL", default="") or f"unix://{EMBEDDED_VALKEY_SOCKET}"

AUTH_USER_MODEL = "accounts.User"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = reverse_lazy("admin:login")

# Secure unless told otherwise: only the demonstration on this machine turns HTTPS off.
HTTPS = env.bool("RISKADMIN_HTTPS", default=True)
SECURE_SSL_REDIRECT = HTTPS
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SECURE_REFERRER_POLICY = "same-origin"
SECURE_PROXY_SSL_HEADER = (
    ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("RISKADMIN_BEHIND_PROXY", default=False) else None
)
X_FRAME_OPTIONS = "DENY"

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
FORMAT_MODULE_PATH = ["riskadmin.formats"]
STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["accounts.api.wire.WireRenderer"],
    "DEFAULT_PARSER_CLASSES": [
        "rest_framework.parsers.JSONParser",
        "rest_framework.parsers.FormParser",
        "rest_framework.parsers.MultiPartParser",
    ],
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.api.tokens.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "EXCEPTION_HANDLER": "accounts.api.wire.exception_handler",
    "UNAUTHENTICATED_USER": None,
}


def _page(title: str, icon: str, name: str) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": reverse_lazy(f"admin:{name}")}


UNFOLD = {
    "SITE_TITLE": "Risk desk",
    "SITE_HEADER": "Risk desk",
    "SITE_SYMBOL": "shield",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda _request: static("riskdesk/favicon.svg")}
    ],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "ENVIRONMENT": None,
    "DASHBOARD_CALLBACK": "accounts.admin.dashboard.dashboard",
    "STYLES": [lambda _request: static("riskdesk/desk.css")],
    "SIDEBAR": {
        "navigation": [
            {
                "title": "Desk",
                "items": [
                    _page("Overview", "dashboard", "index"),
                    _page("Accounts", "account_tree", "accounts_account_changelist"),
                    _page("Liquidations", "emergency_home", "liquidation_liquidationrun_changelist"),
                    _page("Alerts", "notifications", "liquidation_alert_changelist"),
                    _page("Locks", "lock", "accounts_accountlock_changelist"),
                    _page("Change log", "history", "accounts_auditentry_changelist"),
                ],
            },
            {
                "title": "Exposure",
                "items": [
                    _page("Positions", "stacked_line_chart", "accounts_position_changelist"),
                    _page("Orders", "receipt_long", "accounts_order_changelist"),
                    _page("Fills", "task_alt", "accounts_fill_changelist"),
                    _page("Start-of-day records", "wb_twilight", "accounts_sodrecord_changelist"),
                    _page("Decisions", "gavel", "liquidation_evaluation_changelist"),
                ],
            },
            {
                "title": "Setup",
                "items": [
                    _page("Companies", "domain", "accounts_company_changelist"),
                    _page("Users", "group", "accounts_user_changelist"),
                    _page("Connections", "cable", "accounts_connection_changelist"),
                    _page("Sharing", "share", "accounts_accountshare_changelist"),
                    _page("Instruments", "candlestick_chart", "accounts_instrument_changelist"),
                    _page("Product margins", "percent", "accounts_productmargin_changelist"),
                    _page("Currency rates", "currency_exchange", "accounts_currencyrate_changelist"),
                    _page("Prices", "price_change", "accounts_mark_changelist"),
                ],
            },
        ],
    },
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
}
