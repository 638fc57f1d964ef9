"""Predictions, feedback and statistics over the native API."""

from __future__ import annotations

import asyncio
import math
import os
from typing import TYPE_CHECKING, Final

import msgspec

from modelyard.domain import predictions as domain
from modelyard.domain import statistics
from modelyard.domain.errors import InvalidArgument
from modelyard.http.asgi import respond
from modelyard.services import predictions
from modelyard.services.clock import now_ms
from modelyard.wire import predictions as wire

from . import cursors, messages
from .statistics import total

if TYPE_CHECKING:
    from modelyard.db.transaction import Transaction
    from modelyard.server.call import Call

NDJSON: Final = "application/x-ndjson"
_EXPORTED_AT_ONCE: Final = 1000

_check_json: Final = msgspec.json.Decoder(msgspec.Raw).decode
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode
_NULL: Final = msgspec.Raw(b"null")


# ------------------------------------------------------------------------------------ in


async def take(call: Call, body: wire.PredictionBatch) -> wire.BatchTaken:
    database = call.state.database

    def store() -> wire.BatchTaken:  # beside the event loop: a thousand rows take a while
        found = [_prediction(each, at) for at, each in enumerate(body.predictions)]
        told = [
            domain.Feedback(
                each.id, _clean(each.deployment), each.prediction,
                _text(each.key) if each.prediction is None else None, _text(each.truth), each.right,
                each.at_ms, _clean(each.principal) or body.gateway,
            )
            for each in body.feedback
        ]  # fmt: skip
        stored, new = predictions.take_all(database, found, told)
        return wire.BatchTaken(stored=stored, feedback=new)

    return await asyncio.to_thread(store)  # readers have threads of their own


def _prediction(each: wire.RecordedPrediction, at: int) -> domain.Prediction:
    for name, text in (("input", each.input), ("output", each.output)):
        if text is not None:
            try:
                _check_json(text)
            except (msgspec.DecodeError, RecursionError) as error:
                place = (f"/predictions/{at}/{name}", f"Expected JSON: {error}.")
                raise InvalidArgument(f"A prediction's {name} is not JSON: {error}.", [place]) from None
    score = each.score if each.score is not None and math.isfinite(each.score) else None
    return domain.Prediction(
        each.id, _clean(each.deployment), each.at_ms, each.revision, _clean(each.endpoint), _clean(each.model),
        _clean(each.version), each.role, _clean(each.segment), each.latency_us, each.status, each.input,
        _text(each.input_hash), each.output, _text(each.label), score, each.positive, _text(each.key), each.parent,
    )  # fmt: skip


def _clean(text: str) -> str:
    """A text without NUL, which PostgreSQL cannot keep."""
    return text.replace("\0", "\ufffd") if "\0" in text else text


def _text(text: str | None) -> str | None:
    return None if text is None else _clean(text)


async def feedback(call: Call, body: wire.NewFeedback) -> wire.FeedbackTaken:
    many = body.feedback
    if many is None:
        many = [body]
    elif any(each is not None for each in (body.prediction, body.key, body.truth, body.right, body.id)):
        raise InvalidArgument("Say either one feedback, or many in `feedback`.", [("/feedback", "Leave it out.")])
    now, who = now_ms(), call.principal.name
    found = [
        domain.Feedback(
            bytes.fromhex(each.id) if each.id is not None else os.urandom(16),
            each.deployment,
            bytes.fromhex(each.prediction) if each.prediction is not None else None,
            each.key if each.prediction is None else None,
            domain.text_of(each.truth),
            each.right,
            now,
            who,
        )
        for each in many
    ]
    predictions.check_feedback(found, "/feedback/{}" if body.feedback is not None else "")
    _, joined = await call.write(predictions.take_feedback, found)
    return wire.FeedbackTaken(taken=len(found), joined=joined)


# ------------------------------------------------------------------------------------ predictions


def _wanted(query: wire.PredictionFilter) -> domain.Wanted:
    status = {"": None, "ok": (0, 399), "error": (500, 999)}
    return domain.Wanted(
        deployment=query.deployment, model=query.model, version=query.version, revision=query.revision,
        role=query.role, segment=query.segment, label=query.label, key=query.key, right=query.right,
        status=status[query.status] if query.status in status else (int(query.status), int(query.status)),
        since_ms=query.since_ms, until_ms=query.until_ms,
    )  # fmt: skip


async def listing(call: Call, query: wire.PredictionQuery) -> bytes:
    wanted = _wanted(query)
    of = f"predictions {wanted!r}"
    last = cursors.read(query.cursor, of)
    before = None if last is None else bytes.fromhex(str(last[0]))

    def read(tx: Transaction) -> bytes:  # encoded beside the event loop: inputs may be long
        found = predictions.page(tx, wanted, query.limit + 1, before)
        answer = wire.PredictionPage(
            predictions=[wire.prediction(each) for each in found[: query.limit]],
            next_cursor=cursors.following([(each.prediction.id.hex(),) for each in found], query.limit, of),
        )
        return _encode(answer)

    return await call.scan(read)


async def get(call: Call) -> bytes:
    def read(tx: Transaction) -> bytes:
        return _encode(wire.details(*predictions.get(tx, call.path["prediction_id"])))

    return await call.scan(read)


async def export(call: Call) -> None:
    """Stream predictions, the newest first, a JSON object a line."""
    wanted = _wanted(messages.from_query(call.scope["query_string"], wire.PredictionFilter))

    def read(tx: Transaction, before: bytes | None) -> tuple[bytes, bytes | None]:
        found = predictions.page(tx, wanted, _EXPORTED_AT_ONCE, before)
        lines = b"".join(_encode(wire.prediction(each)) + b"\n" for each in found)
        return lines, found[-1].prediction.id if len(found) == _EXPORTED_AT_ONCE else None

    lines, before = await call.scan(read, None)
    headers = [(b"content-type", NDJSON.encode())]
    await call.send({"type": "http.response.start", "status": 200, "headers": headers})
    if call.scope["method"] != "HEAD":
        while before is not None:
            await call.send({"type": "http.response.body", "body": lines, "more_body": True})
            lines, before = await call.scan(read, before)
        await call.send({"type": "http.response.body", "body": lines})
    else:
        await call.send({"type": "http.response.body", "body": b""})


# ------------------------------------------------------------------------------------ in the words of a proxy


async def proxy_predictions(call: Call) -> None:
    query = messages.from_query(call.scope["query_string"], wire.ProxyQuery)
    wanted = domain.Wanted(deployment=call.path["name"], shadows=False)

    def read(tx: Transaction) -> bytes:
        found = predictions.page(tx, wanted, query.limit)
        runs = predictions.runs_of(tx, found)
        return _encode(
            [
                wire.proxy_prediction(
                    each,
                    _asked(each.prediction.input),
                    _answered(each),
                    runs.get((each.prediction.model, each.prediction.version)),
                )
                for each in found
            ]
        )

    await respond(call.send, 200, await call.scan(read), (b"content-type", b"application/json"))


def _asked(input: str | None) -> msgspec.Raw:
    """The field `text` of an input, or all of it."""
    if input is None:
        return _NULL
    try:
        value = _decode(input)
    except (msgspec.DecodeError, RecursionError):
        return _NULL
    if isinstance(value, dict) and "text" in value:
        return msgspec.Raw(_encode(value["text"]))
    return msgspec.Raw(input.encode())


def _answered(of: domain.Stored) -> bool | None:
    """What the user said: whether it is positive."""
    if of.truth is not None:
        said = domain.is_right(of.truth, None, positive=True)
        if said is not None:
            return said
    positive = of.prediction.positive
    return None if positive is None or of.right is None else positive is of.right


async def proxy_statistics(call: Call) -> wire.ProxyStatistics:
    def read(tx: Transaction) -> wire.ProxyStatistics:
        slots = predictions.period(tx, call.path["name"]).callers()
        by_version = statistics.grouped(slots, lambda slot: slot.of.endpoint or statistics.answerer(slot.of)[1])
        return wire.ProxyStatistics(
            statistics=wire.proxy_rates(total(slots)),
            versions={version: wire.proxy_rates(each) for version, each in by_version.items()},
        )

    return await call.scan(read)
