"""Writes the table of docs/settings.md from `Settings`: `make docs`."""

from dataclasses import fields

from modelyard.settings import PREFIX, Settings
from tests.architecture.source import ROOT

PAGE = ROOT / "docs" / "settings.md"
BEGIN, END = "<!-- settings: written by `make docs` -->", "<!-- end of settings -->"


def table() -> str:
    """One row per setting, in the order of the class."""
    rows = ["| variable | default | what it does |", "|---|---|---|"]
    for setting in fields(Settings):
        default = str(setting.default).lower() if isinstance(setting.default, bool) else str(setting.default)
        shown = f"`{default}`" if default else "empty"
        rows.append(f"| `{PREFIX}{setting.name.upper()}` | {shown} | {setting.metadata['text']} |")
    return "\n".join(rows)


def page() -> str:
    """The page as it should be: what people wrote, around the table."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page())
