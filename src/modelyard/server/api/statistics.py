"""Statistics of predictions over the native API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelyard.domain import statistics
from modelyard.services import predictions
from modelyard.wire import statistics as wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from modelyard.db.transaction import Transaction
    from modelyard.domain.statistics import Count, Slot
    from modelyard.server.call import Call


def _version(slot: Slot) -> tuple[str, str, str]:
    return statistics.answerer(slot.of)


def total(slots: Iterable[Slot]) -> Count:
    """All of them added up."""
    return statistics.grouped(slots, lambda _: 0).get(0) or statistics.Count()


def _versions(slots: Iterable[Slot]) -> dict[tuple[str, str, str], Count]:
    return statistics.grouped(slots, _version)


def _parted(slots: Iterable[Slot], key: Callable[[Slot], Any]) -> dict[Any, list[Slot]]:
    found: dict[Any, list[Slot]] = {}
    for slot in slots:
        found.setdefault(key(slot), []).append(slot)
    return found


async def describe(call: Call, query: wire.StatisticsQuery) -> wire.Statistics:
    def read(tx: Transaction) -> wire.Statistics:
        period = predictions.period(tx, query.deployment, query.since_ms, query.until_ms, query.segment, query.version)
        slots = period.callers()
        length = {"": 0, "hour": statistics.HOUR_S, "day": statistics.DAY_S}[query.window]
        windows = _parted(slots, lambda slot: slot.slot_s // length * length) if length else {}
        segments = _parted(slots, lambda slot: slot.of.segment)
        return wire.Statistics(
            deployment=query.deployment,
            since_ms=period.since_ms,
            until_ms=period.until_ms,
            total=wire.numbers(total(slots)),
            versions=[wire.version_numbers(of, each) for of, each in _versions(slots).items()],
            segments=[wire.segment_numbers(of, total(each), _versions(each)) for of, each in sorted(segments.items())],
            windows=[wire.window_numbers(at * 1000, total(each), _versions(each)) for at, each in windows.items()],
            shadows=[wire.shadow_numbers(of, each) for of, each in _versions(period.shadows()).items()],
        )

    return await call.scan(read)


async def compare(call: Call, query: wire.ComparisonQuery) -> wire.Comparison:
    found = await call.scan(
        predictions.compare, query.deployment, query.a, query.b, query.since_ms, query.until_ms, query.segment
    )
    it = found.comparison
    return wire.Comparison(
        deployment=query.deployment, since_ms=found.period.since_ms, until_ms=found.period.until_ms,
        a=wire.version_numbers(*found.a), b=wire.version_numbers(*found.b), difference=it.difference, low=it.low,
        high=it.high, answers=it.answers, decided=it.decided, told=it.told,
    )  # fmt: skip
