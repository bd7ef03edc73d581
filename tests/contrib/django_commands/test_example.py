"""The example site of the README: one command sets it up, runs its tasks, and serves it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.waiting import eventually

ROOT = Path(__file__).parents[3]
MANAGE = ROOT / "examples" / "django_site" / "manage.py"

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not MANAGE.is_file(), reason="the example is in the source tree"),
]


@pytest.fixture
def environment(tmp_path):
    """An environment in which the site has a database of its own."""
    inherited = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    return {**inherited, "DEMO_DATABASE": str(tmp_path / "demo.db"), "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"}


def manage(environment, *arguments):
    done = subprocess.run(
        [sys.executable, MANAGE, *arguments], env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


@pytest.mark.timeout(180)
def test_the_demo_runs_its_tasks(environment):
    """Django's and taskcore's own; each with its result, the failure with its reason; a second time adds to it."""
    out = manage(environment, "demo", "--burst")
    assert "SUCCESSFUL market.tasks.confirm_order" in out
    assert re.search(r'SUCCESSFUL market\.tasks\.harvest: {"total":\d+,"by_keyword":{"bovin":', out)
    assert "FAILED     market.tasks.charge: the bank does not answer" in out
    tasks = [json.loads(line) for line in manage(environment, "taskcore_tasks", "--json").splitlines()]
    (harvest,) = [task for task in tasks if task["name"] == "market.tasks.harvest" and task["state"] == "SUCCESSFUL"]
    assert (8, 8) == (harvest["progress"]["current"], harvest["progress"]["total"])
    shown = json.loads(manage(environment, "taskcore_show", harvest["id"], "--items", "--json"))
    assert 8 == len(shown["items"])
    assert {"region": "Bretagne", "prefecture": "Côtes-d'Armor", "keyword": "bovin"} == shown["items"][0]["dimensions"]
    assert harvest["result"]["total"] == sum(item["count"] for item in shown["items"])
    schedules = manage(environment, "taskcore_schedules")
    assert "count orders" in schedules
    assert "nightly harvest" in schedules
    assert out.count("confirm_order") + 1 == manage(environment, "demo", "--burst").count("confirm_order")


@pytest.mark.parity("SCR-07", "SCR-13", "SCR-15", "SCR-19")
@pytest.mark.timeout(180)
def test_a_harvest_is_started_by_a_command(environment, tmp_path):
    """With keywords, a region and a file for what it finds; a region's places and keywords are counted apart."""
    manage(environment, "migrate", "-v", "0")
    found = tmp_path / "found.json"
    wanted = {"keywords": ["bovin", "porcin"], "region": "Bretagne", "pause": 0}
    wanted |= {"output_file": str(found), "output_format": "json"}
    started = manage(environment, "taskcore_start", "harvest", "--kwargs", json.dumps(wanted)).strip()
    manage(environment, "taskcore_worker", "--burst")
    task = json.loads(manage(environment, "taskcore_show", started, "--items", "--json"))
    assert ("SUCCESSFUL", wanted) == (task["state"], task["kwargs"])
    assert {"bovin", "porcin"} == set(task["result"]["by_keyword"])
    assert {"Bretagne"} == {item["dimensions"]["region"] for item in task["items"]}
    assert task["result"]["total"] == len(json.loads(found.read_text(encoding="utf-8")))


@pytest.mark.parity("SCR-06")
def test_the_form_of_a_harvest(environment):
    """It asks for keywords, places, a file and its format, and refuses a prefecture that is not in the region."""
    program = (
        "import json; from market.launches import HarvestForm as Form;"
        "given = dict(keywords='bovin, porcin', region='Bretagne', output_format='json', pause=0);"
        "good, bad = Form(given), Form({**given, 'prefecture': 'Calvados'});"
        "assert good.is_valid(), good.errors; bad.is_valid();"
        "print(json.dumps([list(good.fields), good.arguments(), list(bad.errors)]))"
    )
    fields, arguments, errors = json.loads(manage(environment, "shell", "-c", program).splitlines()[-1])
    assert ["keywords", "region", "prefecture", "output_file", "output_format", "pause"] == fields
    assert {"keywords": ["bovin", "porcin"], "region": "Bretagne", "output_format": "json", "pause": 0} == arguments
    assert ["prefecture"] == errors


@pytest.mark.skipif(sys.platform == "win32", reason="ends with SIGINT")
@pytest.mark.timeout(180)
def test_the_demo_serves_the_site(environment):
    """It says where to look; an order that is placed there is confirmed; Ctrl-C ends it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, MANAGE, "demo", "--port", str(port)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    address = f"http://127.0.0.1:{port}/"
    try:
        page = eventually_read(address)
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)[1]
        form = f"csrfmiddlewaretoken={token}&email=bob%40example.org&product=a+goat".encode()
        request = urllib.request.Request(f"{address}order/", form, {"Cookie": page.cookie})
        urllib.request.urlopen(request, timeout=10).close()
        eventually(lambda: "a goat for bob@example.org, confirmed" in read(address).text)
        assert 200 == read(f"{address}admin/login/").status
    finally:
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert f"The site:   {address}" in out
    assert 0 == process.returncode, out


class Page:
    """What a server answered."""

    def __init__(self, response):
        self.status = response.status
        self.cookie = (response.headers.get("Set-Cookie") or "").partition(";")[0]
        self.text = response.read().decode()


def read(address):
    with urllib.request.urlopen(address, timeout=10) as response:
        return Page(response)


def eventually_read(address):
    pages = []

    def answers():
        try:
            pages.append(read(address))
        except (urllib.error.URLError, ConnectionError):
            return False
        return True

    eventually(answers)
    return pages[0]
