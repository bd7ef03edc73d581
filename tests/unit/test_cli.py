"""The command line: what it prints, what it ends with, and that what is expected to go wrong is said in one line."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import re
import sys
from pathlib import Path

import pytest

from taskcore import Client, Group, State, Worker, __version__, cron, every, task
from taskcore._cli import main
from taskcore._cli._exit import ExitCode
from taskcore._cli._parser import make_parser
from taskcore._cli._terminal import table_lines
from tests.unit.cli_bench import Shell, make_shell
from tests.unit.client_samples import HOUR, add, counting, fail, flaky

NOBODY = "0" * 32


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    return make_shell(tmp_path, monkeypatch)


@pytest.fixture
def root_logger():
    """The root logger as it was: `worker` sets it up."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)


# Where the store is


def test_no_store_is_a_usage_error(shell: Shell) -> None:
    """Both ways to name one are told."""
    done = shell("tasks", environment={})
    assert (ExitCode.USAGE, True) == (done.code, "--url" in done.err and "TASKCORE_URL" in done.err)


@pytest.mark.parametrize("order", [("--url", "memory:", "queues"), ("queues", "--url", "memory:")])
def test_url_may_stand_before_or_after_the_command(shell: Shell, order) -> None:
    """And it wins over the environment."""
    assert ExitCode.NOTHING_MATCHED == shell(*order, environment={"TASKCORE_URL": "nonsense"}).code


def test_unknown_scheme_names_the_known_ones(shell: Shell) -> None:
    """A store that no adapter answers to is a usage error."""
    done = shell("tasks", "--url", "carrier-pigeon:coop")
    assert ExitCode.USAGE == done.code
    assert "memory:" in done.err
    assert "sqlite:" in done.err


def test_password_is_not_shown(shell: Shell) -> None:
    """An error about a URL leaves its password out."""
    done = shell("tasks", "--url", "pigeon://ada:secret@coop/1")
    assert "pigeon://ada:…@coop/1" in done.err
    assert "secret" not in done.err


def test_adapter_that_does_not_import_is_told(shell: Shell) -> None:
    """The error says what to install."""
    done = shell("tasks", "--url", "broken:x")
    assert ExitCode.USAGE == done.code
    assert "taskcore[broken]" in done.err


def test_unreadable_store_is_unavailable(shell: Shell) -> None:
    """A file that is no store ends with 3 and one line."""
    (shell.folder / "tasks.db").write_bytes(b"no database, but long enough to have a header of its own" * 40)
    done = shell("tasks")
    assert (ExitCode.STORE_UNAVAILABLE, 1) == (done.code, len(done.err.splitlines()))


# Looking


@pytest.mark.parity("DQ-34")
def test_tasks_are_listed_newest_first(shell: Shell) -> None:
    """One line each under a header."""
    with shell.client() as client:
        first, second = client.enqueue(add, 1), client.enqueue(add.using(run_after=HOUR, label="later"), 2)
    done = shell("tasks")
    assert (0, 3) == (done.code, len(done.lines))
    assert [second.id, first.id] == [line.split()[0] for line in done.lines[1:]]
    assert f"{add.name} (later)" in done.lines[1]
    assert "scheduled" in done.lines[1]


@pytest.mark.parity("DCR-13", "DJC-01")
def test_tasks_as_json(shell: Shell) -> None:
    """One object a line, with arguments and result as values."""
    with shell.client() as client:
        handle = client.enqueue(add, 1, b=4)
    shell.drain()
    (record,) = shell("tasks", "--json").records
    assert (handle.id, "SUCCESSFUL", [1], {"b": 4}, 5) == (
        record["id"],
        record["state"],
        record["args"],
        record["kwargs"],
        record["result"],
    )


@pytest.mark.parity("DJC-09")
@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ((), 3),
        (("--state", "failed"), 1),
        (("--state", "failed", "--state", "successful"), 2),
        (("--queue", "mail"), 1),
        (("--name", add.name), 2),
        (("--limit", "2"), 2),
        (("--limit", "1", "--all"), 3),
        (("--newer-than", "1h"), 3),
        (("--older-than", "1h"), 0),
        (("--since", "2020-01-01", "--until", "2020-01-02T00:00:00Z"), 0),
    ],
)
def test_tasks_are_filtered(shell: Shell, filters, expected) -> None:
    """Each filter narrows the list; an empty one ends with 1."""
    with shell.client() as client:
        client.enqueue_many([add.bind(1), fail.bind()])
    shell.drain()
    with shell.client() as client:
        client.enqueue(add.using(queue_name="mail"), 1)
    done = shell("tasks", "--json", *filters)
    assert (expected, ExitCode.DONE if expected else ExitCode.NOTHING_MATCHED) == (len(done.lines), done.code)


@pytest.mark.parametrize(("option", "expected"), [("--newer-than", 1), ("--older-than", 0)])
def test_ages_beyond_the_calendar(shell: Shell, option, expected) -> None:
    """Everything is newer than a million years, and nothing older."""
    with shell.client() as client:
        client.enqueue(add, 1)
    assert expected == len(shell("tasks", "--json", option, "365000000d").lines)


def test_tasks_oldest_first_over_pages(shell: Shell) -> None:
    """The header comes once, however many there are."""
    with shell.client() as client:
        handles = client.enqueue_many(add.bind(n) for n in range(250))
    done = shell("tasks", "--all", "--oldest-first")
    assert [handle.id for handle in handles] == [line.split()[0] for line in done.lines[1:]]


@pytest.mark.parity("DQ-07")
def test_show_tells_the_failure(shell: Shell) -> None:
    """Traceback and all."""
    with shell.client() as client:
        handle = client.enqueue(fail, "no such order")
    shell.drain()
    done = shell("show", handle.id)
    assert 0 == done.code
    assert "builtins.ValueError: no such order" in done.out
    assert "Traceback (most recent call last):" in done.out
    assert re.search(r"^run +1 of 1; 1 failed", done.out, re.MULTILINE)


@pytest.mark.parity("SCR-04")
def test_show_tells_progress_and_items(shell: Shell) -> None:
    """Sub-results come with --items."""
    with shell.client() as client:
        handle = client.enqueue(counting, 3)
    shell.drain()
    done = shell("show", handle.id, "--items")
    assert "3 of 10; steps 3" in done.out
    assert "shop=a count 3" in done.out


@pytest.mark.parity("DCR-13", "DJC-08", "SCR-15")
def test_show_as_json(shell: Shell) -> None:
    """One object, with attempts and items inside."""
    with shell.client() as client:
        handle = client.enqueue(flaky)
    shell.drain()
    (record,) = shell("show", handle.id, "--json", "--items").records
    assert ("retrying", ["RETRY"], []) == (
        record["phase"],
        [attempt["event"] for attempt in record["attempts"]],
        record["items"],
    )


def test_show_of_nothing(shell: Shell) -> None:
    """An unknown id ends with 1 and says so."""
    done = shell("show", NOBODY)
    assert (ExitCode.NOTHING_MATCHED, "", True) == (done.code, done.out, NOBODY in done.err)


@pytest.mark.parametrize(
    ("definition", "code"),
    [(add.bind(1), ExitCode.DONE), (fail.bind(), ExitCode.NOT_SUCCESSFUL)],
)
def test_show_wait_ends_as_the_task_did(shell: Shell, definition, code) -> None:
    """0 for a success, 4 for anything else."""
    with shell.client() as client:
        handle = client.enqueue_call(definition)
    shell.drain()
    assert code == shell("show", handle.id, "--wait", "10s").code


def test_show_wait_that_is_in_vain(shell: Shell) -> None:
    """4 as well when it has not finished in time, and the task is shown as it is."""
    with shell.client() as client:
        handle = client.enqueue(add, 1)
    done = shell("show", handle.id, "--wait", "1ms")
    assert ExitCode.NOT_SUCCESSFUL == done.code
    assert "READY (ready)" in done.out
    assert "has not finished" in done.err


def test_explain_is_text_or_json(shell: Shell) -> None:
    """The same reasons both ways."""
    with shell.client() as client:
        handle = client.enqueue(add, 1)
    text = shell("explain", handle.id).out
    (record,) = shell("explain", handle.id, "--json").records
    assert ["no_worker"] == [reason["hindrance"] for reason in record["reasons"]]
    assert record["reasons"][0]["text"] in text


@pytest.mark.parity("DQ-35", "DQ-39")
def test_status_counts(shell: Shell) -> None:
    """Queues by state, with what is due told apart from what is not."""
    with shell.client() as client:
        client.enqueue_many([add.bind(1), add.using(run_after=HOUR).bind(2)])
        client.schedule("nightly", cron("0 3 * * *"), add.bind(1))
        client.pause("default")
    done = shell("status")
    assert re.search(r"^default +1 +1 +0 +0 +0 +0 +0 .* yes$", done.out, re.MULTILINE)
    assert "1 schedule; next: nightly in" in done.out
    assert "no workers" in done.out


def test_status_of_an_empty_store(shell: Shell) -> None:
    """Nothing there is no error."""
    done = shell("status")
    assert 0 == done.code
    assert "no tasks" in done.out


def test_status_as_json(shell: Shell) -> None:
    """One object, all states named."""
    with shell.client() as client:
        client.enqueue(add, 1)
    (record,) = shell("status", "--json").records
    (queue,) = record["queues"]
    assert (1, 0, []) == (queue["READY"], queue["FAILED"], record["workers"])


@pytest.mark.parity("DQ-39")
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_watch_without_a_terminal_repeats_itself(shell: Shell, form) -> None:
    """One block, or one line of JSON, after the other."""
    done = shell("status", "--watch", "--times", "3", "--interval", "1ms", *form)
    assert 3 == (len(done.records) if form else done.out.count("no tasks"))


def test_watch_on_a_terminal_is_redrawn(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """With rich there, the view is drawn in place."""
    pytest.importorskip("rich")
    monkeypatch.setenv("TERM", "xterm")
    with shell.client() as client:
        client.enqueue(add, 1)
    done = shell("status", "--watch", "--times", "2", "--interval", "1ms", tty=True)
    assert "\x1b[" in done.out
    assert "default" in done.out


def test_watch_has_no_colours_with_no_color(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR is obeyed: the view moves, and has no colour."""
    pytest.importorskip("rich")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    with shell.client() as client:
        client.enqueue(fail)
    shell.drain()
    done = shell("status", "--watch", "--times", "1", tty=True)
    assert [] == re.findall(r"\x1b\[(?:3[0-7]|9[0-7])m", done.out)


def test_watch_without_rich_says_what_to_install(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plain view is shown instead."""
    monkeypatch.setitem(sys.modules, "rich.console", None)
    monkeypatch.delitem(sys.modules, "taskcore._cli._live", raising=False)
    done = shell("status", "--watch", "--times", "1", tty=True)
    assert "taskcore[cli]" in done.err
    assert "no tasks" in done.out


def test_groups_are_listed(shell: Shell) -> None:
    """With their counts by state; none is 1."""
    assert ExitCode.NOTHING_MATCHED == shell("groups").code
    with shell.client() as client:
        group = client.group("march", [add.bind(1), fail.bind()])
    shell.drain()
    assert re.search(rf"^{group.id} +2 .* 1 +1 +0  march$", shell("groups").out, re.MULTILINE)
    (record,) = shell("groups", "--json", "--name", "march").records
    assert (2, 1, True) == (record["total"], record["FAILED"], record["is_finished"])


def test_group_is_sealed(shell: Shell) -> None:
    """An open group finishes with the members that it has; one that is not there is 1."""
    with shell.client() as client:
        now = client.backend.now()
        client.backend.add([], group=Group(id="f" * 32, name="march", created_at=now))
    assert re.search(rf"^{'f' * 32} +open ", shell("groups").out, re.MULTILINE)
    assert f"group march {'f' * 32} is sealed with 0 members\n" == shell("groups", "seal", "f" * 32).out
    (record,) = shell("groups", "seal", "f" * 32, "--json").records
    assert (0, True) == (record["total"], record["is_finished"])
    assert ExitCode.NOTHING_MATCHED == shell("groups", "seal", NOBODY).code


def test_tasks_of_a_schedule_by_its_name(shell: Shell) -> None:
    """Its id works too, as long as its tasks are there."""
    with shell.client() as client:
        schedule = client.schedule("hourly", every(HOUR), add.bind(1))
        client.run_now("hourly")
    assert [1, 1, 0] == [
        len(shell("tasks", "--json", "--schedule", name).lines) for name in ("hourly", schedule.id, "daily")
    ]


# Changing


@pytest.mark.parity("SCR-12")
def test_cancel_by_ids(shell: Shell) -> None:
    """Each id is answered; one that is not there makes it 1."""
    with shell.client() as client:
        handle = client.enqueue(add, 1)
    done = shell("cancel", handle.id, NOBODY)
    assert (ExitCode.NOTHING_MATCHED, 1) == (done.code, len(done.lines))
    assert NOBODY in done.err
    assert "SUCCESSFUL" not in shell("show", handle.id).out


def test_cancel_of_a_finished_task(shell: Shell) -> None:
    """It says that nothing is left to cancel."""
    with shell.client() as client:
        handle = client.enqueue(add, 1)
    shell.drain()
    (record,) = shell("cancel", handle.id, "--json").records
    assert (False, True) == (record["changed"], "nothing is left to cancel" in record["error"])


@pytest.mark.parity("SCR-12")
def test_cancel_by_filters(shell: Shell) -> None:
    """All that match, and how many those were."""
    with shell.client() as client:
        client.enqueue_many(add.using(queue_name="mail").bind(n) for n in range(3))
        client.enqueue(add, 1)
    assert [{"changed": 3, "unchanged": 0}] == shell("cancel", "--queue", "mail", "--json").records


@pytest.mark.parity("SCR-12")
@pytest.mark.parametrize("command", ["cancel", "requeue"])
def test_nothing_named_is_not_everything(shell: Shell, command) -> None:
    """Every task is meant only with --all; ids and filters together are refused."""
    assert ExitCode.USAGE == shell(command).code
    assert ExitCode.USAGE == shell(command, NOBODY, "--queue", "mail").code
    assert ExitCode.NOTHING_MATCHED == shell(command, "--all").code


def test_requeue_by_ids_with_dependents(shell: Shell) -> None:
    """What was cancelled because of it comes back as well."""
    with shell.client() as client:
        parent = client.enqueue(fail)
        child = client.enqueue(add, parent.output)
    shell.drain()
    assert 0 == shell("requeue", parent.id, "--with-dependents", "--delay", "1h").code
    with shell.client() as client:
        assert [State.READY, State.BLOCKED] == [client.get(one.id).state for one in (parent, child)]


def test_requeue_by_filters(shell: Shell) -> None:
    """All that failed, with a sentence for people."""
    with shell.client() as client:
        client.enqueue_many(fail.bind() for _ in range(2))
    shell.drain()
    assert ["2 requeued"] == shell("requeue", "--state", "failed").lines
    assert ExitCode.USAGE == shell("requeue", "--all", "--with-parents").code


def test_purge_without_filters_goes_by_retention(shell: Shell) -> None:
    """What is to be kept is kept; nothing deleted is 1."""
    with shell.client() as client:
        client.enqueue(add, 1)
    shell.drain()
    assert (ExitCode.NOTHING_MATCHED, ["0 deleted"]) == ((done := shell("purge")).code, done.lines)


@pytest.mark.parity("SCR-19")
@pytest.mark.parametrize(
    ("filters", "deleted"),
    [
        (("--all",), 3),
        (("--state", "failed"), 1),
        (("--name", add.name), 2),
        (("--keep-latest", "1"), 1),
        (("--all", "--at-most", "2"), 2),
        (("--older-than", "1h"), 0),
        (("--queue", "mail"), 0),
        (("--group", NOBODY), 0),
        ((NOBODY,), 0),
    ],
)
def test_purge_by_filters(shell: Shell, filters, deleted) -> None:
    """Only what matches is deleted."""
    with shell.client() as client:
        client.enqueue_many([add.bind(1), add.bind(2), fail.bind()])
    shell.drain()
    assert [{"deleted": deleted}] == shell("purge", "--json", *filters).records


# Schedules, queues, workers


def test_schedules_are_listed(shell: Shell) -> None:
    """With when they fire, in words; none is 1."""
    assert ExitCode.NOTHING_MATCHED == shell("schedules").code
    with shell.client() as client:
        client.schedule("hourly", every(HOUR), add.bind(1), repeats=5)
    assert re.search(r"^hourly +yes .* 5 +\S+add +every", shell("schedules").out, re.MULTILINE)
    (record,) = shell("schedules", "--json").records
    assert ("hourly", 5, add.name) == (record["name"], record["repeats"], record["task_name"])


def test_schedule_is_switched_and_deleted(shell: Shell) -> None:
    """Each action shows what became of it."""
    with shell.client() as client:
        client.schedule("hourly", every(HOUR), add.bind(1))
    assert [False, True] == [
        shell("schedules", action, "hourly", "--json").records[0]["enabled"] for action in ("disable", "enable")
    ]
    assert "hourly" in shell("schedules", "show", "hourly").lines[0]
    assert [0, 1] == [shell("schedules", "delete", "hourly").code for _ in range(2)]


def test_schedule_runs_and_previews(shell: Shell) -> None:
    """`run` prints the id of the task, `preview` the next slots."""
    with shell.client() as client:
        client.schedule("hourly", every(HOUR), add.bind(1))
    (task_id,) = shell("schedules", "run", "hourly").lines
    assert 0 == shell("show", task_id).code
    assert 3 == len(shell("schedules", "preview", "hourly", "-n", "3").lines)
    shell("schedules", "disable", "hourly")
    assert ExitCode.NOTHING_MATCHED == shell("schedules", "preview", "hourly").code


def test_each_change_is_told_as_json(shell: Shell) -> None:
    """Scripts get an object from every command that changes something."""
    with shell.client() as client:
        client.schedule("hourly", every(HOUR), add.bind(1))
        handle = client.enqueue(add, 1)
    told = [
        shell(*command, "--json").records
        for command in (
            ("schedules", "run", "hourly"),
            ("schedules", "preview", "hourly", "-n", "1"),
            ("schedules", "delete", "hourly"),
            ("queues", "pause", "default"),
            ("workers", "stop", "nobody"),
            ("cancel", handle.id),
        )
    ]
    assert [
        ["name", "task_id"],
        ["name", "slot"],
        ["name", "deleted"],
        ["name", "is_paused"],
        ["id", "order", "is_known"],
        ["id", "changed", "error"],
    ] == [list(record) for (record,) in told]


def test_queue_is_paused_and_resumed(shell: Shell) -> None:
    """And listed so."""
    with shell.client() as client:
        client.enqueue(add, 1)
    shell("queues", "pause", "default")
    assert [True] == [record["is_paused"] for record in shell("queues", "--json").records]
    assert ["queue default resumed"] == shell("queues", "resume", "default").lines


@pytest.mark.parity("DQ-39")
def test_workers_are_listed_and_ordered(shell: Shell, root_logger) -> None:
    """A worker that has been there is known, another is not."""
    assert ExitCode.NOTHING_MATCHED == shell("workers").code
    shell("worker", "--tasks", "shop_tasks", "--burst")
    (record,) = shell("workers", "--json").records
    assert "stopped" == record["state"]
    assert str(record["id"]) in shell("workers").out
    assert [0, 1] == [shell("workers", "stop", worker).code for worker in (str(record["id"]), "nobody")]


# The worker


@pytest.mark.parity("DQ-39", "SCR-20")
def test_worker_runs_what_is_there(shell: Shell) -> None:
    """With --burst it ends when nothing is left; its log goes to the other stream."""
    with shell.client() as client:
        handle = client.enqueue(task(name="shop_tasks.add")(add.function), 1)
    with shell.process("worker", "--tasks", "shop_tasks", "--burst", "--concurrency", "1") as process:
        out, err = process.communicate(timeout=60)
    assert (0, "") == (process.returncode, out)
    assert f"{handle.id} (shop_tasks.add) succeeded" in err
    assert "SUCCESSFUL" in shell("show", handle.id).out


@pytest.mark.parity("C35-10")
@pytest.mark.parametrize("reference", ["shop_tasks:add", "shop_tasks:some"])
def test_tasks_may_be_named_one_by_one(shell: Shell, root_logger, reference) -> None:
    """A task, or a list of them, in a module."""
    assert 0 == shell("worker", "--tasks", reference, "--burst").code


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("no_such_module", "There is no module 'no_such_module'"),
        ("json", "holds no task"),
        ("shop_tasks:nope", "no attribute 'nope'"),
        ("shop_tasks:number", "neither a task nor a list"),
        ("shop_tasks:none", "neither a task nor a list"),
        ("bad_tasks", "cannot be imported: ZeroDivisionError"),
        ("needy_tasks", "cannot be imported: ModuleNotFoundError"),
    ],
)
def test_tasks_that_cannot_be_had_are_usage_errors(shell: Shell, root_logger, reference, said) -> None:
    """One line says which and why."""
    (shell.folder / "bad_tasks.py").write_text("1 / 0\n", encoding="utf-8")
    (shell.folder / "needy_tasks.py").write_text("import not_installed_anywhere\n", encoding="utf-8")
    done = shell("worker", "--tasks", reference, "--burst")
    assert (ExitCode.USAGE, 1) == (done.code, len(done.err.splitlines()))
    assert said in done.err


def test_tasks_that_children_cannot_import_are_usage_errors(shell: Shell) -> None:
    """A module that only its child processes cannot import ends the worker: one line says why, without a traceback."""
    (shell.folder / "picky_tasks.py").write_text(
        "import multiprocessing\nfrom taskcore import task\nif multiprocessing.parent_process(): 1 / 0\n"
        "@task\ndef add(a: int) -> int:\n    return a\n",
        encoding="utf-8",
    )
    with shell.client() as client:
        client.enqueue(task(name="picky_tasks.add")(add.function), 1)
    process = ("worker", "--tasks", "picky_tasks", "--executor", "processes", "--concurrency", "1", "--burst")
    with shell.process(*process) as started:
        _, err = started.communicate(timeout=60)
    assert ExitCode.USAGE == started.returncode
    assert re.search(r"^taskcore: 3 child processes in a row did not come up\..*ZeroDivisionError", err, re.MULTILINE)
    assert "Traceback" not in err


@pytest.mark.parity("C35-10")
def test_two_tasks_of_one_name_are_refused(shell: Shell, root_logger) -> None:
    """Which of them runs would be chance."""
    (shell.folder / "other_tasks.py").write_text(
        "from taskcore import task\n@task(name='shop_tasks.add')\ndef plus(a: int) -> int:\n    return a\n",
        encoding="utf-8",
    )
    done = shell("worker", "--tasks", "shop_tasks", "other_tasks", "--burst")
    assert ExitCode.USAGE == done.code
    assert "another task named 'shop_tasks.add'" in done.err


# The command line itself


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("bogus",),
        ("tasks", "--limit", "0"),
        ("tasks", "--limit", "9" * 30),
        ("tasks", "--limit", "9" * 5000),
        ("tasks", "--state", "lost"),
        ("tasks", "--since", "yesterday"),
        ("tasks", "--newer-than", "5 parsecs"),
        ("worker",),
        ("worker", "--tasks", "shop_tasks", "--max-memory-per-child", "500"),
        ("worker", "--tasks", "shop_tasks", "--max-memory-per-child", "0M"),
        ("show",),
    ],
)
def test_command_line_that_cannot_be_read(shell: Shell, arguments, capsys: pytest.CaptureFixture[str]) -> None:
    """Ends with 2, with the usage."""
    with pytest.raises(SystemExit) as caught:
        shell(*arguments)
    assert (2, True) == (caught.value.code, "usage: taskcore" in capsys.readouterr().err)


def test_help_lists_commands_and_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    """Every exit code that there is stands in the help."""
    with contextlib.suppress(SystemExit):
        make_parser().parse_args(["--help"])
    text = capsys.readouterr().out
    listed = {int(code) for code in re.findall(r"^  (\d+) ", text, re.MULTILINE)}
    assert {code.value for code in ExitCode} == listed


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """As the package says."""
    with contextlib.suppress(SystemExit):
        make_parser().parse_args(["--version"])
    assert f"taskcore {__version__}\n" == capsys.readouterr().out


def test_interrupt_is_told_by_the_code(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends with 130, and without a traceback."""

    def interrupted(self) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Client, "stats", interrupted)
    assert ExitCode.INTERRUPTED == shell("status").code


def test_broken_pipe_is_quiet(shell: Shell) -> None:
    """Whoever reads only the first line breaks the pipe; that ends the command without a word."""
    with shell.client() as client:
        client.enqueue_many(add.bind(n) for n in range(3000))
    process = shell.process("tasks", "--all", "--json")
    assert process.stdout is not None
    assert process.stderr is not None
    with process:
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
    assert (ExitCode.BROKEN_PIPE, "") == (process.returncode, said)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_output_that_cannot_be_written_is_one_line(shell: Shell) -> None:
    """A full disk under the output is no fault of the store's, and no traceback."""
    with Path("/dev/full").open("w") as full, shell.process("status", stdout=full) as process:
        _out, err = process.communicate(timeout=60)
    assert (ExitCode.BROKEN_PIPE, 1) == (process.returncode, len(err.splitlines()))
    assert "cannot be written" in err


def test_closed_output_does_not_keep_a_command_from_its_work(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell that closes the output (``>&-``) leaves none to write to."""
    with shell.client() as client:
        handle = client.enqueue(add, 1)
    monkeypatch.setattr("sys.stdout", None)
    assert ExitCode.DONE == main(["--url", shell.url, "cancel", handle.id])
    with shell.client() as client:
        assert State.CANCELLED is client.get(handle.id).state


def test_words_of_tasks_do_not_drive_the_terminal(shell: Shell) -> None:
    """Escape sequences and the like in names and messages are shown, not obeyed."""

    @task
    def hostile() -> None:
        raise ValueError("\x1b[31mred\x9b2J \u202e turned \x07")

    with shell.client() as client:
        handle = client.enqueue(hostile)
        Worker(client, [hostile]).drain()
    out = shell("show", handle.id).out
    assert "\\x1b[31mred\\x9b2J \\u202e turned \\x07" in out
    assert [] == [one for one in out if not one.isprintable() and one != "\n"]


@pytest.mark.parametrize("is_json", [False, True])
def test_an_output_without_unicode_gets_escapes(shell: Shell, is_json: bool) -> None:
    """As where LC_ALL=C; JSON stays JSON."""
    with shell.client() as client:
        client.enqueue(add.using(queue_name="größe"), 1)
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    assert ExitCode.DONE == main(["--url", shell.url, *(["--json"] if is_json else []), "queues"], out=out)
    out.flush()
    text = raw.getvalue().decode("ascii")
    assert "größe" in (json.loads(text)["name"] if is_json else text.encode().decode("unicode_escape"))


def test_module_runs_as_a_program(shell: Shell) -> None:
    """`python -m taskcore` is the command, with its exit code."""
    with shell.process("show", NOBODY) as process:
        out, err = process.communicate(timeout=60)
    assert (ExitCode.NOTHING_MATCHED, "", True) == (process.returncode, out, err.startswith("taskcore: "))


def test_table_is_aligned() -> None:
    """Numbers stand to the right, nothing is cut off, absent values are a dash, lines stay one line."""
    assert ["NAME    COUNT  NOTE", "a       1,000  -", "longer      2  b c"] == table_lines(
        ("NAME", "COUNT", "NOTE"), [("a", 1000, None), ("longer", 2, "b\nc")]
    )
