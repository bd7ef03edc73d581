"""The settings of the benchmark's site: our tables, and those of the peers that are installed, in one database.

``TASKCORE_BENCHMARK_POSTGRES`` names it (``postgresql://user@host:port/database``). A second one, ``small``, is for
claims in a small table beside a large one.
"""

import os
from importlib.util import find_spec
from urllib.parse import urlsplit

_url = urlsplit(os.environ["TASKCORE_BENCHMARK_POSTGRES"])

_database = {
    "ENGINE": "django.db.backends.postgresql",
    "HOST": _url.hostname,
    "PORT": _url.port,
    "USER": _url.username,
    "NAME": _url.path.lstrip("/"),
    # Connections are kept: peers would else connect anew for each look.
    "CONN_MAX_AGE": None,
}
DATABASES = {"default": _database, "small": {**_database, "NAME": "small"}}
INSTALLED_APPS = [
    "taskcore_backends.django",
    *[app for app in ("django_tasks", "django_tasks_db", "django_q") if find_spec(app)],
]
SECRET_KEY = "of no use"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOGGING_CONFIG = None
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
# One worker process. All results are kept (0), as pruning reads all of them for each; reads of a hundred at once, a
# queue between its processes that holds as many, and no renewal of the worker are what is fastest.
Q_CLUSTER = {
    "name": "benchmark",
    "orm": "default",
    "workers": 1,
    "bulk": 100,
    "queue_limit": 500,
    "poll": 0.01,
    "save_limit": 0,
    "recycle": 1_000_000,
    "timeout": 60,
    "retry": 600,
    "scheduler": False,
    "log_level": "ERROR",
}
