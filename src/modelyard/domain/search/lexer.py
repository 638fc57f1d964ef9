"""Text to tokens: one regular expression per grammar, linear in the length of the text."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from modelyard.domain.errors import InvalidArgument
from modelyard.domain.search.tree import Grammar

MAX_BYTES = 100_000
_SHOWN = 200

TokenKind = Literal["path", "word", "number", "string", "ticked", "op", "punct", "bad", "end"]


class Token(NamedTuple):
    """A piece of the text.

    Args:
        kind: `path` is PREFIX.KEY, `string` is in single or double quotes, `ticked` in backticks, `bad` is the rest of
            a text that cannot be read.
        text: As written.
        start: Where in the text it begins.
        prefix: Of a path, unquoted.
        key: Of a path, still quoted if it was.
    """

    kind: TokenKind
    text: str
    start: int
    prefix: str = ""
    key: str = ""


# Possessive quantifiers: no backtracking, so no text takes more than linear time.
_STRING = r"""'[^']*+(?:''[^']*+)*+'|"[^"]*+(?:""[^"]*+)*+\""""
_TICKED = r"`[^`]*+(?:``[^`]*+)*+`"


def _pattern(bare_key: str) -> re.Pattern[str]:
    return re.compile(
        rf"""\s*+(?:
            (?P<path>(?P<prefix>[^\W\d]\w*+|`[^`]*+`)\.(?P<key>{_STRING}|{_TICKED}|{bare_key}++))
          | (?P<number>[+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?(?![\w.]))
          | (?P<word>[^\W\d]\w*+)
          | (?P<string>{_STRING})
          | (?P<ticked>{_TICKED})
          | (?P<op>[<>=!~]++)
          | (?P<punct>[(),;])
        )""",
        re.VERBOSE,
    )


# MLflow wants a key such as "val/loss" quoted. There is no arithmetic here, so our own grammar does not.
_PATTERNS: dict[Grammar, re.Pattern[str]] = {
    "mlflow": _pattern(r"[\w.$@#]"),
    "modelyard": _pattern(r"[\w.$@#/:-]"),
}


def tokenize(text: str, grammar: Grammar) -> list[Token]:
    """Split a text into tokens; the last one is always `end`.

    Raises:
        InvalidArgument: The text is too long, or holds characters that no database can store.
    """
    check_text(text)
    tokens = []
    match = _PATTERNS[grammar].match
    at = 0
    while found := match(text, at):
        kind: TokenKind = found.lastgroup  # type: ignore[assignment]
        at = found.end()
        if kind == "path":
            tokens.append(
                Token(kind, found["path"], found.start(kind), unquote(found["prefix"], grammar), found["key"])
            )
        else:
            tokens.append(Token(kind, found[kind], found.start(kind)))
    rest = text[at:].lstrip()
    if rest:
        tokens.append(Token("bad", rest, len(text) - len(rest)))
    tokens.append(Token("end", "", len(text)))
    return tokens


def check_text(text: str) -> None:
    """Refuse what is too long to search for, and what cannot be encoded.

    Raises:
        InvalidArgument: See above.
    """
    try:
        size = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError as error:
        msg = "The filter or order_by holds an unpaired surrogate, which is not a character. Remove it."
        raise InvalidArgument(msg) from error
    if size > MAX_BYTES:
        msg = f"The filter or order_by is {size} bytes long; at most {MAX_BYTES} are allowed. Ask in several requests."
        raise InvalidArgument(msg)
    if "\0" in text:
        msg = "The filter or order_by holds a NUL character, which no stored text can contain. Remove it."
        raise InvalidArgument(msg)


def unquote(text: str, grammar: Grammar) -> str:
    """Take off quotes, if there are any. Only our grammar reads a doubled quote as one; MLflow keeps both."""
    quote = text[:1]
    if quote not in ("'", '"', "`"):
        return text
    inner = text[1:-1]
    return inner.replace(quote * 2, quote) if grammar == "modelyard" else inner


def short(text: str) -> str:
    """Cut a text down to what is fit for an error message."""
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
