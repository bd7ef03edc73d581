"""What all tests share: the pytest plugin that the package ships, how hard Hypothesis tries, and Ctrl-C."""

import importlib.util
import os
import signal
from importlib.metadata import entry_points

from hypothesis import HealthCheck, settings

PLUGIN = "taskcore.testing.pytest_plugin"


def _is_needed(plugin: str) -> bool:
    """Tell whether the plugin has to be named here: an installed package brings it as an entry point."""
    if any(plugin == entry_point.value for entry_point in entry_points(group="pytest11")):
        return False
    try:
        return importlib.util.find_spec(plugin) is not None
    except ModuleNotFoundError:
        return False


pytest_plugins = [PLUGIN] if _is_needed(PLUGIN) else []

# A deadline per example measures the machine's load; the test's own timeout is the bound that counts.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("default"), derandomize=True, print_blob=True)
settings.register_profile("nightly", parent=settings.get_profile("default"), max_examples=2000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "default"))

# A shell has what it starts in the background ignore SIGINT, and all children of that; some here are ended by it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
