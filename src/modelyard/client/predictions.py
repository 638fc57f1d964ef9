"""`Client`: recorded predictions, feedback and statistics, which only Modelyard servers have."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlencode

from modelyard import optional
from modelyard.domain.errors import InvalidArgument

from .deployments import Deployments
from .pages import Page, Results, search
from .transport import NATIVE, queried

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from modelyard.wire.predictions import Feedback, FeedbackTaken, Prediction, PredictionDetails
    from modelyard.wire.statistics import Comparison, Statistics

T = TypeVar("T")

_AT_ONCE: Final = 1000
_FORMATS: Final = ("jsonl", "parquet")
_ROWS: Final = 10_000
_PIECE: Final = 2**18


class Predictions(Deployments):
    """What was answered, what was learnt about it, and how versions compare."""

    def search_predictions(
        self, deployment: str = "", *, max_results: int | None = None, page_token: str | None = None, **wanted: Any
    ) -> Page[Prediction] | Results[Prediction]:
        """Recorded predictions, the newest first. Modelyard's own.

        Args:
            deployment: its name; empty: of all.
            max_results: the most that are wanted; None: all, fetched as they are read.
            page_token: the `token` of an earlier page: go on there.
            **wanted: `model`, `version`, `revision`, `role`, `segment`, `status` (`ok`, `error`, `422`), `label`,
                `key`, `right` (by feedback), `since_ms`, `until_ms`.

        Raises:
            NotFound: nothing was ever served under the name.
        """
        from modelyard.wire.predictions import PredictionPage, PredictionQuery

        def fetch(limit: int, cursor: str) -> tuple[list[Prediction], str]:
            query = _query(PredictionQuery, deployment=deployment, limit=limit, cursor=cursor, **wanted)
            answer = self._of_predictions("GET", "predictions", query, PredictionPage)
            return answer.predictions, answer.next_cursor or ""

        return search(
            fetch,
            identity=lambda each: each.id,
            max_results=max_results,
            page_token=page_token,
            page=_AT_ONCE,
            most=_AT_ONCE,
        )

    def get_prediction(self, prediction_id: str) -> PredictionDetails:
        """Read a prediction, with all feedback and what shadows answered to the same request. Modelyard's own.

        Args:
            prediction_id: 32 hex digits, as the answer's header `modelyard-prediction` says.

        Raises:
            NotFound: it is not there, or not yet.
        """
        from urllib.parse import quote

        from modelyard.wire.predictions import PredictionDetails as Answer

        return self._of_predictions("GET", f"predictions/{quote(prediction_id, safe='')}", None, Answer)

    def export_predictions(self, path: str | Path, deployment: str = "", *, format: str = "", **wanted: Any) -> int:
        """Write predictions to a file, the newest first. Modelyard's own.

        Args:
            path: of the file; it appears when it is whole.
            deployment: its name; empty: of all.
            format: `jsonl` or `parquet`; empty: by the file's suffix.
            **wanted: as `search_predictions` takes.

        Returns:
            How many.

        Raises:
            InvalidArgument: the format is neither.
            MissingExtraError: Parquet needs `modelyard[parquet]`.
        """
        path = Path(path)
        kind = format or path.suffix.lstrip(".").lower()
        kind = {"json": "jsonl", "ndjson": "jsonl", "pq": "parquet"}.get(kind, kind)
        if kind not in _FORMATS:
            raise InvalidArgument(f"Unknown format {kind!r} of {path}; expected one of {', '.join(_FORMATS)}.")
        lines = self.stream_predictions(deployment, **wanted)
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        try:
            count = _write_parquet(partial, lines) if kind == "parquet" else _write_lines(partial, lines)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        return count

    def stream_predictions(self, deployment: str = "", **wanted: Any) -> Iterator[bytes]:
        """All predictions that match, the newest first, each as a line of JSON. Modelyard's own.

        Args:
            deployment: its name; empty: of all.
            **wanted: as `search_predictions` takes.
        """
        from modelyard.wire.predictions import PredictionFilter

        self.registry.native("Predictions")
        query = urlencode(queried(_query(PredictionFilter, deployment=deployment, **wanted)))
        path = f"{NATIVE}predictions/export?{query}"
        response = self.registry.request("GET", path, stream=True)
        if response.status >= 300:
            raise self.registry.refusal(response, "GET", path)
        left = b""
        try:
            for piece in response.stream(_PIECE):
                *whole, left = (left + piece).split(b"\n")
                yield from whole
        finally:
            response.close()
            response.release_conn()

    def give_feedback(
        self,
        prediction_id: str | None = None,
        *,
        truth: str | float | bool | None = None,
        right: bool | None = None,
        deployment: str = "",
        key: str | None = None,
    ) -> FeedbackTaken:
        """Say what turned out about a prediction, or about all of a key. The newest feedback counts. Modelyard's own.

        Args:
            prediction_id: 32 hex digits; None: `deployment` and `key` say which.
            truth: the label that would have been right.
            right: whether the answer was right, where labels cannot be compared.
            deployment: its name.
            key: the caller's own, of the request.

        Raises:
            InvalidArgument: it does not say what about, or nothing about it.
        """
        from modelyard.wire.predictions import NewFeedback

        message = NewFeedback(
            prediction=prediction_id, deployment=deployment, key=key, truth=truth, right=right, id=_new_id()
        )
        return self._feedback(message)

    def give_feedback_many(self, feedback: Iterable[Feedback]) -> FeedbackTaken:
        """Say what turned out about many predictions, a thousand at a time. Modelyard's own.

        Args:
            feedback: messages of `modelyard.wire.predictions`; those without an `id` get one.
        """
        from itertools import islice

        from modelyard.wire.predictions import FeedbackTaken, NewFeedback

        total = FeedbackTaken(taken=0, joined=0)
        waiting = iter(feedback)
        while some := list(islice(waiting, _AT_ONCE)):
            for each in some:
                each.id = each.id or _new_id()
            taken = self._feedback(NewFeedback(feedback=some))
            total.taken += taken.taken
            total.joined += taken.joined
        return total

    def _feedback(self, message: Any) -> FeedbackTaken:
        from modelyard.wire.predictions import FeedbackTaken

        return self._of_predictions("POST", "feedback", message, FeedbackTaken)

    def get_statistics(self, deployment: str, **wanted: Any) -> Statistics:
        """Correctness with its interval, errors, latency, positive share of a deployment. Modelyard's own.

        Args:
            deployment: its name.
            **wanted: `version`, `segment`, `since_ms`, `until_ms`, and `window`: `hour` or `day`.

        Raises:
            NotFound: nothing was ever served under the name.
        """
        from modelyard.wire.statistics import Statistics as Answer
        from modelyard.wire.statistics import StatisticsQuery

        query = _query(StatisticsQuery, deployment=deployment, **wanted)
        return self._of_predictions("GET", "statistics", query, Answer)

    def compare_versions(self, deployment: str, a: str | int, b: str | int, **wanted: Any) -> Comparison:
        """How one version stands against another by feedback, with an interval and in a sentence. Modelyard's own.

        Args:
            deployment: its name.
            a: a version's number; `MODEL/NUMBER` where several models answer; `endpoint:NAME`; `revision:NUMBER`.
            b: likewise.
            **wanted: `segment`, `since_ms`, `until_ms`.

        Raises:
            NotFound: one of them answered nobody.
        """
        from modelyard.wire.statistics import Comparison as Answer
        from modelyard.wire.statistics import ComparisonQuery

        query = _query(ComparisonQuery, deployment=deployment, a=str(a), b=str(b), **wanted)
        return self._of_predictions("GET", "statistics/compare", query, Answer)

    def _of_predictions(self, method: str, path: str, message: Any, kind: type[T]) -> T:
        self.registry.native("Predictions")
        return self.registry.call(method, NATIVE + path, message, kind)


def _new_id() -> str:
    """Of feedback: what is sent twice is then stored once."""
    return ((time.time_ns() // 1_000_000).to_bytes(6, "big") + os.urandom(10)).hex()


def _query(kind: type[T], **values: Any) -> T:
    try:
        return kind(**{name: str(value) if name == "status" else value for name, value in values.items()})
    except TypeError as error:
        raise InvalidArgument(f"{error}; expected {', '.join(kind.__struct_fields__)}.") from None  # type: ignore[attr-defined]


def _write_lines(path: Path, lines: Iterable[bytes]) -> int:
    count = 0
    with path.open("wb") as file:
        for line in lines:
            file.write(line + b"\n")
            count += 1
    return count


def _write_parquet(path: Path, lines: Iterable[bytes]) -> int:
    """Columns as the messages have them; `input` and `output` as JSON texts."""
    import msgspec

    arrow = optional.load("pyarrow", to="export Parquet")
    parquet = optional.load("pyarrow.parquet", to="export Parquet")
    texts = ("id", "deployment", "endpoint", "model", "version", "role", "segment", "input", "input_hash", "output",
             "label", "key", "parent", "truth")  # fmt: skip
    kinds = {
        **dict.fromkeys(texts, arrow.string()),
        "at_ms": arrow.timestamp("ms", tz="UTC"), "revision": arrow.int64(), "latency_ms": arrow.float64(),
        "status": arrow.int16(), "score": arrow.float64(), "positive": arrow.bool_(), "right": arrow.bool_(),
    }  # fmt: skip
    names = [name for name in _columns() if name in kinds]
    schema = arrow.schema([(name, kinds[name]) for name in names])
    decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
    count = 0
    waiting = iter(lines)
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        while True:
            rows = [decode(line) for line, _ in zip(waiting, range(_ROWS), strict=False)]
            if not rows:
                return count
            columns = [arrow.array([_cell(name, row.get(name)) for row in rows], kinds[name]) for name in names]
            writer.write_table(arrow.Table.from_arrays(columns, schema=schema))
            count += len(rows)


def _columns() -> tuple[str, ...]:
    from modelyard.wire.predictions import Prediction

    return Prediction.__struct_fields__


def _cell(name: str, raw: Any) -> Any:
    import msgspec

    if raw is None or bytes(raw) == b"null":
        return None
    return bytes(raw).decode() if name in ("input", "output") else msgspec.json.decode(raw)
