"""Writes the tables of settings in the documentation from the settings: `make docs`."""

from dataclasses import fields
from pathlib import Path

from modelyard.settings import CLIENT, GatewaySettings, ServeSettings, Settings
from tests.architecture.source import ROOT

PAGE = ROOT / "docs" / "settings.md"
SERVING_PAGE = ROOT / "docs" / "serving.md"
GATEWAY_PAGE = ROOT / "docs" / "gateway.md"
CLIENT_PAGE = ROOT / "docs" / "client.md"
MARKS = {
    PAGE: ("<!-- settings: written by `make docs` -->", "<!-- end of settings -->"),
    SERVING_PAGE: ("<!-- settings: written by `make docs` -->", "<!-- end of settings -->"),
    GATEWAY_PAGE: ("<!-- settings: written by `make docs` -->", "<!-- end of settings -->"),
    CLIENT_PAGE: ("<!-- settings of the client: written by `make docs` -->", "<!-- end of settings of the client -->"),
}


def table(kind: type[Settings | ServeSettings | GatewaySettings]) -> str:
    """One row per setting of a server, in the order of the class."""
    head = ["| variable | default | what it does |", "|---|---|---|"]
    rows = [
        f"| `{kind.PREFIX}{setting.name.upper()}` | {_shown(setting.default)} | {setting.metadata['text']} |"
        for setting in fields(kind)
    ]
    return "\n".join(head + rows)


def client_table() -> str:
    """One row per setting of the client, in the order of the module."""
    rows = ["| variable | also | default | what it does |", "|---|---|---|---|"]
    for setting in CLIENT.values():
        also = " ".join(f"`{name}`" for name in setting.also)
        rows.append(f"| `{setting.variable}` | {also} | {setting.shown or _shown(setting.default)} | {setting.text} |")
    return "\n".join(rows)


def _shown(default: object) -> str:
    text = str(default).lower() if isinstance(default, bool) else str(default)
    return f"`{text}`" if text else "empty"


def page(path: Path = PAGE) -> str:
    """The page as it should be: what people wrote, around the table."""
    begin, end = MARKS[path]
    before, _, rest = path.read_text().partition(begin)
    _, _, after = rest.partition(end)
    kind = {PAGE: Settings, SERVING_PAGE: ServeSettings, GATEWAY_PAGE: GatewaySettings}.get(path)
    return f"{before}{begin}\n{client_table() if kind is None else table(kind)}\n{end}{after}"


if __name__ == "__main__":
    for each in MARKS:
        each.write_text(page(each))
