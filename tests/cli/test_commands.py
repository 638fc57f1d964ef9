"""Every command is documented, described, completed by shells, and costs nothing before it is called."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec

import click
import pytest

from modelyard.cli.main import COMMANDS, main
from tests.architecture.source import ROOT
from tests.cli.process import environment

PAGE = (ROOT / "docs" / "cli.md").read_text()


def commands(group: click.Group, path: str = "modelyard") -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, with its whole name."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


EVERY = dict(commands(main))


def options(command: click.Command) -> set[str]:
    names = {name for each in command.params if isinstance(each, click.Option) for name in each.opts}
    return {name for name in names if name.startswith("--")}


def section(name: str) -> str:
    """What the page says about a command: from its name to the next one's."""
    found = re.search(rf"^`{re.escape(name)}(?: [^`]*)?`(.*?)(?=^`modelyard |^#|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return found[0] if found else ""


@pytest.mark.parametrize("name", EVERY)
def test_every_command_is_documented(name: str) -> None:
    assert section(name), f"docs/cli.md has no paragraph that begins with `{name}`"


@pytest.mark.parametrize("name", EVERY)
def test_every_option_is_documented(name: str) -> None:
    everywhere = {"--json", "--tracking-uri"}  # explained once, at the top
    explained = set(re.findall(r"--[a-z][a-z-]*", section(name)))
    if any(page in section(name) for page in ("settings.md", "serving.md#settings", "gateway.md#settings")):
        return  # its options are settings, and have a page of their own
    assert options(EVERY[name]) - explained - everywhere == set()


def test_no_command_is_documented_that_is_not_there() -> None:
    named = set(re.findall(r"^`(modelyard(?: [a-z][a-z-]*)+)", PAGE, re.MULTILINE))
    assert named == set(EVERY)


@pytest.mark.parametrize("name", EVERY)
def test_every_command_and_option_says_what_it_does(name: str) -> None:
    command = EVERY[name]
    assert command.help
    assert [each.name for each in command.params if isinstance(each, click.Option) and not each.help] == []


def test_the_table_and_the_commands_agree() -> None:
    for name, entry in COMMANDS.items():
        assert find_spec(entry.module), name
        assert entry.summary.endswith(".")


@pytest.mark.parametrize(
    "name", [name for name in EVERY if name.split()[1] in ("runs", "experiments", "models", "artifacts")]
)
def test_what_reads_answers_in_json_too(name: str) -> None:
    writes = {"tag", "alias", "stage", "label", "upload", "download"}
    assert ("--json" in options(EVERY[name])) is (name.rpartition(" ")[2] not in writes)


def test_help_loads_no_client() -> None:
    program = (
        "import json, sys; from modelyard.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    loaded = set(json.loads(told.splitlines()[-1]))
    assert not loaded & {"urllib3", "msgspec", "yaml", "modelyard.client.client", "modelyard.cli.runs"}
    assert all(name in told for name in COMMANDS)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_commands(shell: str) -> None:
    command = [sys.executable, "-m", "modelyard.cli.main"]
    script = subprocess.run([*command, "completion", shell], capture_output=True, text=True, check=True).stdout
    assert f"_MODELYARD_COMPLETE={shell}_complete" in script
    asked = {"bash": "bash_complete", "zsh": "zsh_complete", "fish": "fish_complete"}[shell]
    words = environment(
        _MODELYARD_COMPLETE=asked, COMP_WORDS="modelyard runs co", COMP_CWORD="co" if shell == "fish" else "2"
    )
    program = "from modelyard.cli.main import main; main(prog_name='modelyard')"
    told = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **words}, capture_output=True, text=True, check=True
    )
    assert "compare" in told.stdout
    assert "list" not in told.stdout
