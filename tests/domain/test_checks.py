"""What each check says: pass, fail, inconclusive, error; alone, beside stable, in segments."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.domain.checks import (
    BOUNDS_S,
    DEFAULT,
    SCORE_BINS,
    Check,
    Measure,
    Sample,
    Verdict,
    bucket,
    judge,
    quantile,
    stability_index,
)

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE


def one(check, canary, stable=None):
    (result,) = judge((check,), {"": canary}, {} if stable is None else {"": stable})
    return result


def times(*seconds, count=1):
    """Buckets of so many answers that took so long."""
    found = [0] * (len(BOUNDS_S) + 1)
    for each in seconds:
        found[bucket(each)] += count
    return tuple(found)


def errors(count, of):
    return Sample(requests=of, errors=count)


def right(count, of):
    return Sample(feedback=of, right=count)


def positive(count, of):
    return Sample(requests=of, labelled=of, positives=count)


def common(count, of):
    return Sample(requests=of, outputs=of, commonest=count)


LIMIT = Check(measure=Measure.ERROR_RATE, limit=0.01)
MARGIN = Check(measure=Measure.ERROR_RATE, margin=0.01)
BOTH = Check(measure=Measure.ERROR_RATE, limit=0.01, margin=0.01)
CORRECT = Check(measure=Measure.CORRECTNESS, limit=0.9)
CORRECT_BESIDE = Check(measure=Measure.CORRECTNESS, margin=0.02)
SLOW = Check(measure=Measure.LATENCY, limit=0.2, least=100)
SLOWER = Check(measure=Measure.LATENCY, margin=3.0, least=100)
CONSTANT = Check(measure=Measure.CONSTANT_OUTPUT, limit=0.98, least=50)
POSITIVE = Check(measure=Measure.POSITIVE_SHARE, limit=0.25, least=100)
DISAGREE = Check(measure=Measure.DISAGREEMENT, limit=0.1)
SHIFT = Check(measure=Measure.SCORE_SHIFT, limit=0.25, least=100)
FLAT = (100,) * SCORE_BINS
STEEP = (1000, *([10] * (SCORE_BINS - 1)))


@pytest.mark.parametrize(
    ("check", "canary", "stable", "verdict"),
    [
        (LIMIT, errors(0, 20), None, PASS),
        (LIMIT, errors(0, 19), None, INCONCLUSIVE),
        (LIMIT, errors(20, 20), None, FAIL),
        (LIMIT, errors(1, 50), None, INCONCLUSIVE),
        (LIMIT, errors(50, 1000), None, FAIL),
        (LIMIT, errors(10, 1000), None, PASS),
        (MARGIN, errors(0, 100), None, INCONCLUSIVE),
        (MARGIN, errors(50, 1000), errors(50, 1000), PASS),
        (MARGIN, errors(200, 1000), errors(50, 1000), FAIL),
        (MARGIN, errors(70, 1000), errors(50, 1000), INCONCLUSIVE),
        (BOTH, errors(50, 1000), errors(50, 1000), PASS),
        (BOTH, errors(9, 1000), errors(0, 1000), PASS),
        (BOTH, errors(200, 1000), errors(50, 1000), FAIL),
        (BOTH, errors(200, 1000), errors(0, 3), FAIL),
        (CORRECT, right(95, 100), None, PASS),
        (CORRECT, right(500, 1000), None, FAIL),
        (CORRECT, right(17, 20), None, INCONCLUSIVE),
        (CORRECT, right(0, 0), None, INCONCLUSIVE),
        (CORRECT_BESIDE, right(940, 1000), right(950, 1000), PASS),
        (CORRECT_BESIDE, right(700, 1000), right(950, 1000), FAIL),
        (CORRECT_BESIDE, right(990, 1000), right(950, 1000), PASS),
        (CORRECT_BESIDE, right(990, 1000), right(9, 10), INCONCLUSIVE),
        (DISAGREE, Sample(pairs=100, disagreements=5), None, PASS),
        (DISAGREE, Sample(pairs=100, disagreements=50), None, FAIL),
        (DISAGREE, Sample(pairs=100, disagreements=12), None, INCONCLUSIVE),
        (POSITIVE, positive(50, 100), positive(50, 100), PASS),
        (POSITIVE, positive(100, 100), positive(30, 100), FAIL),
        (POSITIVE, positive(0, 100), positive(70, 100), FAIL),
        (POSITIVE, positive(80, 100), positive(50, 100), INCONCLUSIVE),
        (POSITIVE, positive(80, 99), positive(50, 1000), INCONCLUSIVE),
        (POSITIVE, Sample(requests=500), Sample(requests=500), PASS),
        (POSITIVE, Sample(requests=500), positive(50, 100), INCONCLUSIVE),
        (CONSTANT, common(30, 100), common(40, 100), PASS),
        (CONSTANT, common(50, 50), common(40, 100), FAIL),
        (CONSTANT, common(50, 50), common(97, 100), INCONCLUSIVE),
        (CONSTANT, common(5000, 5000), common(970, 1000), FAIL),
        (CONSTANT, common(50, 50), common(100, 100), PASS),
        (CONSTANT, common(50, 50), None, INCONCLUSIVE),
        (CONSTANT, common(2000, 2000), None, FAIL),
        (CONSTANT, common(49, 49), common(40, 100), INCONCLUSIVE),
        (SLOW, Sample(latency=times(0.05, count=100)), None, PASS),
        (SLOW, Sample(latency=times(0.199, count=1000)), None, PASS),
        (SLOW, Sample(latency=times(0.5, count=100)), None, FAIL),
        (SLOW, Sample(latency=times(0.05, count=98)), None, INCONCLUSIVE),
        (SLOW, Sample(latency=times(*[0.05] * 98, 1, 1)), None, INCONCLUSIVE),
        (SLOW, Sample(latency=times(100, count=100)), None, FAIL),
        (SLOWER, Sample(latency=times(0.05, count=100)), Sample(latency=times(0.02, count=100)), PASS),
        (SLOWER, Sample(latency=times(0.5, count=100)), Sample(latency=times(0.02, count=100)), FAIL),
        (SLOWER, Sample(latency=times(0.5, count=100)), None, INCONCLUSIVE),
        (SHIFT, Sample(scores=FLAT), Sample(scores=FLAT), PASS),
        (SHIFT, Sample(scores=STEEP), Sample(scores=FLAT), FAIL),
        (SHIFT, Sample(scores=(1,) * SCORE_BINS), Sample(scores=FLAT), INCONCLUSIVE),
    ],
)
def test_verdicts(check, canary, stable, verdict):
    result = one(check, canary, stable)
    assert result.verdict is verdict, result.told
    assert str(check.measure) in result.told


def test_a_suspicion_is_inconclusive_and_says_so():
    assert one(LIMIT, errors(1, 50)).suspicious
    assert not one(LIMIT, errors(1, 5)).suspicious
    assert not one(LIMIT, errors(50, 50)).suspicious


def test_words_for_people():
    assert one(LIMIT, errors(50, 1000)).told == "error_rate 0.05 (at most: 0.01, 1000 answers)"
    assert one(CORRECT, right(500, 1000)).told == "correctness 0.5 (least: 0.9, 1000 answers)"
    assert one(CORRECT, right(3, 4)).told == "correctness: 4 of the 20 answers with feedback that it needs"
    assert one(MARGIN, errors(0, 100)).told == "error_rate: 0 of the 20 answers of stable that it needs"
    assert one(SLOW, Sample(latency=times(0.199, count=100))).told == "latency p99 0.2 (at most: 0.2, 100 answers)"
    (segment,) = [each for each in judge((LIMIT,), {"fr": errors(9, 9)}, {}) if each.segment]
    assert segment.told == "error_rate in segment 'fr': 9 of the 20 answers that it needs"


def test_each_segment_is_judged_and_a_check_can_leave_that():
    canary = {"": errors(30, 10_000), "de": errors(0, 9970), "fr": errors(30, 30)}
    found = {each.segment: each.verdict for each in judge((LIMIT,), canary, {})}
    assert found == {"": PASS, "de": PASS, "fr": FAIL}
    alone = judge((Check(measure=Measure.ERROR_RATE, limit=0.01, segments=False),), canary, {})
    assert [each.segment for each in alone] == [""]


def test_segments_are_compared_with_stables_own():
    stable = {"": positive(500, 1000), "fr": positive(10, 100)}
    found = judge((POSITIVE,), {"": positive(500, 1000), "fr": positive(95, 100)}, stable)
    assert {each.segment: each.verdict for each in found} == {"": PASS, "fr": FAIL}


def test_what_cannot_be_measured_is_an_error():
    (result,) = judge((LIMIT,), {"": errors(20, 20)}, {}, error="the database is away")
    assert (result.verdict, result.told) == (Verdict.ERROR, "error_rate: the database is away")


@pytest.mark.parametrize("common_rate", [0.5, 0.9, 0.97])
@pytest.mark.parametrize("error_rate", [0.0, 0.01, 0.05])
def test_a_version_as_good_as_stable_is_left_alone_however_often_one_looks(error_rate, common_rate):
    """40 rollouts of 2,000 answers each, looked at after every 25."""
    chance = Random(f"{error_rate} {common_rate}")
    wrong = 0
    for _ in range(40):
        stable = drawn(chance, 5000, error_rate, common_rate)
        counted = [0, 0, 0, 0]
        for looks in range(1, 81):
            more = drawn(chance, 25, error_rate, common_rate)
            counted = [
                counted[0] + more.errors, counted[1] + more.positives, counted[2] + more.commonest, counted[3] + 25,
            ]  # fmt: skip
            canary = Sample(
                requests=25 * looks, errors=counted[0], labelled=25 * looks, positives=counted[1],
                outputs=25 * looks, commonest=counted[2],
            )  # fmt: skip
            if any(each.verdict is FAIL for each in judge(DEFAULT, {"": canary}, {"": stable})):
                wrong += 1
                break
    assert wrong <= 1


def drawn(chance, count, error_rate, common_rate):
    hits = [sum(chance.random() < rate for _ in range(count)) for rate in (error_rate, 0.5, common_rate)]
    return Sample(
        requests=count, errors=hits[0], labelled=count, positives=hits[1], outputs=count, commonest=hits[2]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rate", "within"), [(1.0, 20), (0.5, 20), (0.1, 40), (0.05, 100)]
)  # fmt: skip
def test_what_is_broken_is_found_soon(rate, within):
    found = next(
        count
        for count in range(20, 1000)
        if one(BOTH, errors(round(rate * count), count), errors(0, 1000)).verdict is FAIL
    )
    assert found <= within


@given(st.floats(0, 60))
def test_buckets_hold_what_is_put_into_them(seconds):
    index = bucket(seconds)
    assert index == len(BOUNDS_S) or seconds <= BOUNDS_S[index]
    assert index == 0 or seconds > BOUNDS_S[index - 1]


@given(st.lists(st.floats(0, 25), min_size=1, max_size=50), st.sampled_from([0.5, 0.9, 0.99]))
def test_a_quantile_is_never_told_too_low_nor_much_too_high(seconds, wanted):
    found = quantile(times(*seconds), wanted)
    exact = sorted(seconds)[max(0, -int(-wanted * len(seconds) // 1) - 1)]
    assert found >= min(exact, BOUNDS_S[-1]) - 1e-9
    assert found <= max(exact * 1.5, BOUNDS_S[0]) + 1e-9


def test_nothing_has_no_quantile():
    assert quantile((), 0.5) == 0


histograms = st.lists(st.integers(0, 1000), min_size=1, max_size=SCORE_BINS)


@given(histograms, histograms)
def test_the_stability_index_is_a_distance(one_, other):
    assert stability_index(one_, one_) == 0
    assert stability_index(one_, other) >= 0
    assert stability_index(one_, other) == pytest.approx(stability_index(other, one_))


def test_the_stability_index_of_known_histograms():
    """Ten even bins against one that doubles its first at the cost of the second: 2 terms of ln 2 and ln 3 each."""
    base, shifted = [100_000] * 10, [200_000, 0, *[100_000] * 8]
    assert stability_index([150_000, 50_000, *[100_000] * 8], base) == pytest.approx(0.05 * 1.0986, rel=1e-3)
    assert stability_index(shifted, base) > 0.5
