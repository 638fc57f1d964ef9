"""Predictions in the words of a prediction proxy: the input and the user's own answer in, both answers out.

The user's answer is given as `is_positive`, `label` or `answer` beside the fields of the input. It is recorded as
feedback on the prediction.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from time import time_ns
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from modelyard.domain.errors import InvalidArgument
from modelyard.domain.predictions import LONGEST_LABEL, Feedback, text_of
from modelyard.wire import predictions as wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from .asking import Question

_ANSWERS: Final = ("is_positive", "label", "answer")
_YES: Final = frozenset({"true", "yes", "positive", "1"})
_NO: Final = frozenset({"false", "no", "negative", "0"})
_decode: Final = msgspec.json.Decoder().decode
_json: Final = msgspec.json.Decoder(msgspec.Raw).decode
_feedback: Final = msgspec.json.Decoder(wire.NewFeedback)


class Posted(NamedTuple):
    """What was posted.

    Attributes:
        body: for the model: natural JSON.
        name: of the field with the user's answer; empty: none came.
        answer: of the user.
        text: the input, as it is told back.
    """

    body: bytes
    name: str
    answer: Any
    text: Any


def read(body: bytes) -> Posted:
    """What was posted.

    Raises:
        InvalidArgument: it is no object of JSON.
    """
    try:
        content = _decode(body)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise InvalidArgument(f"The body is no JSON: {error}.") from None
    except RecursionError:
        raise InvalidArgument("The body's values are nested too deeply.") from None
    if not isinstance(content, dict):
        raise InvalidArgument('An object is expected, such as {"text": "very good", "is_positive": true}.')
    name = next((each for each in _ANSWERS if each in content), "")
    answer = content.pop(name) if name else None
    if name and answer is not None and text_of(answer) is None:
        raise InvalidArgument(f"{name!r} is the user's answer: a text, a number, or true or false.")
    _check(name, text_of(answer))
    if not content:
        raise InvalidArgument('The input is missing, such as {"text": "very good", "is_positive": true}.')
    try:
        return Posted(msgspec.json.encode(content), name, answer, content.get("text", content))
    except RecursionError:
        raise InvalidArgument("The body's values are nested too deeply.") from None


def answer(posted: Posted, question: Question, body: bytes, run_id: str | None) -> bytes:
    """What is answered.

    Args:
        posted: what was asked.
        question: that was answered with status 200.
        body: of the model's answer.
        run_id: of the run that made the version; None: it is not known.
    """
    said, revision = question.said, question.revision
    name = posted.name or "is_positive"
    if name == "is_positive":
        mine: Any = said.positive
        theirs: Any = None if posted.answer is None else _yes(posted.answer)
    else:
        mine, theirs = said.label, posted.answer
    content = {
        "id": question.id.hex(),
        "text": posted.text,
        name: {"user_answered": theirs, "model_answered": mine},
        "answer": _raw(body),
        "details": {
            "run_id": run_id,
            "model": revision.model if revision is not None else "",
            "version": revision.version if revision is not None else "",
            "revision": revision.number if revision is not None else 0,
            "role": question.role,
            "elapsed_ms": round(question.seconds * 1000, 3),
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        },
    }
    return msgspec.json.encode(content)


def learnt(posted: Posted, question: Question) -> Feedback | None:
    """The user's answer as feedback; None if there was none."""
    truth = text_of(posted.answer)
    if truth is None:
        return None
    name = question.head.deployment.name
    return Feedback(os.urandom(16), name, question.id, None, truth, None, time_ns() // 1_000_000)


def feedback(body: bytes, deployment: Callable[[str], str]) -> list[Feedback]:
    """Feedback as it was posted to `/feedback`, one or many.

    Args:
        body: of the request.
        deployment: the full name of a deployment that was named, or left out, there.

    Raises:
        InvalidArgument: it is not understood.
    """
    try:
        posted = _feedback.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise InvalidArgument(f"That is no feedback: {error}.") from None
    return [_one(each, deployment) for each in (posted.feedback if posted.feedback is not None else [posted])]


def _one(told: wire.Feedback, deployment: Callable[[str], str]) -> Feedback:
    truth = text_of(told.truth)
    _check("truth", truth)
    if told.prediction is None and told.key is None:
        raise InvalidArgument("Feedback names its `prediction`, or the `key` of the request.")
    if truth is None and told.right is None:
        raise InvalidArgument("Feedback says the `truth`, or whether the answer was `right`.")
    prediction = bytes.fromhex(told.prediction) if told.prediction is not None else None
    name = told.deployment if prediction is not None else deployment(told.deployment)
    if prediction is None and not name:
        raise InvalidArgument("Whose key is it? Feedback by key names the `deployment`, too.")
    id = bytes.fromhex(told.id) if told.id is not None else os.urandom(16)
    return Feedback(id, name, prediction, told.key, truth, told.right, time_ns() // 1_000_000)


def _check(name: str, label: str | None) -> None:
    if label is not None and len(label) > LONGEST_LABEL:
        raise InvalidArgument(f"{name!r} is a label of at most {LONGEST_LABEL} characters; this one has {len(label)}.")


def _raw(body: bytes) -> Any:
    """A model's answer, to stand in another one: itself, or its text if it is no JSON."""
    try:
        _json(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return body.decode("utf-8", "replace")
    return msgspec.Raw(body)


def _yes(value: Any) -> bool | None:
    text = (text_of(value) or "").lower()
    return True if text in _YES else False if text in _NO else None
