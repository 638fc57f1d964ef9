"""What must not be written down: passwords, tokens and keys in arguments and URLs."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

STARS: Final = "***"

_LAST: Final = frozenset((
    "password", "passwd", "passphrase", "pwd", "pass", "secret", "token", "apikey", "accesskey", "secretkey",
    "privatekey", "credential", "credentials", "auth", "authorization", "bearer", "pat",
))  # fmt: skip
_KEYS: Final = frozenset(
    ("api", "access", "private", "secret", "auth", "account", "subscription", "encryption", "signing", "service")
)
_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_NAMED: Final = re.compile(r"(-{0,2}[A-Za-z][\w.\-+/]*?)([=:])(.+)", re.DOTALL)
_OPTION: Final = re.compile(r"--?[A-Za-z][\w.\-]*")
_USERINFO: Final = re.compile(r"(\b[a-zA-Z][\w+.-]*://)(?!\$\{)[^/\s@]+@")
_QUERY: Final = re.compile(
    r"([?&;](?:[\w.-]*(?:token|key|secret|password|passwd|signature|sig|credential)[\w.-]*)=)[^&;#\s]+", re.IGNORECASE
)
_QUOTED: Final = re.compile(
    r"""(["'][\w.-]*(?:password|passwd|secret|token|api_?key|credential)["']\s*:\s*["'])[^"']*(["'])""", re.IGNORECASE
)
# The forms of well-known services' keys, then a JSON web token and a private key.
_FORMS: Final = re.compile(
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[opsur]_\w{20,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{16,}|\bxox[abeprs]-[\w-]{10,}"
    r"|\bsk-[\w-]{20,}|\bhf_[A-Za-z0-9]{20,}|\bAIza[\w-]{30,}|\bdapi[0-9a-f]{32}|\bpypi-[\w-]{30,}|\bnpm_\w{30,}"
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*|-----BEGIN [A-Z ]*PRIVATE KEY-----.*",
    re.DOTALL,
)
_RANDOM: Final = re.compile(r"[A-Za-z0-9+_-]{32,}={0,2}")
_SHORTEST: Final = 8  # a shorter value of a variable would be found in innocent words


def is_secret(name: str) -> bool:
    """Whether an option or a variable of this name holds a secret: `--hf-token` does, `--max-tokens` does not."""
    words = [word.lower() for word in _WORDS.findall(name)]
    if not words:
        return False
    last = words[-1]
    return last in _LAST or (last in ("key", "keys") and len(words) > 1 and words[-2] in _KEYS)


def without_credentials(url: str) -> str:
    """A URL without user, password and token."""
    return _QUERY.sub(rf"\1{STARS}", _USERINFO.sub(r"\1", url))


def holds_key(text: str) -> bool:
    """Whether a text holds a key in the form of a well-known service's, a token or a private key."""
    return _FORMS.search(text) is not None


def mask(arguments: Sequence[str], environ: Mapping[str, str] = os.environ) -> tuple[list[str], dict[int, str]]:
    """Arguments with their secrets starred out.

    Args:
        arguments: of a command, without the program.
        environ: variables whose values are secrets if their names say so.

    Returns:
        The arguments, as many as before, and for each that was changed: its number, from 1, and its option's name (or
        its number again).
    """
    known = [value for name, value in environ.items() if is_secret(name) and len(value) >= _SHORTEST]
    shown: list[str] = []
    masked: dict[int, str] = {}
    waiting = ""  # the option whose value comes next
    for number, argument in enumerate(arguments, 1):
        if waiting and not _OPTION.fullmatch(argument):
            text, name = STARS, waiting
        else:
            text, name = _masked(argument, known, str(number))
        waiting = argument.lstrip("-") if _OPTION.fullmatch(argument) and is_secret(argument) else ""
        shown.append(text)
        if text != argument:
            masked[number] = name
    return shown, masked


def _masked(argument: str, known: Sequence[str], number: str) -> tuple[str, str]:
    """One argument, and what it is called."""
    found = _NAMED.fullmatch(argument)
    name = found[1].lstrip("-+") if found and found[2] == "=" else number
    if found and is_secret(found[1]) and not found[3].startswith("//"):
        return found[1] + found[2] + STARS, name
    text = argument
    for value in known:
        text = text.replace(value, STARS)
    text = _USERINFO.sub(rf"\1{STARS}@", text)
    text = _QUERY.sub(rf"\1{STARS}", text)
    text = _QUOTED.sub(rf"\1{STARS}\2", text)
    text = _FORMS.sub(STARS, text)
    return _RANDOM.sub(lambda run: STARS if _looks_random(run[0]) else run[0], text), name


def _looks_random(text: str) -> bool:
    """Whether letters of both cases and digits are mixed as nobody would name a thing; ids in hex are not meant."""
    kinds = [re.findall(pattern, text) for pattern in ("[a-z]", "[A-Z]", "[0-9]")]
    changes = len(re.findall(r"[0-9][A-Za-z]|[A-Za-z][0-9]|[a-z][A-Z]", text))
    return all(len(kind) >= 3 for kind in kinds) and changes >= len(text) // 4
