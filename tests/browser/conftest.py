"""A real Chromium in front of a real server that has something to show.

==============  ==============================================================================================
`server`        a server with the UI and some of everything; one per file
`seeded`        what is on it: ids and names
`browser`       Chromium, one per file
`page`          an empty tab, 1280 x 800; a message on its console that says `error` fails the test
`shot`          `shot("name")` keeps a picture of the page, whole, light and dark, in the folder of screenshots
`violations`    `violations()` are the serious violations that axe finds on the page
==============  ==============================================================================================

`make browser` runs all of it, `make test` the files that `SHORT` names. Without Chromium, or without the built UI
(`make ui`), these tests are skipped. Pictures go to MODELYARD_SHOTS, else `build/screenshots`.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from modelyard.client import Client
from tests.conftest import RunningServer, serve

from .seeds import Seeded, seed

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BUILT = Path(os.environ.get("MODELYARD_UI") or ROOT / "src" / "modelyard" / "server" / "ui")
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome") or ""
SHOTS = Path(os.environ.get("MODELYARD_SHOTS") or ROOT / "build" / "screenshots")
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
HARMLESS = (
    "the server responded with a status of 4",
    "status of 503",
    "net::ERR_",
    "Blocked script execution in",
)
"""What the console calls an error and is none of the page's."""


SHORT = ("test_shell.py", "test_home.py", "test_hostile_files.py")
"""What `make test` runs: every page, looked at once, and who is hostile. With all files it would take too long."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == HERE and item.path.name not in SHORT:
            item.add_marker("browser")


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Seeded]:
    """A server's data with everything in it, to be copied."""
    if not (BUILT / "index.html").exists():
        pytest.skip("the UI is not built: make ui")
    data = tmp_path_factory.mktemp("browser") / "data"
    with contextmanager(serve)(data) as server:
        seeded = seed(Client(server.url, server.url))
    return data, seeded


@pytest.fixture(scope="module")
def server(planted: tuple[Path, Seeded], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    data = tmp_path_factory.mktemp("browser") / "data"
    shutil.copytree(planted[0], data)
    yield from serve(data, ui=str(BUILT))


@pytest.fixture(scope="module")
def seeded(planted: tuple[Path, Seeded]) -> Seeded:
    return planted[1]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One per file: while it is there, an event loop counts as running, which other files' tests could not have."""
    if not CHROMIUM:
        pytest.skip("no Chromium (Debian: apt install chromium)")
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any, server: RunningServer, seeded: Seeded) -> Iterator[Any]:
    context = browser.new_context(
        viewport={"width": 1280, "height": 800}, base_url=server.url, color_scheme="light", accept_downloads=True
    )
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.set_default_timeout(15_000)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page
    context.close()
    wrong = [each for each in said if not any(part in each for part in HARMLESS)]
    assert not wrong, wrong


@pytest.fixture
def shot(page: Any) -> Callable[[str], None]:
    def take(name: str) -> None:
        SHOTS.mkdir(parents=True, exist_ok=True)
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            page.screenshot(path=SHOTS / f"{name}-{theme}.png", animations="disabled")
        page.emulate_media(color_scheme="light")

    return take


@dataclass(frozen=True)
class Violation:
    """What axe minds.

    Attributes:
        rule: its name there.
        impact: serious or critical.
        places: where, as HTML.
    """

    rule: str
    impact: str
    places: tuple[str, ...]


@pytest.fixture
def violations(page: Any) -> Callable[[], list[Violation]]:
    axe = ROOT / "ui" / "node_modules" / "axe-core" / "axe.min.js"
    if not axe.exists():
        pytest.skip("axe-core is not installed: make ui")

    def found() -> list[Violation]:
        wrong = []
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            page.evaluate(axe.read_text())
            told = json.loads(page.evaluate("axe.run(document).then(found => JSON.stringify(found.violations))"))
            wrong += [
                Violation(
                    each["id"], each["impact"], tuple(f"{theme}: {node['html'][:300]}" for node in each["nodes"][:3])
                )
                for each in told
                if each["impact"] in ("serious", "critical")
            ]
        page.emulate_media(color_scheme="light")
        return wrong

    return found
