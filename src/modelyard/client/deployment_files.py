"""Files with deployments' specs: YAML or JSON, one or several, each value with the line that it stands on.

Read as YAML 1.2 has it: `no` and `on` are texts (Norwegian is a language), `12:30` is no number, and a name that stands
twice in an object is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from modelyard.domain.errors import InvalidArgument, NotFound
from modelyard.domain.reading import pointer

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(slots=True)
class SpecFile:
    """One document of a file.

    Attributes:
        source: how the file is called.
        document: what it says.
        lines: JSON pointer → line, from 1 on.
    """

    source: str
    document: dict[str, Any]
    lines: dict[str, int] = field(default_factory=dict)

    def where(self, place: str) -> str:
        """File and line of a place, or of what surrounds it: `spec.yaml:12`."""
        while place and place not in self.lines:
            place = place.rpartition("/")[0]
        return f"{self.source}:{self.lines.get(place, 1)}"


class _Loader(yaml.SafeLoader):
    """YAML 1.2's core schema."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - as PyYAML declares it


for _tag, _form, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    ("float", r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_form})$"), list(_first))


def _integer(loader: _Loader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node))
    return int(text, 0) if text[:2] in ("0o", "0x") else int(text)


_Loader.add_constructor("tag:yaml.org,2002:int", _integer)


def _float(loader: _Loader, node: yaml.ScalarNode) -> float:
    return float(str(loader.construct_scalar(node)))


_Loader.add_constructor("tag:yaml.org,2002:float", _float)


def read_file(path: Path) -> list[SpecFile]:
    """The documents of a file.

    Raises:
        NotFound: there is no such file.
        InvalidArgument: it is neither YAML nor JSON, or holds something else than objects.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotFound(f"There is no file {path}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"{path} cannot be read: {error}") from None
    return read(text, str(path))


def read(text: str, source: str) -> list[SpecFile]:
    """The documents of a text.

    Args:
        text: YAML or JSON; several documents are separated by `---`.
        source: what it is called, for people.

    Raises:
        InvalidArgument: it does not decode, or holds something else than objects.
    """
    found = []
    try:
        loader = _Loader(text)
    except yaml.YAMLError as error:  # a character that no text has
        raise InvalidArgument(f"{source}: this is not YAML: {str(error).splitlines()[0]}.") from None
    try:
        while loader.check_node():
            node = loader.get_node()
            if node is None or node.tag == "tag:yaml.org,2002:null":
                continue
            lines: dict[str, int] = {}
            _walk(node, "", lines, source)
            document = loader.construct_document(node)
            if not isinstance(document, dict):
                line = node.start_mark.line + 1
                raise InvalidArgument(f"{source}:{line}: expected a deployment's spec: names with values.")
            found.append(SpecFile(source, document, lines))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise InvalidArgument(f"{source}:{line}: this is not YAML: {error.problem or error.context}.") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidArgument(f"{source}: this is not YAML: {error}.") from None
    finally:
        loader.dispose()
    if not found:
        raise InvalidArgument(f"{source} holds no deployment's spec.")
    return found


def _walk(node: Any, place: str, lines: dict[str, int], source: str) -> None:
    """Note where every value stands, and refuse names that stand twice."""
    if place in lines:
        return
    lines[place] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            name = key.value
            if not isinstance(key, yaml.ScalarNode):
                raise InvalidArgument(f"{source}:{key.start_mark.line + 1}: a name has to be a text.")
            if name in seen and key.tag != "tag:yaml.org,2002:merge":
                raise InvalidArgument(f"{source}:{key.start_mark.line + 1}: {name!r} stands here a second time.")
            seen.add(name)
            _walk(value, place + pointer(name), lines, source)
            lines[place + pointer(name)] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for index, each in enumerate(node.value):
            _walk(each, place + pointer(index), lines, source)
