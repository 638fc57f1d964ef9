"""`modelyard policy`: what may serve in an environment, which version is chosen, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .asking import answer, as_json, asks, document
from .tables import Column, show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelyard.client.client import Client

GATES = ("label", "description", "owner", "run", "digest", "signature", "golden", "evaluation")

_environment = click.argument("environment", metavar="ENVIRONMENT")
_slot = click.argument("slot", metavar="[MODEL]", required=False, default="")
_reason = click.option("--reason", default="", help="Why; it is kept in the history.")
_rule = [
    click.option("--allow", "allowance", metavar="SPEC", help="Labels that may serve, such as '>=1.0,<=2.0'; '': any."),
    click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="A tag that it must have; VALUE * is any."),
    click.option("--gate", "gates", multiple=True, type=click.Choice(GATES), help="What it must bring."),
    click.option("--best", "metric", metavar="METRIC", help="Choose the best by this metric."),
    click.option("--manual", is_flag=True, help="Follow the pointer."),
    click.option("--dataset", metavar="DIGEST", help="The dataset that the metric must be measured on."),
    click.option("--direction", type=click.Choice(["max", "min"]), help="Which values are better. [max]"),
    click.option("--least", "least_improvement", type=float, metavar="N", help="Least improvement to change."),
    click.option("--model", "models", multiple=True, metavar="MODEL", help="One that competes for the slot."),
]


def _rules(function: Any) -> Any:
    for option in reversed(_rule):
        function = option(function)
    return function


@click.group("policy")
def command() -> None:
    """What may serve in an environment, which version is chosen, and why. Only on a Modelyard server."""


@command.command("list")
@as_json
@asks
def listing(client: Client, *, json: bool) -> None:
    """All policies."""
    columns = [Column("ENVIRONMENT"), Column("MODEL"), Column("POLICY")]
    answer(client.list_policies(), columns, _row, json=json, nothing="No policies: environments follow their pointers.")


def _row(entry: Any) -> list[str]:
    return [entry.environment, entry.slot or "(all)", _said(entry.policy)]


def _said(policy: Any) -> str:
    fields = ("rule", "metric", "dataset", "direction", "least_improvement", "allowance", "tags", "gates", "models")
    return ", ".join(f"{name} {value}" for name in fields if (value := getattr(policy, name)) not in (None, "", []))


@command.command("set")
@_environment
@_slot
@_rules
@_reason
@asks
def put(client: Client, *, environment: str, slot: str, reason: str, **rules: Any) -> None:
    """Replace the policy of MODEL (or a slot) in ENVIRONMENT; without MODEL, what all of them inherit."""
    client.set_policy(environment, slot, _settings(**rules), reason)
    click.echo(f"The policy of {slot or 'all models'} in {environment} is set.")


@command.command()
@_environment
@_slot
@_reason
@asks
def remove(client: Client, *, environment: str, slot: str, reason: str) -> None:
    """Remove the policy of MODEL in ENVIRONMENT; without MODEL, the environment's own."""
    client.delete_policy(environment, slot, reason)


@command.command()
@click.argument("slot", metavar="MODEL")
@_environment
@_rules
@as_json
@asks
def explain(client: Client, *, slot: str, environment: str, json: bool, **rules: Any) -> None:
    """Which version of MODEL (or of a slot) ENVIRONMENT stands for, and why the others do not; nothing is changed.

    With rules, the answer is what it would be if they were the slot's policy.
    """
    tried = _settings(**rules) if any(value not in (None, (), False) for value in rules.values()) else None
    found = client.explain_policy(environment, slot, tried)
    if json:
        import msgspec

        document(msgspec.to_builtins(found))
        return
    chosen = f"{found.model} version {found.version}" if found.model else "no version"
    click.echo(f"{environment}: {chosen}. {found.reason}")
    columns = [
        Column("", whole=True), Column("MODEL"), Column("VERSION", right=True), Column("LABEL"),
        Column("VALUE", right=True), Column("WHY"),
    ]  # fmt: skip
    show(columns, map(_candidate, found.candidates), "There are no versions.")


def _candidate(each: Any) -> list[str]:
    mark = "*" if each.chosen else "" if each.admitted else "-"
    value = "" if each.value is None else f"{each.value:.6g}"
    return [mark, each.model, str(each.version), each.label or "", value, each.reason]


def _settings(
    *,
    allowance: str | None,
    tags: Sequence[str],
    gates: Sequence[str],
    metric: str | None,
    manual: bool,
    dataset: str | None,
    direction: str | None,
    least_improvement: float | None,
    models: Sequence[str],
) -> Any:
    from modelyard.wire.policies import PolicySettings

    if metric and manual:
        raise click.UsageError("Give --best METRIC or --manual, not both.")
    pairs = [each.partition("=") for each in tags]
    for key, _, value in pairs:
        if not key or not value:
            raise click.UsageError(f"{key!r} is no tag; expected KEY=VALUE, and * for any value.")
    return PolicySettings(
        allowance=allowance,
        tags={key: value for key, _, value in pairs} or None,
        gates=list(gates) or None,  # type: ignore[arg-type] # click chose among them
        rule="best" if metric else "manual" if manual else None,
        metric=metric,
        dataset=dataset,
        direction=direction,  # type: ignore[arg-type]
        least_improvement=least_improvement,
        models=list(models) or None,
    )
