"""`modelyard build-image`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .asking import Pair, as_json, connect

if TYPE_CHECKING:
    from modelyard.client.client import Client


@click.command("build-image")
@click.argument("model", metavar="MODEL")
@click.option(
    "--output", type=click.Path(path_type=Path), required=True, metavar="DIR", help="The new directory to write."
)
@click.option("--name", default="", help="Name to serve it under. [the registered model's, or the directory's]")
@click.option("--python", default="", metavar="3.X", help="Version of Python. [the one that the model was saved with]")
@click.option("--base", default="", metavar="IMAGE", help="Image to start from. [docker.io/library/python:3.X-slim]")
@click.option("--platform", default="", metavar="linux/ARCH", help="linux/amd64 or linux/arm64. [this machine's]")
@click.option(
    "--requirement", "extra", multiple=True, metavar="REQUIREMENT",
    help="A package beside the model's own, or another version of one; may be repeated.",
)  # fmt: skip
@click.option(
    "--without",
    multiple=True,
    metavar="NAME",
    help="A package that the model asks for and does not need; may be repeated.",
)
@click.option(
    "--system-package", "system", multiple=True, metavar="NAME", help="A Debian package to install; may be repeated."
)
@click.option(
    "--torch-backend", default="cpu", metavar="NAME",
    help="Which PyTorch to install, in uv's words: cpu, cu126, ...; index: the package index's. [cpu]",
)  # fmt: skip
@click.option(
    "--lock/--no-lock", default=None,
    help="Pin all packages with hashes, by uv; or only what the model pins. [--lock, where uv and an index are]",
)  # fmt: skip
@click.option("--port", type=click.IntRange(1024, 65535), default=8000, help="Port to listen on. [8000]")
@click.option("--user", default="10001", metavar="UID[:GID]", help="Number of the user that it runs as. [10001]")
@click.option("--allow-pickle", is_flag=True, help="Let the image load pickles: loading one runs code of its author.")
@click.option(
    "--trusted",
    "trusted",
    multiple=True,
    metavar="TYPE",
    help="A type that a skops file may hold; may be repeated.",
)
@click.option(
    "--env", "variables", type=Pair(), multiple=True, metavar="NAME=VALUE",
    help="A variable of the image, such as MODELYARD_SERVE_WORKERS=2; may be repeated. Never a secret.",
)  # fmt: skip
@click.option(
    "--wheel", type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A wheel of Modelyard. [made from the one that runs here]",
)  # fmt: skip
@click.option("--tracking-uri", metavar="URI", help="Where MODEL is registered, if it is a models:/ or runs:/ URI.")
@as_json
def command(
    model: str,
    output: Path,
    tracking_uri: str | None,
    json: bool,  # noqa: FBT001 - a flag
    torch_backend: str,
    **options: Any,
) -> None:
    """Write the context of a container image that serves MODEL. Nothing is built, and no daemon is needed.

    MODEL is a directory, or a URI such as models:/wine@champion. DIR then holds a Dockerfile, the requirements, locked
    with hashes, this very Modelyard as a wheel, the model, verified, and a README.md with the commands that build and
    run the image. It runs as a numeric user, writes nothing outside /tmp, and has no secret in it.
    """
    from modelyard.serving.images import context

    def client() -> Client:
        return connect(tracking_uri)

    wanted = context.Wanted(torch_backend="" if torch_backend == "index" else torch_backend, **options)
    made = context.write(model, output, wanted, client)
    if json:
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(made), indent=2).decode())
        return
    for note in made.notes:
        click.echo(note, err=True)
    locked = f"{made.locked} packages locked" if made.locked else "packages not locked"
    click.echo(f"{made.path}: {made.name} {made.version} ({made.digest[:19]}), {locked}, {made.platform}")
    click.echo(f"  docker build --platform {made.platform} --tag {made.tag} {output}")
    click.echo(f"  docker run --rm --publish 127.0.0.1:{made.port}:{made.port} --read-only --tmpfs /tmp {made.tag}")
