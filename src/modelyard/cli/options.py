"""Flags that are settings: name, type, default and text come from the table in settings.py."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import click

from modelyard.settings import ServeSettings, Settings, load

if TYPE_CHECKING:
    from collections.abc import Callable

_KINDS: dict[str, type] = {"int": int, "float": float, "str": str}


def setting_options(
    *names: str, kind: type[Settings | ServeSettings] = Settings
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator: one option for each of these settings, None if it is not given, so that the environment speaks."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for name in reversed(names):
            function = _option(name, kind)(function)
        return function

    return decorate


def settings_from(values: dict[str, Any]) -> Settings:
    """The settings that the given flags and the environment make.

    Raises:
        InvalidSetting: one of them has no usable value.
    """
    return load(values)


def _option(name: str, owner: type[Settings | ServeSettings]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    entry = next(entry for entry in fields(owner) if entry.name == name)
    flag = "--" + name.removesuffix("_s").replace("_", "-")
    kind = str(entry.type)
    default = ("on" if entry.default else "off") if kind == "bool" else str(entry.default)
    shown = f" [{default}]" if default else ""
    text = f"{entry.metadata['text']}{shown} ({owner.PREFIX}{name.upper()})"
    if kind == "bool":
        return click.option(f"{flag}/--no-{flag[2:]}", name, default=None, help=text)
    if choices := entry.metadata["choices"]:
        return click.option(flag, name, type=click.Choice(choices), default=None, help=text)
    return click.option(flag, name, type=_KINDS[kind], default=None, help=text)
