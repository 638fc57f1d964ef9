"""Asking a deployment from a page, and what one may ask it, as messages."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from .message import Answer, Request

MOST = 2**20
"""Characters of a request, and bytes that are read of an answer."""


class Trial(Request):
    """A request to a deployment, as its callers would send it."""

    body: Annotated[str, Meta(max_length=MOST, description="JSON, passed on as it is.")]
    protocol: Annotated[
        Literal["predict", "invocations", "infer"],
        Meta(description="Which of the model server's three protocols the body is of."),
    ] = "predict"
    headers: Annotated[
        dict[str, Annotated[str, Meta(max_length=1000)]],
        Meta(max_length=10, description="Only those in which the deployment looks for segment, sticky key or key."),
    ] = {}


class TrialAnswer(Answer):
    """What a deployment answered."""

    by: Annotated[str, Meta(description="`gateway`, or `replica` if no gateway answered: then nothing is recorded.")]
    url: Annotated[str, Meta(description="What was asked.")]
    status: Annotated[int, Meta(description="Of HTTP.")]
    prediction: Annotated[str, Meta(description="Its id; empty: not said.")]
    model: str
    version: str
    revision: str
    role: str
    latency_ms: Annotated[float, Meta(description="As this server waited for it.")]
    content_type: str
    body: str
    cut: Annotated[bool, Meta(description="Whether only the beginning of the body is here.")]


class FormField(Answer):
    """Something that a request may hold."""

    name: Annotated[str, Meta(description="Empty: the input has no name.")]
    type: Annotated[str, Meta(description="As in the signature: `string`, `double`, `long`, `boolean`, `array`, ...")]
    required: bool
    shape: Annotated[list[int] | None, Meta(description="Of a tensor; -1: any length. Null: a single value.")]
    default: Annotated[Any, Meta(description="From the input example, or a param's default; null: none.")]


class TrialForm(Answer):
    """What one may ask a deployment: by the signature of the version that answers now."""

    model: Annotated[str, Meta(description="Empty: somebody else's URL answers.")]
    version: str
    fields: Annotated[list[FormField], Meta(description="Columns or tensors; none: the signature is not known.")]
    params: list[FormField]
    more: Annotated[list[str], Meta(description="Fields in which the deployment looks for segment or keys.")]
    headers: Annotated[list[str], Meta(description="Headers in which it does.")]
    example: Annotated[Any, Meta(description="A body for `predict`, from the input example; null: there is none.")]
    told: Annotated[str, Meta(description="Why something of this is not known; empty: all is.")]
