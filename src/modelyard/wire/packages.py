"""What lies in a version's directory, as messages."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from .message import Answer


class SignatureColumn(Answer):
    """A column, tensor or param of a signature."""

    name: Annotated[str | None, Meta(description="Null: known by its position.")]
    type: Annotated[str, Meta(description="Such as `double`, `list of long`, or a tensor's `float32`.")]
    shape: Annotated[list[int] | None, Meta(description="Of a tensor, or of a param that is a list; -1: any length.")]
    required: bool
    default: Annotated[Any, Meta(description="Of a param.")]


class Signature(Answer):
    """What goes in, what comes out, and which params are taken. Null: it does not say."""

    inputs: list[SignatureColumn] | None
    outputs: list[SignatureColumn] | None
    params: list[SignatureColumn] | None


class GoldenCase(Answer):
    """A stored question with the answer that is expected."""

    name: str
    kind: Annotated[str, Meta(description="How `inputs` are meant, such as `dataframe`.")]
    inputs: Any
    params: Any
    expected: Any


class GoldenTests(Answer):
    """The golden tests of a version."""

    relative: float
    absolute: float
    whole: Annotated[bool, Meta(description="Whether the tolerance holds for whole numbers, too.")]
    cases: list[GoldenCase]
    total: Annotated[int, Meta(description="How many there are, if they are not all here.")]


class Package(Answer):
    """What a version's directory says about itself. What is not there, or cannot be read, is null."""

    flavors: list[str]
    signature: Signature | None
    golden: GoldenTests | None
    example: Annotated[Any, Meta(description="An input, as a request to a model server has it.")]
    features: Annotated[Any, Meta(description="The baseline of the inputs: `rows`, and `columns` by name.")]
    answers: Annotated[Any, Meta(description="The baseline of the answers, likewise.")]
    requirements: list[str] | None
    python: Annotated[str | None, Meta(description="Version of Python that it was saved with.")]
    bytes: Annotated[int | None, Meta(description="Size of its files.")]
    saved: Annotated[str | None, Meta(description="When it was saved, UTC.")]
    metadata: Annotated[dict[str, Any] | None, Meta(description="The author's own.")]
    notes: Annotated[list[str], Meta(description="What could not be read, and why.")]
