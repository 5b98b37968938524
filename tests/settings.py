"""Settings of the tests: nothing of the installation's own data is read or written, nothing leaves the machine."""

import atexit
import importlib
import os
import shutil
import tempfile
from pathlib import Path

# Each run has a folder of its own, whatever the shell says.
TEST_DATA = tempfile.mkdtemp(prefix="riskdesk-tests-")
atexit.register(shutil.rmtree, TEST_DATA, ignore_errors=True)
os.environ["RISKADMIN_DATA"] = TEST_DATA
Path(TEST_DATA, "static").mkdir()  # whitenoise warns of a folder that is not there
for name in ("REDIS_URL", "DATABASE_URL", "RISKADMIN_ENVIRONMENT", "RISKADMIN_HTTPS", "SECRET_KEY"):
    os.environ.pop(name, None)
if "TEST_DATABASE_URL" in os.environ:  # the whole suite on PostgreSQL
    os.environ["DATABASE_URL"] = os.environ["TEST_DATABASE_URL"]

# A star import would have to stand above: the environment must be ready before the settings are read.
_installation = importlib.import_module("riskadmin.settings")
globals().update({name: value for name, value in vars(_installation).items() if name.isupper()})

DATABASES = _installation.DATABASES
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # A file, so that a worker of its own process can be pointed at it; no fsync, for nothing here must outlive the run.
    DATABASES["default"]["TEST"] = {"NAME": str(Path(TEST_DATA) / "test.sqlite3")}
    DATABASES["default"]["OPTIONS"] = _installation.SQLITE_OPTIONS | {
        "init_command": _installation.SQLITE_OPTIONS["init_command"].replace("synchronous=FULL", "synchronous=OFF")
    }
else:
    DATABASES["default"]["CONN_MAX_AGE"] = 0

SECURE_SSL_REDIRECT = False
SESSION_COOKIE_SECURE = False
CSRF_COOKIE_SECURE = False
SECURE_HSTS_SECONDS = 0
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = _installation.STORAGES | {
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
}
