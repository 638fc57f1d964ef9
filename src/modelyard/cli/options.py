"""Flags that are settings: name, type, default and text come from the table in settings.py."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import click

from modelyard.settings import GatewaySettings, ServeSettings, Settings, load, size

if TYPE_CHECKING:
    from collections.abc import Callable

_KINDS: dict[str, type] = {"int": int, "float": float, "str": str}
_WORDS: dict[str, str] = {"int": "N", "float": "N", "str": "TEXT"}


class Size(click.ParamType[int]):
    """A number of bytes."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """In bytes."""
        try:
            return size(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a number of bytes, such as 4096 or 64MiB.", param, ctx)


def setting_options(
    *names: str, kind: type[Settings | ServeSettings | GatewaySettings] = Settings
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


def _option(
    name: str, owner: type[Settings | ServeSettings | GatewaySettings]
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    entry = next(entry for entry in fields(owner) if entry.name == name)
    kind = str(entry.type)
    in_bytes = kind == "int" and name.endswith("_bytes")
    flag = "--" + name.removesuffix("_s").removesuffix("_bytes").replace("_", "-")
    text = f"{entry.metadata['text']}{_default(entry.default, in_bytes=in_bytes)} ({owner.PREFIX}{name.upper()})"
    if kind == "bool":
        return click.option(f"{flag}/--no-{flag[2:]}", name, default=None, help=text)
    if choices := entry.metadata["choices"]:
        return click.option(flag, name, type=click.Choice(choices), default=None, help=text)
    if in_bytes:
        return click.option(flag, name, type=Size(), metavar="SIZE", default=None, help=text)
    return click.option(flag, name, type=_KINDS[kind], metavar=_WORDS[kind], default=None, help=text)


def _default(value: Any, *, in_bytes: bool) -> str:
    if isinstance(value, bool):
        return " [on]" if value else " [off]"
    if in_bytes and value and not value % 2**20:
        return f" [{value // 2**20}MiB]"
    return f" [{value:g}]" if isinstance(value, float) else f" [{value}]" if value != "" else ""
