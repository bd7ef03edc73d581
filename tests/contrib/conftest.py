"""Sets Django up, once, for all tests below; without Django they are skipped."""

import os
from importlib.util import find_spec

collect_ignore_glob: list[str] = []

if find_spec("django") is None:
    collect_ignore_glob.append("*")
else:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.contrib.settings")
    import django

    django.setup()
