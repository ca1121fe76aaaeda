# SPDX-License-Identifier: GPL-2.0-only
"""Drive the distribution's Chromium without a window through its own driver."""

from __future__ import annotations

import base64
import json
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SWITCHES = (
    "--headless",
    "--no-sandbox",  # required for root
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


@dataclass(frozen=True, slots=True)
class Browser:
    """One browser with one page."""

    driver: webdriver.Chrome

    def open(self, page: Path, fragment: str = "") -> None:
        """Show a file."""
        self.driver.get("about:blank")
        self.driver.get(page.as_uri() + fragment)

    def look(
        self, *, width: int = 1280, height: int = 900, dark: bool = False, scale: float = 2
    ) -> None:
        """Set the window's size in CSS pixels, the screen's scale, and the colour scheme."""
        sizes = {"width": width, "height": height, "deviceScaleFactor": scale}
        screen = {**sizes, "mobile": width < 600}
        self.command("Emulation.setDeviceMetricsOverride", **screen)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        calm = {"name": "prefers-reduced-motion", "value": "reduce"}
        self.command("Emulation.setEmulatedMedia", features=[scheme, calm])

    def command(self, name: str, **arguments: object) -> Any:
        """Run a command of the DevTools protocol."""
        return self.driver.execute_cdp_cmd(name, arguments)

    def ask(self, script: str, *arguments: object) -> Any:
        """Return the value of an expression in the page."""
        return self.driver.execute_script(f"return {script}", *arguments)

    def picture(self, path: Path) -> Path:
        """Write the content of the window as a PNG file."""
        data = self.command("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))
        return path

    def complaints(self) -> list[str]:
        """Return the page's console: script errors, violated policies, failed loads."""
        return [entry["message"] for entry in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]

    def fetched(self) -> list[str]:
        """Return every URL requested since the last call."""
        entries = self.driver.get_log("performance")  # type: ignore[no-untyped-call]
        events = [json.loads(entry["message"])["message"] for entry in entries]
        return [
            event["params"]["request"]["url"]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        ]


@contextmanager
def browser() -> Iterator[Browser]:
    """Start Chromium; remove it and its profile afterwards."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        raise FileNotFoundError("chromium or chromedriver: apt install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for switch in (*SWITCHES, f"--user-data-dir={profile}"):
            options.add_argument(switch)
        started = webdriver.Chrome(options=options, service=Service(driver))
        try:
            yield Browser(started)
        finally:
            started.quit()
