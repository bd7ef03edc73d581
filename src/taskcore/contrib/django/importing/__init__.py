"""Reading what other schedulers and queues have in the site's database, to go on with it in taskcore.

Each source is a module that reads rows and says what they would be here, or why they cannot be; nothing of theirs is
imported unless the app is installed. ``taskcore_import`` shows it and does it.
"""

from __future__ import annotations

from taskcore.contrib.django.importing._found import FoundSchedule, FoundTask, Source
from taskcore.contrib.django.importing._sources import SOURCES, installed_sources
from taskcore.contrib.django.importing._taking import Imported, import_schedules, import_tasks

__all__ = [
    "SOURCES",
    "FoundSchedule",
    "FoundTask",
    "Imported",
    "Source",
    "import_schedules",
    "import_tasks",
    "installed_sources",
]
