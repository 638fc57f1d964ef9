"""Nothing in a file that somebody uploaded is run by a browser, or loads anything: previewed, opened or included."""

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import RunningServer, serve
from tests.server.api.native import Native

PAGE = """<!doctype html><title>report</title><style>p {{ color: rgb(1, 2, 3) }}</style><p>a report</p>
<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=" onerror="parent.document.title = 'owned'">
<img src="{trap}/image"><link rel=stylesheet href="{trap}/style"><script src="{trap}/script"></script>
<iframe src="{trap}/frame"></iframe><object data="{trap}/object"></object><base href="{trap}/">
<meta http-equiv="refresh" content="0; url={trap}/refresh">
<form action="{trap}/form" id=f><input autofocus onfocus="f.submit()"></form>
<svg onload="document.title = 'owned'"><script>document.title = 'owned'</script></svg>
<script>document.title = 'owned'; fetch('/api/v1/models', {{method: 'POST', body: '{{"name":"owned"}}'}})</script>
"""
SVG = """<svg xmlns="http://www.w3.org/2000/svg" onload="document.title = 'owned'"><script>
document.title = 'owned'; top.document.title = 'owned';
fetch('/api/v1/models', {method: 'POST', body: '{"name":"owned"}'})
</script></svg>"""
SCRIPT = "document.title = 'owned'; export {}"


class Trap:
    """Somebody else's server, who notes that it was asked."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.asked: list[bytes] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            with client:
                if line := client.recv(1000).partition(b"\r\n")[0]:  # else Chromium only connected in advance
                    self.asked.append(line)

    def close(self) -> None:
        self._listening.close()


@pytest.fixture(scope="module")
def trap() -> Iterator[Trap]:
    made = Trap()
    yield made
    made.close()


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory, trap: Trap) -> Iterator[tuple[RunningServer, str]]:
    """A server whose UI includes the files of a run as frames, pictures, scripts and styles."""
    root = tmp_path_factory.mktemp("hostile")
    (root / "ui").mkdir()
    index = root / "ui" / "index.html"
    index.write_text("not yet")
    for server in serve(root / "data", ui=str(root / "ui"), controller=False):
        native = Native(server.url)
        files = f"/runs/{native('POST', '/runs', {'experiment_id': 0})['run_id']}/artifacts"
        bodies = {
            "page.html": PAGE.format(trap=trap.url), "page.svg": SVG, "page.xhtml": SVG, "page.xml": SVG,
            "a.js": SCRIPT, "b.mjs": SCRIPT, "c.css": f"p {{ background: url({trap.url}/css) }}",
        }  # fmt: skip
        for name, body in bodies.items():
            assert native.ask("PUT", f"{files}/{name}", body.encode()).status == 201
        below = f"/api/v1{files}"
        index.write_text(
            "<!doctype html><title>ours</title><p>ours</p>"
            f'<iframe id=safe sandbox src="{below}/page.html?preview=true"></iframe>'
            f'<iframe id=bare src="{below}/page.html?preview=true"></iframe>'
            f'<iframe src="{below}/page.svg?preview=true"></iframe>'
            f'<img src="{below}/page.svg"><img src="{below}/page.svg?preview=true">'
            f'<script src="{below}/a.js"></script><script type=module src="{below}/b.mjs"></script>'
            f'<link rel=stylesheet href="{below}/c.css">'
        )
        yield server, below


def titles(page: Any) -> set[str]:
    return {frame.title() for frame in page.frames} - {""}


def test_in_a_page_of_ours(browser: Any, hostile: tuple[RunningServer, str], trap: Trap) -> None:
    server, _ = hostile
    page = browser.new_page(base_url=server.url)
    page.goto("/", wait_until="load")
    for name in ("safe", "bare"):
        shown = page.frame_locator(f"#{name}").locator("p")
        shown.wait_for()
        assert shown.inner_text() == "a report"
    page.wait_for_timeout(300)
    assert "owned" not in titles(page)
    assert page.title() == "ours"
    page.close()
    assert trap.asked == []
    assert Native(server.url)("GET", "/models")["models"] == []


@pytest.mark.parametrize("name", ["page.html", "page.svg"])
def test_opened_as_a_page_of_its_own(browser: Any, hostile: tuple[RunningServer, str], trap: Trap, name: str) -> None:
    server, below = hostile
    page = browser.new_page(base_url=server.url)
    page.goto(f"{below}/{name}?preview=true", wait_until="load")
    page.wait_for_timeout(300)
    assert "owned" not in titles(page)
    assert [asked for asked in trap.asked if b"refresh" not in asked] == []
    page.close()
    assert Native(server.url)("GET", "/models")["models"] == []


@pytest.mark.parametrize("name", ["page.html", "page.svg", "page.xhtml", "page.xml"])
def test_downloaded(browser: Any, hostile: tuple[RunningServer, str], name: str) -> None:
    server, below = hostile
    page = browser.new_page(base_url=server.url)
    page.goto("/version")
    with page.expect_download() as download:
        page.evaluate("path => { location.href = path }", f"{below}/{name}")
    assert download.value.suggested_filename == name
    assert page.url == f"{server.url}/version"
    page.close()
