"""PostgreSQL: the commands of a kind as one statement, and a whole drain in one round trip.

A transaction of several statements costs several waits, and each wait more than the work: of the processor, for it is
the driver's and the scheduler's, and of the clock. Each statement here does all of its commands or none. What it cannot
decide (a run that is not there, a new key, a changed param, a logged model's metric) it leaves alone, and those
commands go the ordinary way (bulk.py), which says what is wrong with them.
"""

from __future__ import annotations

import select
import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec

from modelyard.domain.metrics import LogBatch, PointBatch
from modelyard.domain.runs import NAME_TAG, NewRun, RunChange

from .log import fold, upsert_metric
from .point_batches import split
from .runs import from_row, planned
from .series import pack_points

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .bulk import Bulk
    from .keys import Keys
    from .transaction import Row

    Params = dict[str, Any]

MOST_UNANSWERED: Final = 48 * 1024
"""Bytes that are sent without waiting for answers. psycopg (3.3) does not go on sending while it waits for the
first answer, so what a socket's buffers do not hold would never arrive."""

# What `touched` holds goes to the other servers; see changes.py.
_NOTED: Final = """noted AS (
  INSERT INTO change_log (txid, at_ms, runs)
  SELECT pg_current_xact_id()::text::bigint, %(now)s::bigint,
    string_agg(int8send(experiment_id) || int8send(id), ''::bytea)
  FROM touched HAVING count(*) > 0
)"""

_CREATE: Final = f"""
WITH given AS (
  SELECT x.*, e.id AS place, split_part(e.artifact_location, '?', 1) AS path,
    substr(e.artifact_location, length(split_part(e.artifact_location, '?', 1)) + 1) AS query
  FROM json_to_recordset(%(runs)s::json)
    AS x(run text, experiment_id bigint, name text, start_ms bigint, user_id text, created_by text)
  JOIN experiment e ON e.id = x.experiment_id AND e.lifecycle = 'active'
),
touched AS (
  INSERT INTO run (uuid, experiment_id, name, status, start_ms, lifecycle, user_id, artifact_uri, created_by, rev)
  SELECT run, place, name, 'RUNNING', start_ms, 'active', user_id,
    rtrim(path, '/') || '/' || run || '/artifacts' || query, created_by, 1
  FROM given WHERE (SELECT count(*) FROM given) = %(count)s
  RETURNING uuid, id, experiment_id, artifact_uri
),
tagged AS (
  INSERT INTO run_tag (run_id, key_id, value)
  SELECT t.id, x.key, x.value FROM json_to_recordset(%(tags)s::json) AS x(run text, key bigint, value text)
  JOIN touched t ON t.uuid = x.run
),
{_NOTED}
SELECT experiment_id, id, uuid, artifact_uri FROM touched
"""  # noqa: S608 - of our own pieces

_CHANGE: Final = f"""
WITH given AS (
  SELECT r.id, x.status, x.end_ms, nullif(x.name, '') AS name
  FROM json_to_recordset(%(runs)s::json) AS x(run text, status text, end_ms bigint, name text)
  JOIN run r ON r.uuid = x.run AND r.lifecycle = 'active'
),
touched AS (
  UPDATE run SET rev = run.rev + 1, status = coalesce(g.status, run.status), end_ms = coalesce(g.end_ms, run.end_ms),
    name = coalesce(g.name, run.name)
  FROM given g WHERE run.id = g.id AND run.lifecycle = 'active' AND (SELECT count(*) FROM given) = %(count)s
  RETURNING run.id, run.uuid, run.experiment_id, run.name, run.status, run.start_ms, run.end_ms, run.lifecycle,
    run.user_id, run.artifact_uri, run.rev, g.name AS wanted
),
tagged AS (
  INSERT INTO run_tag (run_id, key_id, value) SELECT id, %(name_key)s::bigint, name FROM touched
  WHERE wanted IS NOT NULL ON CONFLICT (run_id, key_id) DO UPDATE SET value = excluded.value
),
{_NOTED}
SELECT experiment_id, id, uuid, experiment_id, name, status, start_ms, end_ms, lifecycle, user_id, artifact_uri, rev
FROM touched
"""  # noqa: S608 - likewise

_LOG: Final = f"""
WITH touched AS (
  UPDATE run SET rev = rev + 1 WHERE uuid = ANY(%(uuids)s::text[]) AND lifecycle = 'active'
  RETURNING uuid, id, experiment_id
),
given AS (
  SELECT t.id, x.key, x.value FROM json_to_recordset(%(params)s::json) AS x(run text, key bigint, value text)
  JOIN touched t ON t.uuid = x.run
),
spoilt AS (
  SELECT 1 FROM given g JOIN param p ON p.run_id = g.id AND p.key_id = g.key WHERE p.value <> g.value
  UNION ALL SELECT 1 WHERE (SELECT count(*) FROM touched) < %(count)s
),
params AS (
  INSERT INTO param (run_id, key_id, value) SELECT g.id, g.key, g.value FROM given g
  WHERE NOT EXISTS (SELECT 1 FROM spoilt)
  AND NOT EXISTS (SELECT 1 FROM param p WHERE p.run_id = g.id AND p.key_id = g.key)
),
tags AS (
  INSERT INTO run_tag (run_id, key_id, value)
  SELECT t.id, x.key, x.value FROM json_to_recordset(%(tags)s::json) AS x(run text, key bigint, value text)
  JOIN touched t ON t.uuid = x.run WHERE NOT EXISTS (SELECT 1 FROM spoilt)
  ON CONFLICT (run_id, key_id) DO UPDATE SET value = excluded.value
),
latest AS (
  INSERT INTO metric (run_id, key_id, step, timestamp, value, is_nan, min_value, max_value)
  SELECT t.id, x.key, x.step, x.timestamp, x.value, x.is_nan, x.min_value, x.max_value
  FROM json_to_recordset(%(latest)s::json) AS x(run text, key bigint, step bigint, timestamp bigint,
    value double precision, is_nan bigint, min_value double precision, max_value double precision)
  JOIN touched t ON t.uuid = x.run WHERE NOT EXISTS (SELECT 1 FROM spoilt)
  {upsert_metric().compiled("postgresql").text.partition(" ON CONFLICT")[2].join(("ON CONFLICT", ""))}
),
fresh AS (
  INSERT INTO metric_fresh (run_id, body)
  SELECT t.id, decode(x.body, 'base64') FROM json_to_recordset(%(fresh)s::json) AS x(run text, body text)
  JOIN touched t ON t.uuid = x.run WHERE NOT EXISTS (SELECT 1 FROM spoilt)
),
{_NOTED}
SELECT experiment_id, id FROM touched WHERE NOT EXISTS (SELECT 1 FROM spoilt)
"""  # noqa: S608 - likewise


@dataclass(frozen=True, slots=True)
class Step:
    """One statement.

    Attributes:
        repeatable: whether its commands have no value, and mean the same when they are carried out twice.
        places: which of the drain's commands it carries out.
        text, params: to be executed.
        results: from its rows (which begin with experiment and run) to the commands' values; None for what it left.
    """

    repeatable: bool
    places: list[int]
    text: str
    params: Params
    results: Callable[[list[Row]], list[Any]]


def plan(commands: Sequence[Bulk | None], keys: Keys) -> list[Step] | None:
    """The statements for a drain, None if it must go the ordinary way."""
    steps = []
    for kind, (text, read, results) in _KINDS.items():
        places = [at for at, command in enumerate(commands) if type(command) is kind]
        if not places:
            continue
        theirs: list[Any] = [commands[at] for at in places]
        params = read(theirs, keys.known())
        if params is None:
            return None
        params["now"] = int(time.time() * 1000)
        params.setdefault("count", len({command.run for command in theirs}))
        values = partial(results, theirs)
        steps.append(Step(kind in (LogBatch, PointBatch), places, text, params, values))
    return steps if sum(len(step.places) for step in steps) == len(commands) else None


def was_closed(connection: Any) -> bool:
    """Whether an idle connection has something to say, which is the other side's farewell."""
    if connection.closed:
        return True
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def execute(connection: Any, steps: Sequence[Step]) -> list[list[Row]]:
    """Execute the statements as one transaction on an idle connection; the rows of each, none where it did nothing."""
    if len(steps) > 1:
        size = sum(len(value) for step in steps for value in step.params.values() if isinstance(value, str))
        with connection.pipeline() if size <= MOST_UNANSWERED else nullcontext():
            cursors = [connection.execute(step.text, step.params) for step in steps]
            connection.commit()
            return [cursor.fetchall() for cursor in cursors]
    connection.autocommit = True
    try:
        return [connection.execute(steps[0].text, steps[0].params).fetchall()]
    finally:
        if not connection.closed:
            connection.autocommit = False


def _create_params(wanted: list[NewRun], known: dict[str, int]) -> Params | None:
    if any(key not in known for new in wanted for key, _ in new.tags):
        return None
    tags = {(new.run, known[key]): value for new in wanted for key, value in new.tags}
    return {"runs": _json([_fields(new) for new in wanted]), "tags": _pairs(tags)}


def _fields(new: NewRun) -> dict[str, object]:
    names = ("run", "experiment_id", "name", "start_ms", "user_id", "created_by")
    return {name: getattr(new, name) for name in names}


def _created(wanted: list[NewRun], rows: list[Row]) -> list[Any]:
    found = {uuid: (number, uri) for _, number, uuid, uri in rows}
    return [replace(planned(new, found[new.run][1]), id=found[new.run][0]) for new in wanted]


def _change_params(changes: list[RunChange], known: dict[str, int]) -> Params | None:
    if len({change.run for change in changes}) < len(changes) or NAME_TAG not in known:
        return None
    rows = [
        {
            "run": change.run,
            "status": None if change.status is None else str(change.status),
            "end_ms": change.end_ms,
            "name": change.name,
        }
        for change in changes
    ]
    return {"runs": _json(rows), "name_key": known[NAME_TAG]}


def _changed(changes: list[RunChange], rows: list[Row]) -> list[Any]:
    found = {row[2]: from_row(row[1:]) for row in rows}
    return [found.get(change.run) for change in changes]


def _log_params(batches: list[LogBatch], known: dict[str, int]) -> Params | None:
    params: dict[tuple[str, int], str] = {}
    tags: dict[tuple[str, int], str] = {}
    latest: dict[tuple[str, int], dict[str, Any]] = {}
    fresh: list[dict[str, object]] = []
    try:
        for batch in batches:
            if batch.model_metrics or any(key == NAME_TAG for key, _ in batch.tags):
                return None
            for key, value in batch.params:
                if params.setdefault((batch.run, known[key]), value) != value:
                    return None
            tags.update({(batch.run, known[key]): value for key, value in batch.tags})
            points = batch.points
            if points is not None and points.keys:
                ids = [known[key] for key in points.keys]
                body = pack_points(ids, points.timestamps, points.steps, points.values)
                fresh.append({"run": batch.run, "body": body})
                fold(latest, batch.run, ids, points)
    except KeyError:  # a new key
        return None
    return {
        "uuids": sorted({batch.run for batch in batches}),
        "params": _pairs(params),
        "tags": _pairs(tags),
        "latest": _json([latest[at] for at in sorted(latest)]),
        "fresh": _json(fresh),
    }


def _points_params(batches: list[PointBatch], known: dict[str, int]) -> Params | None:
    latest: dict[tuple[str, int], dict[str, Any]] = {}
    fresh: list[dict[str, object]] = []
    try:
        for batch in batches:
            fresh += split(batch, batch.runs, [known[key] for key in batch.keys], latest)
    except KeyError:  # a new key
        return None
    uuids = sorted({uuid for batch in batches for uuid in batch.runs})
    return {
        "uuids": uuids,
        "count": len(uuids),
        "params": "[]",
        "tags": "[]",
        "latest": _json([latest[at] for at in sorted(latest)]),
        "fresh": _json(fresh),
    }


def _logged(batches: list[LogBatch | PointBatch], _: list[Row]) -> list[Any]:
    return [None] * len(batches)


def _pairs(values: dict[tuple[str, int], str]) -> str:
    return _json([{"run": run, "key": key, "value": value} for (run, key), value in sorted(values.items())])


def _json(rows: list[Any]) -> str:
    return msgspec.json.encode(rows).decode()


# In the order in which they are carried out.
_KINDS: Final[dict[type[Any], tuple[str, Callable[..., Params | None], Callable[..., list[Any]]]]] = {
    NewRun: (_CREATE, _create_params, _created),
    LogBatch: (_LOG, _log_params, _logged),
    PointBatch: (_LOG, _points_params, _logged),
    RunChange: (_CHANGE, _change_params, _changed),
}
