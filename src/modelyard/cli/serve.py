"""`modelyard serve`: models as a REST endpoint."""

from __future__ import annotations

from typing import Any, Final

import click

from modelyard import optional
from modelyard.settings import ServeSettings, load_serving

from .options import setting_options

SECTIONS: Final = {
    "What is served": (
        "tracking_uri", "filter", "stage", "alias", "environment", "name", "default_model", "poll_s", "allow_pickle",
        "trusted", "golden", "onnx",
    ),
    "Where": ("host", "port", "allow_remote"),
    "More than one machine": (
        "backend", "ray_address", "replicas", "min_replicas", "max_replicas", "target_in_flight", "cool_down_s",
        "start_timeout_s", "cpus_per_replica", "gpus_per_replica", "memory_per_replica_bytes",
    ),
    "Predicting": (
        "unknown_columns", "batching", "max_batch_rows", "max_wait_ms", "queue", "timeout_s", "load_timeout_s",
        "stop_timeout_s", "max_body_bytes", "memory_limit_bytes", "worker_memory_bytes", "workers",
    ),
    "Watching": ("log_format", "log_level", "log_requests", "otel", "help"),
}  # fmt: skip
"""Headings of the help → the settings below each."""


class Sectioned(click.Command):
    """A command with too many options for one list."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Each section under its heading."""
        options: dict[str | None, click.Parameter] = {each.name: each for each in self.params}
        if (helping := self.get_help_option(ctx)) is not None:
            options["help"] = helping
        for heading, names in SECTIONS.items():
            records = (options[name].get_help_record(ctx) for name in names)
            with formatter.section(heading):
                formatter.write_dl([record for record in records if record])


@click.command("serve", cls=Sectioned)
@click.argument("models", metavar="[NAME=]MODEL...", nargs=-1)
@click.option(
    "--tracking-uri",
    metavar="URI",
    help="Where models are registered: a server's URL, a directory, or sqlite:///FILE.db. "
    "[./modelyard-data] (MODELYARD_TRACKING_URI, MLFLOW_TRACKING_URI)",
)
@click.option(
    "--trusted",
    metavar="TYPE",
    multiple=True,
    help="A type that a skops file may hold beyond our own list; repeatable. (MODELYARD_SERVE_TRUSTED_TYPES)",
)
@setting_options(
    *(name for names in SECTIONS.values() for name in names if name not in ("tracking_uri", "trusted", "help")),
    kind=ServeSettings,
)
@click.option("--exit-with-stdin", is_flag=True, hidden=True, help="Stop when whoever started this has gone.")
def command(
    models: tuple[str, ...], tracking_uri: str | None, trusted: tuple[str, ...], *, exit_with_stdin: bool, **values: Any
) -> None:
    """Serve models: http://127.0.0.1:8000, with the page /docs that shows how each is asked.

    MODEL is a directory, models:/NAME/VERSION, models:/NAME/STAGE, models:/NAME@ALIAS, models:/NAME/latest or
    runs:/ID/PATH; NAME= before it is the name to serve it under. What it names in the registry is followed: a new
    version is made ready beside the old one, and then takes its place.

    \b
      modelyard serve ./wine
      modelyard serve models:/sentiment/Production
      modelyard serve red=models:/wine/3 white=models:/wine@candidate
      modelyard serve --filter "tags.team = 'risk'" --stage Production

    Every option, and some more, can be a variable instead: see docs/serving.md.
    """  # noqa: D301 - click's mark of lines that stay as they are
    settings = load_serving({**values, "trusted_types": ",".join(trusted) or None})
    if tracking_uri is not None:
        from modelyard.client import uris

        uris.set_tracking_uri(tracking_uri)  # for the processes of the models, too
    optional.require("httptools", "numpy", "prometheus_client", "uvicorn", to="serve models", extra="serving")
    from modelyard.serving import run

    raise SystemExit(run.serve(settings, models, parent=0 if exit_with_stdin else -1))
