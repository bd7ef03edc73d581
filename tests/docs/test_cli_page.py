"""The page of the command line: what it shows is what the commands print, and nothing is left out.

The page's program makes a store; then its shell lines are typed one after the other into one shell. Ids, moments and
durations differ from run to run, so lines are compared without their numbers.
"""

import argparse
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from taskcore._cli._exit import ExitCode
from taskcore._cli._parser import make_parser
from tests.docs.markdown_blocks import ROOT, blocks_of
from tests.docs.test_code_blocks import runnable, save_files, source_of
from tests.unit.cli_bench import install_adapters

PAGE = ROOT / "docs" / "cli.md"
TEXT = PAGE.read_text(encoding="utf-8")
END = "@@end"
FOLDER, HOST = "/srv/shop", "shop-1"
COMMON = {"--help", "-h", "--url", "--json"}


@attrs.frozen
class Typed:
    """A line that is typed, and what the page shows below it."""

    command: str
    shown: tuple[str, ...]


def typed() -> list[Typed]:
    found: list[Typed] = []
    for block in blocks_of(PAGE, frozenset({"console"})):
        for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            found.append(Typed(command, tuple(shown.rstrip().splitlines())))
    return found


def shape(line: str) -> str:
    """Return a line without ids, numbers, durations, and the widths of columns."""
    line = re.sub(r"\b[0-9a-f]{32}\b", "<id>", line)
    line = re.sub(r"\d[\d.,:T+-]*(?: (?:ms|s|min|h|d)\b)*", "#", line)
    line = re.sub(r"#(?: #)+", "#", line)
    return re.sub(r"\s+", " ", line).strip()


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Type all lines of the page, and give what each of them printed."""
    if shutil.which("sh") is None:
        pytest.skip("the page is written for a POSIX shell")
    folder = tmp_path_factory.mktemp("cli_page")
    program = folder / "cli_page.py"
    program.write_text(source_of(runnable(PAGE)), encoding="utf-8")
    save_files(PAGE, folder)
    install_adapters(folder)
    command = folder / "bin" / "taskcore"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m taskcore "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    environment = {
        # The page's workers count as alive for half a minute: no time for measuring coverage in each command.
        **{name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")},
        "PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT / "src")]),
        "PYTHONIOENCODING": "utf-8",
    }
    subprocess.run([sys.executable, program.name], cwd=folder, env=environment, check=True, timeout=60)
    script = "".join(f"{line.command}\necho '{END}'\n" for line in typed())
    done = subprocess.run(
        ["sh"],
        input=f"exec 2>&1\n{script}",
        cwd=folder,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=100,
        check=False,
    )
    printed = done.stdout.replace(str(folder), FOLDER).replace(socket.gethostname(), HOST)
    return printed.split(f"{END}\n")[:-1]


def test_what_is_shown_is_what_is_printed(answers: list[str]) -> None:
    """Below each command stands what it prints; `…` stands for the rest of a line, or by itself for some lines."""
    assert len(typed()) == len(answers)
    wrong = {
        line.command: answer
        for line, answer in zip(typed(), answers, strict=True)
        if not is_like([shape(one) for one in line.shown], [shape(one) for one in answer.splitlines()])
    }
    assert {} == wrong


def is_like(shown: list[str], printed: list[str]) -> bool:
    if not shown:
        return not printed
    if shown[0] == "…":
        return any(is_like(shown[1:], printed[start:]) for start in range(len(printed) + 1))
    if not printed:
        return False
    beginning, dots, _ = shown[0].partition("…")
    is_first = printed[0].startswith(beginning) if dots else shown[0] == printed[0]
    return is_first and is_like(shown[1:], printed[1:])


def test_a_wrong_output_is_noticed() -> None:
    """Numbers may differ and lines be left out where the page says so; words may not differ."""
    assert is_like(["a #", "…", "b"], [shape("a 12.5"), "x", "y", "b"])
    assert is_like(["a #…"], [shape("a 12.5 b")])
    assert not is_like(["a #"], [shape("b 12.5")])
    assert not is_like(["a"], ["a", "b"])


def commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the subcommands of a parser by name."""
    return {
        name: command
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
        for name, command in action.choices.items()
    }


def section(title: str) -> str:
    """Return the text of the page below a title, to the next one of the same level."""
    match = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert match is not None, f"there is no section {title!r}"
    return match[1]


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    """Return the long options of one command, and of its actions."""
    own = {option for action in parser._actions for option in action.option_strings if option.startswith("--")}
    return own.union(*map(options_of, commands(parser).values()))


@pytest.mark.parametrize("name", commands(make_parser()))
def test_every_command_has_its_section(name: str) -> None:
    """A command's section shows a call of it, names each of its options and actions, and nothing that it has not."""
    parser = commands(make_parser())[name]
    text = section(name)
    filters = set(re.findall(r"`(--[a-z-]+)", section("Which tasks")))
    assert re.search(rf"^\$ taskcore(?: --json)? {name}\b", text, re.MULTILINE)
    named = set(re.findall(r"(--[a-z][a-z-]*)", text))
    own = options_of(parser) - COMMON
    assert set() == own - named - (filters if "Which tasks" in text else set())
    assert set() == named - own - COMMON - filters
    assert [] == [
        action for action in commands(parser) if not re.search(rf"^\$ taskcore {name} {action}\b", text, re.MULTILINE)
    ]


def test_filters_are_those_of_the_commands() -> None:
    """The section about filters names those that commands take, no more and no fewer."""
    own = {"--oldest-first", "--limit", "--all"}
    assert options_of(commands(make_parser())["tasks"]) - COMMON - own == set(
        re.findall(r"`(--[a-z-]+)", section("Which tasks"))
    )


def test_exit_codes_are_all_there() -> None:
    """The table has a row for each exit code, and only for those."""
    rows = re.findall(r"^\| (\d+) \|", section("Exit codes"), re.MULTILINE)
    assert [code.value for code in ExitCode] == [int(row) for row in rows]


def test_page_is_found() -> None:
    """The page shows commands at all."""
    assert len(typed()) > 10
    assert Path(PAGE).is_file()
