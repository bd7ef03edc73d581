"""The example site as the browser sees it: with a strict policy of contents, on a port of its own, and its worker.

``python -m tests.contrib.django_browser.site serve`` makes the tables and something to look at, prints the address, and
serves until it is stopped; ``… worker`` works.
"""

from __future__ import annotations

import os
import sys
from socketserver import ThreadingMixIn
from typing import Any

from site_settings.settings import *  # noqa: F403
from site_settings.settings import MIDDLEWARE as _MIDDLEWARE

DEBUG = False
MIDDLEWARE = ["tests.contrib.django_browser.site.strict", *_MIDDLEWARE]

POLICY = "default-src 'self'"


def strict(get_response: Any) -> Any:
    """Allow nothing but files of the site itself: no inline script or style, no other host."""

    def answer(request: Any) -> Any:
        response = get_response(request)
        response["Content-Security-Policy"] = POLICY
        return response

    return answer


def _serve() -> None:
    from datetime import timedelta
    from wsgiref.simple_server import WSGIServer, make_server

    from django.contrib.staticfiles.handlers import StaticFilesHandler
    from django.core.management import call_command
    from django.core.servers.basehttp import WSGIRequestHandler
    from django.core.wsgi import get_wsgi_application

    from taskcore import every
    from taskcore.contrib.django import client

    class Server(ThreadingMixIn, WSGIServer):
        daemon_threads = True

    application = StaticFilesHandler(get_wsgi_application())
    call_command("demo", burst=True, stdout=sys.stderr)
    client().edit_schedule("count orders", trigger=every(timedelta(hours=1)))  # so that nothing moves by itself
    with make_server("127.0.0.1", 0, application, Server, WSGIRequestHandler) as server:
        print(f"http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever(poll_interval=0.1)


def _work() -> None:
    from django.core.management import execute_from_command_line

    execute_from_command_line(["manage.py", "taskcore_worker", "--concurrency", "2"])


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.contrib.django_browser.site"
    {"serve": _serve, "worker": _work}[sys.argv[1]]()
