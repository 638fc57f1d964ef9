"""How deployments are shown, and followed while something happens to them."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Final

import click

from .asking import moment
from .tables import Column, facts, heading, plain
from .tables import show as show_table

if TYPE_CHECKING:
    from modelyard.client.client import Client
    from modelyard.wire.deployments import Deployment, DeploymentEvent, SpecChange

REFRESH_S: Final = 2.0
"""How often a screen that is watched is drawn anew while nothing happens: the checks' numbers move."""
UNSEEN_S: Final = 20.0
"""How long the controller may take to begin, before it is said that there may be none."""


def shown_target(target: Any) -> str:
    """What runs: `wine version 3 (1.2)`, or a URL."""
    if target is None:
        return ""
    if target.url:
        return str(target.url)
    return f"{target.model} version {target.version}" + (f" ({target.label})" if target.label else "")


def said_change(change: SpecChange) -> str:
    """A difference in a line."""
    old, new = ("default" if each is None else _short(each) for each in (change.old, change.new))
    return f"{change.place}: {old} → {new}"


def _short(value: Any) -> str:
    import msgspec

    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= 200 else text[:199] + "…"


def say_event(event: DeploymentEvent) -> None:
    """An event in a line."""
    if sys.stdout.isatty():
        click.echo(f"{moment(event.at_ms)}  {plain(event.told)}")
    else:
        click.echo("\t".join([moment(event.at_ms), plain(event.kind), plain(event.principal), plain(event.told)]))


def show(found: Deployment) -> None:
    """A deployment, with what goes on."""
    wanted = shown_target(found.wanted) or found.why
    facts(
        [
            ("Name", found.name),
            ("Environment", found.environment),
            ("Phase", found.phase),
            ("Status", found.told),
            ("Wanted", wanted),
            ("Stable", _running(found.stable)),
            ("Canary", _running(found.canary)),
            ("Previous", f"revision {found.previous}" if found.previous is not None else ""),
            ("Held back", f"{shown_target(found.held.target)}: {found.held.reason}" if found.held else ""),
            ("Trouble", found.trouble),
        ]
    )
    _show_rollout(found)
    heading("Traffic")
    columns = [Column("SEGMENT"), Column("TO"), Column("ROLE"), Column("SHARE", right=True)]
    rows = [
        [
            each.segment or "(all others)",
            f"revision {share.revision}" if share.revision is not None else share.endpoint,
            share.role,
            f"{share.weight * 100:.4g}%",
        ]
        for each in found.traffic
        for share in each.shares
    ]
    if found.shadow and found.canary:
        rows.append(["(copies)", f"revision {found.canary.number}", "shadow", f"{found.shadow * 100:.4g}%"])
    if rows:
        show_table(columns, rows)


def _running(revision: Any) -> str:
    if revision is None:
        return ""
    told = f"revision {revision.number}: {shown_target(revision.target)}"
    return told if revision.target.url else f"{told}, {len(revision.replicas)} of {revision.wanted_replicas} replicas"


def _show_rollout(found: Deployment) -> None:
    rollout = found.rollout
    if rollout is None:
        return
    heading("Rollout")
    steps = " → ".join(
        f"[{_step(step)}]" if index == rollout.at and rollout.ended_ms is None else _step(step)
        for index, step in enumerate(rollout.steps)
    )
    since = f" since {moment(rollout.step_began_ms)}" if rollout.step_began_ms and rollout.ended_ms is None else ""
    facts(
        [
            ("Rollout", f"{rollout.id}: {_from(rollout.stable)} → revision {rollout.canary}"),
            ("State", f"{rollout.status}{since}"),
            ("Steps", steps),
            ("Began", moment(rollout.began_ms)),
            ("Ended", moment(rollout.ended_ms)),
            ("Reason", rollout.reason),
        ]
    )
    if rollout.checks:
        heading("Checks")
        columns = [Column("VERDICT", whole=True), Column("CHECK"), Column("SEGMENT"), Column("IN WORDS")]
        show_table(columns, [[each.verdict, each.measure, each.segment, each.told] for each in rollout.checks])


def _from(stable: int | None) -> str:
    return "nothing" if stable is None else f"revision {stable}"


def _step(step: Any) -> str:
    if step.kind in ("weight", "shadow"):
        return f"{step.kind} {step.weight * 100:.4g}%"
    return f"bake {step.for_s:g}s" if step.kind == "bake" else str(step.kind)


def watch(client: Client, name: str) -> None:
    """Follow a deployment until the reader has had enough: a screen that is drawn anew, or a line for each event."""
    after = client.get_deployment_events(name, max_results=1).next_after
    if not sys.stdout.isatty():
        show(client.get_deployment(name))
        for event in client.watch_deployment(name, after):
            say_event(event)
        return
    while True:
        found = client.get_deployment(name)
        lately = client.get_deployment_events(name, max_results=8)
        click.clear()
        show(found)
        heading("Lately")
        for event in lately.events:
            say_event(event)
        after = client.get_deployment_events(name, lately.next_after, REFRESH_S).next_after


def last_event(client: Client, name: str) -> int:
    """The number of the last event of a deployment; 0 if there never was one of the name."""
    from modelyard.domain.errors import NotFound

    try:
        return client.get_deployment_events(name, max_results=1).next_after
    except NotFound:
        return 0


def follow_until_done(client: Client, name: str, after: int) -> None:
    """Say what happens until the deployment answers with what is wanted.

    Args:
        client: of the server.
        name: of the deployment.
        after: the last event that is not to be told.

    Raises:
        click.ClickException: it was rolled back, waits for somebody, or nothing is to answer.
    """
    began = time.monotonic()
    warned = False
    while True:
        after = _say_events(client, name, after, 1.0)
        found = client.get_deployment(name)
        if found.phase in ("serving", "held", "paused", "waiting"):
            _say_events(client, name, after, 0.0)
            if found.phase != "serving":
                raise click.ClickException(plain(found.told))
            click.echo(plain(found.told))
            return
        if not warned and found.rollout is None and time.monotonic() - began > UNSEEN_S:
            warned = True
            click.echo("Nothing has begun yet. Does a server with a controller run?", err=True)


def _say_events(client: Client, name: str, after: int, wait_s: float) -> int:
    """Say what happened after an event; the last one's number."""
    told = client.get_deployment_events(name, after, wait_s)
    for event in told.events:
        say_event(event)
    return told.next_after
