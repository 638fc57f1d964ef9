"""`modelyard`: one table of commands, each loaded when it is called, so that `--help` stays quick."""

from __future__ import annotations

import importlib
from typing import Any, Final, NamedTuple

import click

from modelyard import __version__


class Entry(NamedTuple):
    """Where a command lives, and its line in the list of commands."""

    module: str
    summary: str
    attribute: str = "command"


COMMANDS: Final[dict[str, Entry]] = {
    "experiments": Entry("modelyard.cli.experiments", "Look at experiments: list, search, show, tag."),
    "runs": Entry("modelyard.cli.runs", "Look at runs: list, search, show, compare, tag."),
    "models": Entry("modelyard.cli.models", "Look at registered models; tag, move and pull versions."),
    "artifacts": Entry("modelyard.cli.artifacts", "List, download and upload the files of runs and models."),
    "sync": Entry("modelyard.cli.sync", "Deliver what was logged while the server was away."),
    "reproduce": Entry("modelyard.cli.reproduce", "Run a run again, from its code and environment, and compare."),
    "evaluate": Entry("modelyard.cli.evaluate", "Score versions of a model on a fixed dataset."),
    "policy": Entry("modelyard.cli.policy", "What may serve in an environment, which version is chosen, and why."),
    "promote": Entry("modelyard.cli.promote", "Put a version into an environment, with its allowance; or undo that."),
    "up": Entry("modelyard.cli.up", "Run everything on this machine: server, gateway and model servers."),
    "deploy": Entry("modelyard.cli.deploy", "Serve what an environment says of a model."),
    "apply": Entry("modelyard.cli.deploy", "Make deployments as their specs in files say.", "apply"),
    "diff": Entry("modelyard.cli.deploy", "Say what applying a file would change.", "diff"),
    "status": Entry("modelyard.cli.deployments", "What is wanted of deployments, and what answers.", "status"),
    "history": Entry("modelyard.cli.deployments", "A deployment's revisions: who, when, why, what.", "history"),
    "pause": Entry("modelyard.cli.rollouts", "Stay at the current step of a rollout.", "pause"),
    "resume": Entry("modelyard.cli.rollouts", "Go on; or try again what was rolled back.", "resume"),
    "approve": Entry("modelyard.cli.rollouts", "Agree that a rollout goes on.", "approve"),
    "abort": Entry("modelyard.cli.rollouts", "Stop a rollout.", "abort"),
    "rollback": Entry("modelyard.cli.rollouts", "Return to what answered before.", "rollback"),
    "rehearse": Entry("modelyard.cli.rollouts", "Deploy a copy, test it, remove it.", "rehearse"),
    "deployments": Entry("modelyard.cli.deployments", "Look at deployments: list, events; delete."),
    "predictions": Entry("modelyard.cli.predictions", "Look at recorded predictions: list, show, export."),
    "statistics": Entry("modelyard.cli.predictions", "Correctness, errors, latency; who is better.", "statistics"),
    "feedback": Entry("modelyard.cli.predictions", "Say what turned out about predictions.", "feedback"),
    "serve": Entry("modelyard.cli.serve", "Serve models as a REST endpoint."),
    "gateway": Entry("modelyard.cli.gateway", "Stand before model servers: split, mirror, time and record requests."),
    "server": Entry("modelyard.cli.server", "Run the tracking server and model registry."),
    "build-image": Entry("modelyard.cli.build_image", "Write the context of a container image that serves a model."),
    "db": Entry("modelyard.cli.db", "Look after the database: upgrade, check, backup."),
    "gc": Entry("modelyard.cli.gc", "Empty the trash: delete for good what was deleted long ago."),
    "doctor": Entry("modelyard.cli.doctor", "Try out everything that a server needs."),
    "completion": Entry("modelyard.cli.completion", "Print the script with which a shell completes commands."),
}
"""Name of a command → its module, and what it is called there."""


class LazyGroup(click.Group):
    """A group that knows its commands by name, and turns our errors into one line on stderr and exit code 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Their names."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command itself; this is where it is loaded."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        command: click.Command = getattr(importlib.import_module(entry.module), entry.attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The list that --help shows, without loading any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; an error that we raise on purpose is shown as its text alone."""
        from modelyard.domain.errors import ModelyardError
        from modelyard.optional import MissingExtraError
        from modelyard.settings import InvalidSetting

        try:
            return super().invoke(ctx)
        except ModelyardError as error:
            raise click.ClickException(error.message) from error
        except (MissingExtraError, InvalidSetting) as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, message="modelyard %(version)s")
def main() -> None:
    """Modelyard: a tracking server, model registry and model server that speak MLflow's protocol."""


if __name__ == "__main__":
    main()
