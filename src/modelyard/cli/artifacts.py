"""`modelyard artifacts`: list, download, upload."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .asking import answer, as_json, asks, size
from .tables import Column
from .transfer_bar import transfer_bar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modelyard.client.client import Client
    from modelyard.client.entities import FileInfo
    from modelyard.client.folders import Folder


@click.group("artifacts")
def command() -> None:
    """List, download and upload the files of runs and models."""


_source = click.argument("source", metavar="RUN|URI")
_path = click.argument("path", metavar="[PATH]", default="")


@command.command("list")
@_source
@_path
@click.option("--recursive", "-r", is_flag=True, help="Also what is in folders.")
@as_json
@asks
def list_(client: Client, *, source: str, path: str, recursive: bool, json: bool) -> None:
    """List the files of a run or a model.

    The source is a run's id, or a URI: runs:/ID/PATH, models:/NAME/VERSION, models:/NAME@ALIAS, models:/m-ID.
    """
    folder, root = place(client, source, path)
    columns = [Column("PATH"), Column("SIZE", right=True)]
    answer(_listed(folder, root, recursive=recursive), columns, _row, json=json, nothing="No artifacts found.")


def _listed(folder: Folder, path: str, *, recursive: bool) -> Iterator[FileInfo]:
    from modelyard.client import transfers
    from modelyard.client.entities import FileInfo

    if recursive:
        for found in transfers.walk(folder, path):
            yield FileInfo(found.path, file_size=found.size)
        return
    entries = folder.list(path)
    for entry in entries:
        yield FileInfo(f"{path}/{entry.name}" if path else entry.name, entry.is_dir, entry.size)
    single = transfers.find_file(folder, path) if path and not entries else None
    if single is not None:
        yield FileInfo(single.path, file_size=single.size)


def _row(file: FileInfo) -> list[str]:
    return [file.path + ("/" if file.is_dir else ""), size(file.file_size)]


@command.command()
@_source
@_path
@click.option(
    "--to", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="The directory. [this one]"
)
@asks
def download(client: Client, *, source: str, path: str, to: Path) -> None:
    """Download a file or a folder of a run or a model, into a directory, under its own path.

    The source is a run's id, or a URI: runs:/ID/PATH, models:/NAME/VERSION, models:/NAME@ALIAS, models:/m-ID.
    A download that was cut off goes on where it ended. Prints where the files are.
    """
    from modelyard.client.artifacts import fetch

    folder, root = place(client, source, path)
    with transfer_bar("Downloading") as report:
        target = fetch(folder, root, to, report)
    click.echo(target)


@command.command()
@click.argument("run", metavar="RUN|models:/m-ID")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--path", default="", help="The folder among the artifacts. [their root]")
@asks
def upload(client: Client, *, run: str, files: tuple[Path, ...], path: str) -> None:
    """Upload FILEs, or directories with all that is in them, to a run or a logged model."""
    from modelyard.client import uris

    model = uris.parse_model(run).model_id if run.startswith("models:") else ""
    if run.startswith("models:") and not model:
        raise click.UsageError("The files of a registered version never change; give a run's id or models:/m-ID.")
    if run.startswith("runs:"):
        parsed = uris.parse_run(run)
        run, path = parsed.run_id, "/".join(part for part in (parsed.path, path) if part)
    put: Any = client.log_model_artifact if model else client.log_artifact
    with transfer_bar("Uploading") as report:
        for each in files:
            put(model or run, each, path or None, report)


def place(client: Client, source: str, path: str) -> tuple[Folder, str]:
    """The folder that a source names, and the path in it.

    Raises:
        InvalidArgument: the source is not understood.
        NotFound: there is no such run, model or artifact.
    """
    from modelyard.client import references

    uri = source if ":" in source else f"runs:/{source}"
    found = references.resolve(client, f"{uri.rstrip('/')}/{path.strip('/')}" if path.strip("/") else uri)
    return found.folder, found.path
