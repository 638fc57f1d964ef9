"""`modelyard completion`: what a shell needs to complete our commands."""

from __future__ import annotations

import click

SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print the script with which SHELL completes commands and options.

    \b
    bash: add to ~/.bashrc:  eval "$(modelyard completion bash)"
    zsh:  add to ~/.zshrc:   eval "$(modelyard completion zsh)"
    fish: modelyard completion fish > ~/.config/fish/completions/modelyard.fish
    """  # noqa: D301 - click reads \b
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None, shell  # noqa: S101 - click knows these three
    root = context.find_root().command
    # `source` would ask the shell's version, of a shell that may not be here
    script = kind(root, {}, "modelyard", "_MODELYARD_COMPLETE")
    click.echo(script.source_template % script.source_vars())
