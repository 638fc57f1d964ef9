"""What services add to predictions: short transactions, periods of whole slots, and forgetting."""

from __future__ import annotations

import os
import time

import pytest

from modelyard.db import predictions as db
from modelyard.domain.errors import InvalidArgument
from modelyard.domain.predictions import DAY_MS, Feedback, Ids, Prediction, Wanted
from modelyard.domain.statistics import SLOT_S
from modelyard.services import predictions
from modelyard.services.clock import now_ms

IDS = Ids(b"tests")


def prediction(at_ms: int) -> Prediction:
    return Prediction(IDS.next(at_ms), "wine", at_ms, 1, "", "wine", "3", "stable", "", 900, 200, label="red")


def test_a_batch_is_stored_in_parts_that_others_can_come_between(database, monkeypatch):
    monkeypatch.setitem(predictions.AT_ONCE, database.dialect, 10)
    found = [prediction(now_ms()) for _ in range(35)]
    told = [Feedback(os.urandom(16), "", each.id, None, "red", None, now_ms()) for each in found]
    before = database.writer.commands
    assert predictions.take_all(database, found, told) == (35, 35)
    assert database.writer.commands - before == 8
    assert predictions.take_all(database, found, told) == (0, 0)


def test_ids_that_are_not_of_the_time_are_refused(database):
    wrong = prediction(now_ms())._replace(at_ms=now_ms() - 2 * DAY_MS)
    with pytest.raises(InvalidArgument) as caught:
        predictions.take_all(database, [prediction(now_ms()), wrong], [])
    assert [place for place, _ in caught.value.places] == ["/predictions/1/id"]


def test_periods_are_widened_to_whole_slots(database):
    slot_ms = SLOT_S * 1000
    first = now_ms() // slot_ms * slot_ms - 3 * slot_ms
    for at in range(3):
        database.write(predictions.take, [prediction(first + at * slot_ms + 1)])
    whole = database.read(predictions.period, "wine")
    assert (whole.since_ms, len(whole.slots)) == (0, 3)
    assert abs(whole.until_ms - now_ms()) < 10_000
    some = database.read(predictions.period, "wine", first + slot_ms + 7, first + slot_ms + 9)
    assert (some.since_ms, some.until_ms) == (first + slot_ms, first + 2 * slot_ms)
    assert [slot.slot_s for slot in some.slots] == [(first + slot_ms) // 1000]


def test_what_is_older_than_its_time_goes_and_its_counts_stay(database):
    old, young = [prediction(now_ms() - 2 * DAY_MS) for _ in range(7)], prediction(now_ms())
    predictions.take_all(database, [*old, young], [])
    retention = predictions.Retention(database, days=1)
    assert retention.look() == 7
    assert retention.look() == 0
    assert [each.prediction for each in database.read(db.page, Wanted(), 10)] == [young]
    assert sum(slot.counted.calls for slot in database.read(predictions.period, "wine").slots) == 8


def test_forgetting_goes_on_by_itself_and_stops(database, monkeypatch):
    monkeypatch.setattr(predictions, "_LOOK_S", 0.01)
    predictions.take_all(database, [prediction(now_ms() - 2 * DAY_MS)], [])
    kept = predictions.Retention(database, days=0)
    kept.start()
    kept.stop()
    assert len(database.read(db.page, Wanted(), 10)) == 1
    retention = predictions.Retention(database, days=1)
    retention.start()
    end = time.monotonic() + 20
    while database.read(db.page, Wanted(), 10) and time.monotonic() < end:
        time.sleep(0.01)
    retention.stop()
    assert database.read(db.page, Wanted(), 10) == []
