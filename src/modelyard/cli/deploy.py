"""`modelyard deploy`, `apply`, `diff`: what is wanted of deployments."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .asking import as_json, asks, document
from .following import follow_until_done, last_event, said_change
from .tables import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelyard.client.client import Client
    from modelyard.client.deployment_files import SpecFile
    from modelyard.wire.deployments import SpecFindings

reasoned = click.option("--reason", default="", help="Why; kept in the history.")
forced = click.option("--force", is_flag=True, help="Go past what does not fit the model's signature.")
waited = click.option(
    "--wait", is_flag=True, help="Wait until it answers, or was rolled back (then the exit code is 1)."
)
_files = click.option(
    "-f", "--file", "paths", multiple=True, required=True, metavar="FILE", help="YAML or JSON; - is stdin; repeatable."
)


@click.command("deploy")
@click.argument("model", metavar="MODEL")
@click.option("--environment", metavar="ENVIRONMENT", help="Whose pointer is followed. [production]")
@click.option("--name", metavar="NAME", help="Of the deployment. [the model's, in lower case]")
@click.option("--replicas", type=click.IntRange(1), metavar="N", help="How many model servers. [1]")
@click.option("--backend", metavar="NAME", help="What runs them: local, ray. [local]")
@click.option("--canary", metavar="PERCENT,...", help="Parts of the traffic to go through, such as 1,10,50,100.")
@click.option("--every", metavar="TIME", help="How long each of these parts, and the shadow, lasts. [1m]")
@click.option("--shadow", metavar="SHARE", help="First copy this share of the requests to the new version.")
@click.option("--bake", metavar="TIME", help="How long the old version stays warm under all checks. [5m]")
@reasoned
@forced
@waited
@asks
def command(
    client: Client, *, model: str, environment: str | None, name: str | None, reason: str, force: bool, wait: bool,
    **options: Any,
) -> None:  # fmt: skip
    """Serve what an environment says of MODEL; of a deployment that is there, change only what is said here."""
    from modelyard.domain.errors import NotFound

    called = name or re.sub(r"[^a-z0-9._-]+", "-", model.lower()).strip("-._") or "model"
    try:
        spec = dict(client.get_deployment(called).spec)
    except NotFound:
        spec = {"name": called, "environment": "production"}
    spec |= {"environment": environment} if environment else {}
    for other in ("url", "models"):
        spec.pop(other, None)
    spec["model"] = model
    spec |= {key: options[key] for key in ("replicas", "backend") if options[key] is not None}
    steps = _steps(options["canary"], options["every"], options["shadow"], options["bake"])
    if steps:
        spec["steps"] = steps
    after = last_event(client, called) if wait else 0
    applied = client.apply_deployment(spec, force=force, reason=reason)
    _say(applied, "")
    if wait:
        follow_until_done(client, called, after)


def _steps(canary: str | None, every: str | None, shadow: str | None, bake: str | None) -> list[Any]:
    """Steps from flags; none: as they are."""
    if every and not (canary or shadow):
        raise click.UsageError("--every says how long parts of the traffic last: give --canary or --shadow, too.")
    if not (canary or shadow or bake):
        return []
    last = {"for": every} if every else {}
    steps: list[Any] = ["golden"]
    if shadow:
        steps.append({"shadow": _share(shadow), **last})
    parts = [_share(each.strip()) for each in canary.split(",")] if canary else []
    steps += [{"weight": part, **last} for part in parts if part != "100%"]  # the bake has all
    return [*steps, {"bake": bake or "5m"}]


def _share(text: str) -> str:
    return text if text.endswith("%") else f"{text}%"


# ------------------------------------------------------------------------------------ files


@click.command("apply")
@_files
@reasoned
@forced
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@waited
@as_json
@asks
def apply(
    client: Client, *, paths: Sequence[str], reason: str, force: bool, dry_run: bool, wait: bool, json: bool
) -> None:
    """Make deployments as their specs in FILE say. All of them are checked before any is changed."""
    specs = _read(paths)
    checked = [(spec, client.check_deployment(spec.document)) for spec in specs]
    _refuse(checked, force=force)
    if dry_run:
        _answer([found for _, found in checked], "would be ", json=json)
        return
    after = {found.name: last_event(client, found.name) if wait else 0 for _, found in checked}
    applied = [client.apply_deployment(spec.document, force=force, reason=reason) for spec, _ in checked]
    _answer(applied, "", json=json)
    if wait:
        for each in applied:
            follow_until_done(client, each.name, after[each.name])


@click.command("diff")
@_files
@as_json
@asks
def diff(client: Client, *, paths: Sequence[str], json: bool) -> None:
    """Say what applying FILE would change. The exit code is 1 if anything would."""
    checked = [(spec, client.check_deployment(spec.document)) for spec in _read(paths)]
    _refuse(checked, force=True)
    _answer([found for _, found in checked], "would be ", json=json)
    if any(found.changes for _, found in checked):
        sys.exit(1)


def _read(paths: Sequence[str]) -> list[SpecFile]:
    from modelyard.client import deployment_files

    found: list[SpecFile] = []
    for path in paths:
        if path == "-":
            found += deployment_files.read(sys.stdin.read(), "stdin")
        else:
            found += deployment_files.read_file(Path(path))
    return found


def _refuse(checked: Sequence[tuple[SpecFile, SpecFindings]], *, force: bool) -> None:
    """End with everything that is wrong, each with its line.

    Raises:
        click.ClickException: anything is.
    """
    lines: list[str] = []
    for spec, found in checked:
        troubles = [*found.problems, *([] if force else found.doubts)]
        lines += [f"{spec.where(each.place)}: {each.place or 'the spec'}: {each.what}" for each in troubles]
        if found.doubts and not force and not found.problems:
            lines.append(f"{spec.source}: --force goes past what does not fit the model.")
    if lines:
        raise click.ClickException(plain_lines(lines))


def plain_lines(lines: Sequence[str]) -> str:
    """Lines without control characters."""
    return "\n".join(plain(line) for line in lines)


def _answer(found: Sequence[SpecFindings], would: str, *, json: bool) -> None:
    if json:
        import msgspec

        document([msgspec.to_builtins(each) for each in found])
        return
    for each in found:
        _say(each, would)


def _say(found: SpecFindings, would: str) -> None:
    """What was done, or would be."""
    if not found.changes:
        click.echo(f"Deployment {found.name} is like that already.")
    else:
        click.echo(f"Deployment {found.name} {would or 'is '}{'made' if found.created else 'changed'}.")
        for change in found.changes if not found.created else ():
            click.echo(f"  {plain(said_change(change))}")
    for doubt in found.doubts:
        click.echo(f"  Forced: {plain(doubt.place)}: {plain(doubt.what)}", err=True)
    for note in found.notes:
        click.echo(f"  Note: {plain(note)}", err=True)
