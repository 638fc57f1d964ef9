"""What the server answers when it cannot do what was asked (RFC 9457, `application/problem+json`)."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from .message import Answer


class ProblemPart(Answer):
    """One place in the request that is wrong."""

    pointer: Annotated[str, Meta(description="JSON pointer into the body, or the name of a query parameter.")]
    detail: Annotated[str, Meta(description="What is wrong there.")]


class Problem(Answer):
    """Why a request failed."""

    type: Annotated[str, Meta(description="Names the kind of problem; a place on this server that explains it.")]
    title: Annotated[str, Meta(description="The kind of problem in words.")]
    status: Annotated[int, Meta(description="The HTTP status.")]
    code: Annotated[str, Meta(description="The kind of problem for programs, such as `not_found`.")]
    detail: Annotated[str, Meta(description="What was wrong, what was expected, and what to do.")]
    errors: list[ProblemPart]
