"""An operator's hour at the admin pages, in a real browser, with a real worker behind."""

from __future__ import annotations

import re

import pytest

from tests.contrib.django_browser.conftest import what_is_missing

pytestmark = [
    pytest.mark.browser,
    pytest.mark.integration,
    pytest.mark.timeout(240),
    pytest.mark.xdist_group("browser"),
]

if what_is_missing() is None:
    from tests.contrib.django_browser.pages import TaskPage, start_harvest


@pytest.mark.parity("SCR-01", "SCR-02", "SCR-03", "SCR-06", "SCR-11", "SCR-14")
def test_a_task_is_started_watched_stopped_and_requeued(browser):
    """Started by its form, its progress moves without a reload, it stops when that is confirmed, and runs again."""
    page = start_harvest(browser, keywords="bovin, porcin, volaille")
    page.wait_for("Running")
    browser.run("window.untouched = true")
    first = browser.until(lambda: page.done, "progress")
    browser.until(lambda: page.done > first, "more progress")
    assert browser.run("return window.untouched")
    assert "/ 33" in page.cell("progress")
    browser.press("Stop")
    assert "Are you sure?" in browser.text("#content")
    browser.press("Yes: Stop")
    page.wait_for("Cancelled")
    browser.press("Requeue")
    page.wait_for("Running")
    page.stop()
    page.wait_for("Cancelled")


def shown_fields(browser):
    """The fields of the trigger that can be seen."""
    return [one.get_attribute("name") for one in browser.all(".taskcore-trigger [name]") if one.is_displayed()]


def moments(browser):
    """The next runs, as the form shows them."""
    return [line.text for line in browser.all(".taskcore-preview-next li")]


def test_a_schedule_shows_the_fields_of_its_trigger_and_when_it_fires(browser):
    """Another trigger shows its own fields and other moments at once; what is saved is what was shown."""
    browser.go("/admin/taskcore/schedule/")
    browser.press("nightly harvest")
    nightly = browser.until(lambda: len(moments(browser)) == 5 and moments(browser), "five runs")
    assert ["expression"] == shown_fields(browser)
    browser.choose("kind", "every")
    assert ["every_count", "every_unit", "anchor"] == shown_fields(browser)
    browser.until(lambda: len(moments(browser)) == 5 and moments(browser) != nightly, "other runs")
    browser.fill("every_count", "90")
    browser.choose("every_unit", "minutes")
    browser.until(lambda: "every 90 minutes" in browser.text(".taskcore-preview-words"), "the new words")
    browser.press("Save and continue editing")
    assert "every 90 minutes" in browser.text(".field-trigger .readonly")
    assert 5 == len(browser.all(".field-next_five li"))


def test_an_impossible_trigger_is_refused_while_it_is_typed(browser):
    """An expression that never fires is said to be so before anything is saved."""
    browser.go("/admin/taskcore/schedule/add/")
    browser.choose("kind", "cron")
    browser.fill("expression", "0 0 30 2 *")
    browser.until(lambda: browser.has(".taskcore-preview.taskcore-impossible"), "the refusal")
    browser.until(lambda: "30 2" in browser.text(".taskcore-preview-words"), "what is impossible")


def test_focus_stays_where_it_is_while_the_page_moves(browser):
    """The button that has the focus keeps it while the cells around it change."""
    page = start_harvest(browser)
    page.wait_for("Running")
    browser.until(lambda: browser.button("Stop"), "Stop")
    browser.run("arguments[0].focus(); window.focused = document.activeElement", browser.button("Stop"))
    first = browser.until(lambda: page.done, "progress")
    browser.until(lambda: page.done > first, "more progress")
    assert browser.run("return document.activeElement === window.focused && window.focused.isConnected")
    page.stop()
    page.wait_for("Cancelled")


def test_a_new_state_is_announced(browser):
    """A region that screen readers listen to says which task is in which state now."""
    start_harvest(browser, keywords="ovin", region="Corse", pause="2.5")
    region = browser.one("#taskcore-live")
    assert ("status", "polite") == (region.get_attribute("role"), region.get_attribute("aria-live"))
    browser.until(lambda: "harvest: Successful" in region.get_attribute("textContent"), "the announcement")


def test_a_list_moves_by_one_question_for_all_rows(browser):
    """The list asks for all visible tasks at once, and shows a new task's progress without a reload."""
    start_harvest(browser)
    browser.go("/admin/taskcore/task/")
    browser.run("window.untouched = true")
    before = browser.text("#result_list tbody tr:first-child .field-progress_bar")
    browser.until(
        lambda: browser.text("#result_list tbody tr:first-child .field-progress_bar") != before, "another progress"
    )
    assert browser.run("return window.untouched")
    asked = browser.run(
        "return performance.getEntriesByType('resource').map(one => one.name).filter(one => one.includes('/live/'))"
    )
    rows = len(browser.all("#result_list tbody tr"))
    assert {rows} == {len(url.partition("ids=")[2].split("%2C")) for url in asked}
    page = TaskPage(browser)
    page.stop()
    browser.until(lambda: "Cancelled" in browser.text("#result_list tbody tr:first-child .field-state"), "its end")


def test_all_of_it_works_without_javascript(browser):
    """Start, look, stop, and choose a trigger: forms and links do it all when scripts are off."""
    browser.scripts(are_on=False)
    try:
        page = start_harvest(browser)
        page.reload_until("Running")
        page.stop()
        page.reload_until("Cancelled")
        browser.go("/admin/taskcore/schedule/add/")
        browser.choose("kind", "every")
        browser.press("Show the fields of the chosen trigger")
        assert ["every_count", "every_unit", "anchor"] == shown_fields(browser)
    finally:
        browser.scripts(are_on=True)


def test_the_console_tells_of_a_page_that_breaks_the_policy(chromium):
    """The site's own page has a style in itself, which is refused and said: the tests above would fail of one."""
    chromium.go("/")
    assert any("Content Security Policy" in message for message in chromium.complaints())


def light(browser, what):
    """How light the colour of the page's background or text is, 0 to 255."""
    colour = browser.run(f"return getComputedStyle(document.body).{what}")
    return sum(float(part) for part in re.findall(r"[\d.]+", colour)[:3]) / 3


def test_pages_follow_the_colours_that_are_preferred(browser, pictures):
    """Light text on a dark page for those who want it so, and the other way round; with pictures of both."""
    page = start_harvest(browser, keywords="bovin, porcin, volaille", pause="0.3")
    browser.until(lambda: page.done >= 9, "some progress")
    browser.picture(pictures / "admin-detail.png", 1200)
    browser.go("/admin/taskcore/task/start/?task=market.tasks.harvest")
    browser.picture(pictures / "admin-start.png")
    browser.go("/admin/taskcore/schedule/add/")
    browser.fill("name", "harvest on working days")
    browser.choose("task_name", "market.tasks.harvest")
    browser.fill("positional", '[["bovin", "porcin"]]')
    browser.fill("keywords", '{"region": "Bretagne"}')
    browser.choose("kind", "cron")
    browser.fill("expression", "30 3 * * 1-5")
    browser.until(lambda: "03:30" in browser.text(".taskcore-preview-words"), "the words")
    browser.picture(pictures / "admin-schedule.png", 1500)
    browser.go("/admin/taskcore/task/")
    browser.picture(pictures / "admin-list.png")
    assert light(browser, "color") < light(browser, "backgroundColor")
    browser.emulate(prefers_color_scheme="dark")
    try:
        browser.picture(pictures / "admin-dark.png")
        assert light(browser, "color") > light(browser, "backgroundColor")
    finally:
        browser.emulate()
