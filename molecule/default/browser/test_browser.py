"""What a person sees in a browser: the web interface at the floating address, and the health page as a file."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from lab.hosts.plan import Lab
from tests.drift.play import run

# No proxy, and none of a browser's own errands.
SWITCHES = (
    "--headless=new",
    "--no-sandbox",  # there is none for root
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--no-first-run",
)
PATIENCE = 60.0  # for a page on a busy machine
PHONE = 390  # pixels
FINDS_LOGIN = (By.ID, "login_form")


class Visitor:
    """A browser of one person, with all that it logged and asked for."""

    def __init__(self, home: Path, address: str, ca: str | None) -> None:
        """Start with a home of its own, where the CA is trusted if given; it gets to this address and no other."""
        authorities = home / ".pki" / "nssdb"
        authorities.mkdir(parents=True)
        certutil("-N", "--empty-password", store=authorities)
        if ca is not None:
            certutil("-A", "-n", "cloud", "-t", "C,,", "-i", ca, store=authorities)
        options = ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        own = (f"--user-data-dir={home / 'profile'}", f"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE {address}")
        for switch in (*SWITCHES, *own):
            options.add_argument(switch)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        service = Service("/usr/bin/chromedriver", env={**environment, "HOME": str(home)})
        self.driver = Chrome(options, service)
        self.driver.set_page_load_timeout(PATIENCE)

    def close(self) -> None:
        """End the browser and its driver."""
        self.driver.quit()

    def wait_for(self, *where: str) -> Any:
        """Give the element when it is there."""
        return WebDriverWait(self.driver, PATIENCE).until(lambda driver: driver.find_element(*where))

    def wait_until(self, condition: str) -> None:
        """Wait for an expression of the page to be true."""
        WebDriverWait(self.driver, PATIENCE).until(lambda driver: driver.execute_script(f"return {condition}"))

    def log_in(self, user: str, password: str) -> None:
        """Fill the form and send it."""
        self.wait_for(*FINDS_LOGIN)
        for field, text in (("username", user), ("password", password)):
            self.driver.find_element(By.ID, field).send_keys(text)
        self.driver.find_element(By.ID, "login_btn").click()

    def errors(self) -> list[str]:
        """Give what the console complained of since it was last asked."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]

    def asked(self) -> list[str]:
        """Give every address that was asked for since this was last asked."""
        events = (json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance"))
        return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]


def certutil(*arguments: str, store: Path) -> None:
    """Edit the store of certificates that Chromium reads in a person's home."""
    subprocess.run(["certutil", "-d", f"sql:{store}", *arguments], check=True, capture_output=True, text=True)


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory, cloud: Any) -> Iterator[Callable[[str | None], Visitor]]:
    """Start browsers, and end them."""
    visitors = []

    def start(ca: str | None) -> Visitor:
        visitors.append(Visitor(tmp_path_factory.mktemp("home"), cloud.address, ca))
        return visitors[-1]

    yield start
    for visitor in visitors:
        visitor.close()


@pytest.fixture(scope="module")
def visitor(visit: Callable[[str | None], Visitor], cloud: Any) -> Visitor:
    """Somebody who trusts the cloud's CA."""
    return visit(cloud.ca)


@pytest.fixture(scope="module")
def page(inventory: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the cloud as it is."""
    path = tmp_path_factory.mktemp("health") / "cloud.html"
    run("playbooks/health.yml", inventory, "-e", f"health_report={path}").must_succeed()
    return path


@pytest.fixture(scope="module")
def reader(visit: Callable[[str | None], Visitor], page: Path) -> Visitor:
    """Somebody who opens the file."""
    visitor = visit(None)
    visitor.driver.get(page.as_uri())
    return visitor


class TestWebInterface:
    """The login at the floating address."""

    def test_who_does_not_trust_the_ca_is_warned(self, visit: Callable[[str | None], Visitor], cloud: Any) -> None:
        """So that the trust of the other tests means something."""
        stranger = visit(None)
        stranger.driver.get(cloud.web)
        assert stranger.driver.title == "Privacy error"
        assert stranger.driver.find_elements(*FINDS_LOGIN) == []

    def test_a_wrong_password_stays_at_the_login(self, visitor: Visitor, cloud: Any, session: str) -> None:
        """With a message; and the page behind it is still closed."""
        visitor.driver.get(cloud.web)
        assert visitor.errors() == []
        visitor.log_in(session.partition(":")[0], "not the password")
        visitor.wait_until("document.getElementById('error_box').innerText.trim() !== ''")
        assert "Wrong user or password" in visitor.driver.find_element(By.ID, "error_box").text
        assert visitor.driver.find_element(*FINDS_LOGIN).is_displayed()
        visitor.driver.get(cloud.web)
        visitor.wait_for(*FINDS_LOGIN)

    def test_a_person_logs_in_and_out(self, visitor: Visitor, cloud: Any, session: str, lab: Lab) -> None:
        """The page behind the login shows the user and the nodes; the console is clean, and no other host is asked."""
        user, _, password = session.partition(":")
        visitor.driver.get(cloud.web)
        visitor.errors(), visitor.asked()
        visitor.log_in(user, password)
        visitor.wait_until("typeof csrftoken === 'string'")
        assert visitor.driver.find_element(By.ID, "user").text == user
        visitor.wait_until("document.getElementById('hosts').textContent !== ''")
        shown = visitor.driver.find_element(By.ID, "hosts").text.split(", ")
        assert sorted(shown) == sorted(host.name for host in lab.of("nodes"))
        (cookie,) = visitor.driver.get_cookies()
        assert (cookie["secure"], cookie["httpOnly"]) == (True, True)

        visitor.driver.find_element(By.ID, "logout").click()
        visitor.wait_for(*FINDS_LOGIN)
        visitor.driver.get(cloud.web)
        visitor.wait_for(*FINDS_LOGIN)
        assert visitor.errors() == []
        asked = [url for url in visitor.asked() if not url.startswith("data:")]
        assert f"{cloud.web}/login" in asked
        assert {(urlsplit(url).scheme, urlsplit(url).netloc) for url in asked} == {("https", cloud.address)}


class TestHealthPage:
    """The page that `health.yml -e health_report=cloud.html` writes."""

    def test_every_machine_has_its_verdict(self, reader: Visitor, lab: Lab) -> None:
        """In the table, and in the picture by name; machines of no group of the collection have none."""
        groups = {"frontends", "sunstones", "balancers", "caches", "nodes"}
        wanted = {host.name: "healthy" for host in lab.hosts if host.groups & groups}
        assert len(wanted) == 9
        assert verdicts(reader) == wanted
        drawn = reader.driver.find_element(By.CSS_SELECTOR, "figure svg").text.split()
        assert set(wanted) - set(drawn) == set()

    def test_nothing_is_complained_of_and_nobody_asked(self, reader: Visitor, page: Path) -> None:
        """One file, opened once; what is in it as data is no request."""
        reader.asked()
        reader.driver.refresh()
        assert reader.errors() == []
        assert [url for url in reader.asked() if not url.startswith("data:")] == [page.as_uri()]

    def test_it_fits_a_phone(self, reader: Visitor, lab: Lab) -> None:
        """The page is not scrolled sideways, and says the same."""
        before = verdicts(reader)
        screen: Mapping[str, object] = {"width": PHONE, "height": 844, "deviceScaleFactor": 2, "mobile": False}
        reader.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", dict(screen))
        sizes = "const page = document.documentElement; return [innerWidth, page.scrollWidth - page.clientWidth]"
        assert reader.driver.execute_script(sizes) == [PHONE, 0]
        assert verdicts(reader) == before


def verdicts(reader: Visitor) -> dict[str, str]:
    """Read machine and verdict from the table, as far as a person sees them."""
    rows = reader.driver.find_elements(By.CSS_SELECTOR, "tr:has(td[data-is=Machine])")
    return {
        row.find_element(By.CSS_SELECTOR, "td[data-is=Machine]").text: row.find_element(
            By.CSS_SELECTOR, "td[data-is=Health]"
        ).text
        for row in rows
    }
