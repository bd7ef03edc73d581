"""The Lua scripts as files: each says what it is given, what it answers and what it costs."""

from __future__ import annotations

from importlib.resources import files
from itertools import takewhile

import pytest

FILES = sorted(path.name for path in (files("taskcore_backends.redis") / "lua").iterdir() if path.name.endswith(".lua"))


def head(name):
    lines = (files("taskcore_backends.redis") / "lua" / name).read_text("utf-8").splitlines()
    return "\n".join(takewhile(lambda line: line.startswith("--"), lines))


def is_script(name):
    return head(name).startswith("-- uses:")


@pytest.mark.parametrize("name", [name for name in FILES if is_script(name)])
def test_a_script_says_keys_arguments_reply_and_complexity(name):
    """Who calls it, and who reads the server's slow log, finds all four at its head."""
    assert [] == [word for word in ("KEYS: ", "ARGV: ", "Reply: ", "Complexity: ") if word not in head(name)]


def test_parts_are_no_scripts():
    """What is joined in front of scripts says what it is for; most of the files are scripts."""
    parts = [name for name in FILES if not is_script(name)]
    assert [] == [name for name in parts if len(head(name)) < 40]
    assert 25 <= len(FILES) - len(parts)
