"""`modelyard models`: list, search, show, versions, history; tag, alias, stage, label, environment; pull, verify."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .asking import answer, as_json, asks, document, limited, moment, ordered, pairs, removed, tagged
from .experiments import shown_tags
from .pull import command as pull
from .tables import Column, facts, heading
from .tables import show as show_table
from .verify import command as verify

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelyard.client.client import Client
    from modelyard.client.entities import ModelVersion, RegisteredModel


@click.group("models")
def command() -> None:
    """Look at registered models; tag, name, move and fetch their versions."""


command.add_command(pull)
command.add_command(verify)

_model = click.argument("name", metavar="MODEL")
_version = click.argument("version", metavar="VERSION")
_reason = click.option("--reason", default="", help="Why; kept in the history.")


@command.command("list")
@limited
@as_json
@asks
def list_(client: Client, *, limit: int | None, json: bool) -> None:
    """List registered models by name."""
    _answer(client, None, (), limit, json=json)


@command.command()
@click.argument("filter", metavar="FILTER")
@ordered
@limited
@as_json
@asks
def search(client: Client, *, filter: str, order_by: Sequence[str], limit: int | None, json: bool) -> None:
    """Find registered models by FILTER, such as "name LIKE 'wine%' AND tags.team = 'red'"."""
    _answer(client, filter, order_by, limit, json=json)


def _answer(client: Client, wanted: str | None, order_by: Sequence[str], limit: int | None, *, json: bool) -> None:
    found = client.search_registered_models(wanted, limit, order_by)
    columns = [
        Column("NAME"),
        Column("LATEST", right=True),
        Column("ALIASES"),
        Column("UPDATED", whole=True),
        Column("TAGS"),
    ]
    answer(found, columns, _model_row, json=json, nothing="No registered models found.")


def _model_row(model: RegisteredModel) -> list[str]:
    return [
        model.name,
        str(max((int(each.version) for each in model.latest_versions), default="")),
        ", ".join(f"{alias}→{version}" for alias, version in model.aliases.items()),
        moment(model.last_updated_timestamp),
        ", ".join(f"{key}={value}" for key, value in shown_tags(model.tags).items()),
    ]


@command.command()
@click.argument("filter", metavar="[FILTER]", default="")
@click.option("--model", metavar="MODEL", help="Only of this registered model.")
@ordered
@limited
@as_json
@asks
def versions(
    client: Client, *, filter: str, model: str | None, order_by: Sequence[str], limit: int | None, json: bool
) -> None:
    """List versions, or find them by FILTER, such as "tags.model_type = 'x'"."""
    from modelyard.client.versions import quoted

    clauses = [f"name = {quoted(model)}"] if model else []
    clauses += [filter] if filter else []
    order = list(order_by) or (["version_number DESC"] if model else ["name"])
    found = client.search_model_versions(" AND ".join(clauses) or None, limit, order)
    columns = [Column("NAME"), Column("VERSION", right=True), *_VERSION_COLUMNS[1:]]
    answer(found, columns, lambda each: [each.name, *_version_row(each)], json=json, nothing="No versions found.")


_VERSION_COLUMNS = [
    Column("VERSION", right=True), Column("LABEL"), Column("STAGE"), Column("ALIASES"), Column("STATUS"),
    Column("CREATED", whole=True), Column("RUN ID", whole=True), Column("TAGS"),
]  # fmt: skip


def _version_row(version: ModelVersion) -> list[str]:
    return [
        version.version,
        version.label or "",
        version.current_stage if version.current_stage != "None" else "",
        ", ".join(version.aliases),
        version.status,
        moment(version.creation_timestamp),
        version.run_id,
        ", ".join(f"{key}={value}" for key, value in shown_tags(version.tags).items()),
    ]


@command.command()
@click.argument("model", metavar="MODEL|URI")
@as_json
@asks
def show(client: Client, *, model: str, json: bool) -> None:
    """Show a registered model with its versions, or one version: models:/MODEL/3, models:/MODEL@ALIAS."""
    if model.startswith("models:"):
        _show_version(client, client.get_model_version_by_uri(model), json=json)
        return
    from modelyard.client.versions import quoted

    found = client.get_registered_model(model)
    every = client.search_model_versions(f"name = {quoted(model)}", order_by=["version_number DESC"])
    if json:
        document({**found.to_dictionary(), "versions": list(every)})
        return
    facts(
        [
            ("Name", found.name),
            ("Description", found.description or ""),
            ("Created", moment(found.creation_timestamp)),
            ("Updated", moment(found.last_updated_timestamp)),
            ("Aliases", ", ".join(f"{alias}→{version}" for alias, version in found.aliases.items())),
        ]
    )
    if found.tags:
        heading("Tags")
        facts(sorted(found.tags.items()))
    heading("Versions")
    pointing: dict[str, list[str]] = {}
    for alias, version in found.aliases.items():
        pointing.setdefault(version, []).append(alias)
    for each in every:  # searches leave aliases out
        each.aliases = pointing.get(each.version, [])
    show_table(_VERSION_COLUMNS, map(_version_row, every), "No versions.")


def _show_version(client: Client, found: ModelVersion, *, json: bool) -> None:
    if json:
        document(found)
        return
    facts(
        [
            ("Name", found.name),
            ("Version", found.version),
            ("Label", found.label or ""),
            ("Stage", found.current_stage if found.current_stage != "None" else ""),
            ("Aliases", ", ".join(found.aliases)),
            ("Status", found.status),
            ("Description", found.description or ""),
            ("Created", moment(found.creation_timestamp)),
            ("Updated", moment(found.last_updated_timestamp)),
            ("Run", found.run_id),
            ("Logged model", found.model_id or ""),
            ("Source", found.source),
            ("Files", client.get_model_version_download_uri(found.name, found.version)),
        ]
    )
    if found.tags:
        heading("Tags")
        facts(sorted(found.tags.items()))


@command.command()
@click.argument("model", metavar="MODEL|URI")
@pairs
@removed
@asks
def tag(client: Client, *, model: str, pairs: Sequence[tuple[str, str]], remove: Sequence[str]) -> None:
    """Set and remove tags of a registered model, or of a version: models:/MODEL/3, models:/MODEL@ALIAS."""
    if model.startswith("models:"):
        version = client.get_model_version_by_uri(model)
        tagged(
            pairs,
            remove,
            lambda key, value: client.set_model_version_tag(version.name, version.version, key, value),
            lambda key: client.delete_model_version_tag(version.name, version.version, key),
        )
        return
    tagged(
        pairs,
        remove,
        lambda key, value: client.set_registered_model_tag(model, key, value),
        lambda key: client.delete_registered_model_tag(model, key),
    )


@command.command()
@_model
@click.argument("alias", metavar="ALIAS")
@click.argument("version", metavar="[VERSION]", required=False)
@click.option("--remove", is_flag=True, help="Remove the alias instead.")
@asks
def alias(client: Client, *, name: str, alias: str, version: str | None, remove: bool) -> None:
    """Point ALIAS to VERSION of MODEL: a number, or whatever else names one: a label, a stage, latest."""
    if remove == (version is not None):
        raise click.UsageError("Give a VERSION, or --remove.")
    if version is None:
        client.delete_registered_model_alias(name, alias)
    else:
        client.set_registered_model_alias(name, alias, _number(client, name, version))


@command.command()
@_model
@_version
@click.argument("stage", metavar="STAGE")
@click.option("--archive", is_flag=True, help="The stage's other versions move to Archived.")
@asks
def stage(client: Client, *, name: str, version: str, stage: str, archive: bool) -> None:
    """Move VERSION of MODEL to STAGE: None, Staging, Production or Archived."""
    moved = client.transition_model_version_stage(name, _number(client, name, version), stage, archive)
    click.echo(f"Version {moved.version} of {moved.name} is in {moved.current_stage}.")


@command.command()
@_model
@_version
@click.argument("label", metavar="[LABEL]", required=False)
@click.option("--remove", is_flag=True, help="Remove the label instead.")
@_reason
@asks
def label(client: Client, *, name: str, version: str, label: str | None, remove: bool, reason: str) -> None:
    """Give VERSION of MODEL a label: your own version, such as 2.3.1. Only on a Modelyard server."""
    if remove == (label is not None):
        raise click.UsageError("Give a LABEL, or --remove.")
    client.set_model_version_label(name, _number(client, name, version), label, reason)


@command.command()
@_model
@click.argument("environment", metavar="[ENVIRONMENT]", required=False)
@click.argument("version", metavar="[VERSION]", required=False)
@click.option("--remove", is_flag=True, help="Leave the environment empty.")
@_reason
@as_json
@asks
def environment(
    client: Client, *, name: str, environment: str | None, version: str | None, remove: bool, reason: str, json: bool
) -> None:
    """Put VERSION of MODEL into ENVIRONMENT; without these, say what is where. Only on a Modelyard server."""
    if environment is None:
        columns = [Column("ENVIRONMENT"), Column("VERSION", right=True), Column("SINCE", whole=True)]
        answer(client.list_model_environments(name), columns, _pointer_row, json=json, nothing="No environments.")
        return
    if remove == (version is not None):
        raise click.UsageError("Give a VERSION, or --remove.")
    if version is None:
        client.clear_model_environment(name, environment, reason)
    else:
        client.set_model_environment(name, environment, version, reason)


def _pointer_row(pointer: Any) -> list[str]:
    return [pointer.environment, str(pointer.version or ""), moment(pointer.moved_ms)]


@command.command()
@click.argument("name", metavar="[MODEL]", required=False)
@limited
@as_json
@asks
def history(client: Client, *, name: str | None, limit: int | None, json: bool) -> None:
    """What happened to MODEL, or to all: who changed what, when and why. Only on a Modelyard server."""
    columns = [
        Column("WHEN", whole=True), Column("WHO"), Column("CHANGE"), Column("MODEL"), Column("VERSION", right=True),
        Column("SUBJECT"), Column("FROM"), Column("TO"), Column("REASON"),
    ]  # fmt: skip
    found = client.get_history(name, max_results=limit)
    answer(found, columns, _event_row, json=json, nothing="Nothing happened yet.")


def _event_row(event: Any) -> list[str]:
    told = [event.model, event.version, event.subject, event.old, event.new, event.reason]
    return [moment(event.at_ms), event.principal, event.change, *("" if each is None else str(each) for each in told)]


def _number(client: Client, name: str, version: str) -> str:
    """The number of a version that may be named otherwise."""
    if version.isdigit():
        return version
    separator = "@" if version.startswith("@") else "/"
    return client.get_model_version_by_uri(f"models:/{name}{separator}{version.removeprefix('@')}").version
