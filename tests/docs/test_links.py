"""Links between the README and the pages lead somewhere, also for who reads them in the repository."""

import re
from pathlib import Path

import pytest

from tests.docs.markdown_blocks import PAGES, ROOT

LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
FENCED = re.compile(r"^(`{3,}|~{3,}).*?^\1 *$", re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Return what the headings of a page are reached by: lower case, words joined by hyphens, no punctuation."""
    headings = re.findall(r"^#{1,6} (.+)$", FENCED.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    """Each relative link names a file, and a heading of it."""
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    broken = []
    for target, anchor in LINK.findall(text):
        file = (page.parent / target).resolve() if target else page
        if not file.is_file() or (anchor and anchor not in anchors(file)):
            broken.append(f"{target}#{anchor}")
    assert [] == broken


def test_a_broken_link_is_noticed(tmp_path: Path) -> None:
    """A file or a heading that is not there is found out."""
    page = tmp_path / "page.md"
    page.write_text("# One `two`, three\n\n[a](#one-two-three) [b](other.md)\n")
    assert {"one-two-three"} == anchors(page)
    with pytest.raises(AssertionError, match="other"):
        test_links_lead_somewhere(page)
