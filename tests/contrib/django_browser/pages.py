"""What a person does with the pages: go, look, click, fill in, and wait until something is there."""

from __future__ import annotations

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

WAIT = 30
"""Seconds that a page has to become what it should."""

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--lang=en-US",
    "--window-size=1440,900",
)


class Browser:
    """A browser at a site."""

    def __init__(self, address, program, driver, profile):
        options = ChromeOptions()
        options.binary_location = program
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.add_experimental_option("prefs", {"intl.accept_languages": "en-US"})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.address = address
        self.driver = Chrome(options=options, service=Service(driver))

    def log_in(self, name, password):
        self.go("/admin/login/")
        self.fill("username", name)
        self.fill("password", password)
        self.click("input[type=submit]")
        self.until(lambda: self.has("#user-tools"))

    def go(self, path):
        self.driver.get(f"{self.address}{path}")

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def has(self, selector):
        return bool(self.all(selector))

    def one(self, selector):
        self.until(lambda: self.has(selector), selector)
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector):
        return self.one(selector).text

    def button(self, words):
        """The button or link that says so, when it is there."""
        path = f"//*[self::button or self::a][normalize-space()='{words}'] | //input[@value='{words}']"
        found = self.driver.find_elements(By.XPATH, path)
        return found[0] if found else None

    def press(self, words):
        """Press the button that says so, once it is there, and wait for the page that follows."""
        self.until(lambda: self.button(words), words)
        self._follow(self.button(words))

    def click(self, selector):
        """Click, and wait for the page that follows."""
        self._follow(self.one(selector))

    def _follow(self, element):
        self.driver.execute_script("window.taskcoreOld = true")
        element.click()
        self.until(lambda: not self.run("return window.taskcoreOld") and self.is_loaded(), "another page")

    def is_loaded(self):
        return self.run("return document.readyState") == "complete"

    def fill(self, name, text):
        field = self.one(f"[name={name}]")
        field.clear()
        field.send_keys(text)

    def choose(self, name, value):
        Select(self.one(f"[name={name}]")).select_by_value(value)

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def until(self, condition, what=""):
        """Wait for a condition, and return what it gave; elements that are replaced meanwhile are looked for again."""
        wait = WebDriverWait(
            self.driver, WAIT, poll_frequency=0.05, ignored_exceptions=[StaleElementReferenceException]
        )
        return wait.until(lambda _driver: condition(), f"not within {WAIT} s: {what} at {self.driver.current_url}")

    def complaints(self):
        """What the console has said of scripts and of the policy since it was asked last; answers may be refusals."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["source"] != "network"]

    def emulate(self, **features):
        """Prefer what is named, as ``prefers_color_scheme="dark"``; without any what is usual."""
        wanted = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": wanted})

    def picture(self, path, height=900):
        """Take a picture of the page, at most so high."""
        wanted = self.run("return document.querySelector('#container').scrollHeight")
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": 1440, "height": max(600, min(height, wanted)), "deviceScaleFactor": 1, "mobile": False},
        )
        self.run("window.scrollTo(0, 0); document.activeElement.blur()")
        self.driver.save_screenshot(str(path))
        self.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    def scripts(self, *, are_on):
        """Switch JavaScript on or off, from the next page on."""
        self.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not are_on})


class TaskPage:
    """The page of one task."""

    def __init__(self, browser):
        self.browser = browser

    def cell(self, name):
        return self.browser.text(f"#content-main [data-taskcore-cell={name}]")

    @property
    def state(self):
        return self.cell("state").split(maxsplit=1)[-1]

    @property
    def done(self):
        """How many steps are done, by the progress bar's words; 0 without any."""
        found = self.browser.all("[data-taskcore-cell=progress] .taskcore-amount")
        return int(found[0].text.split("/")[0]) if found else 0

    def wait_for(self, state):
        """Wait until the page shows a state by itself."""
        self.browser.until(lambda: self.state == state, f"the state {state}")

    def reload_until(self, state):
        """Look again and again until the page shows a state."""

        def is_there():
            self.browser.driver.refresh()
            return self.state == state

        self.browser.until(is_there, f"the state {state}")

    def stop(self):
        """Stop it, and say that it is meant."""
        self.browser.press("Stop")
        self.browser.press("Yes: Stop")


def start_harvest(browser, *, keywords="bovin, porcin", region="", prefecture="", pause="0.5"):
    """Start a harvest through its form; return its page."""
    browser.go("/admin/taskcore/task/start/")
    browser.press("harvest")
    browser.fill("keywords", keywords)
    browser.choose("region", region)
    browser.choose("prefecture", prefecture)
    browser.fill("pause", pause)
    browser.press("Start Task")
    return TaskPage(browser)
