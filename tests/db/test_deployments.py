"""What is stored of deployments comes back as it was."""

from dataclasses import replace

from modelyard.db import deployments, rollouts
from modelyard.domain import checks
from modelyard.domain.deployments import (
    Answer,
    Endpoint,
    Event,
    GoldenRequest,
    Held,
    Keep,
    Recording,
    Revision,
    Segment,
    Spec,
    State,
    Target,
    Where,
)
from modelyard.domain.rollouts import Rollout, Status, Step, StepKind, Thin, begin, default_steps

SPEC = Spec(
    name="reviews",
    environment="production",
    models=("sentiment", "challenger"),
    replicas=2,
    cpus=1,
    gpus=0.5,
    memory_bytes=1 << 30,
    serve={"workers": 2, "batching": True},
    segment=Where(header="x-language"),
    sticky=Where(field="user"),
    key=Where(field="id"),
    recording=Recording(Keep.SAMPLED, 0.25, output=False),
    answer=Answer("label", "score", "yes"),
    defaults=Segment({"text": "body"}, 0.5, {"model": 0.9, "legacy": 0.1}),
    segments={"de": Segment(threshold=0.7), "fr": Segment(share={"legacy": 1.0})},
    endpoints={"legacy": Endpoint("http://legacy:8080/predict")},
    golden=(GoldenRequest({"text": ["good"]}, [1, 0.5, None, "x"], 0.1, 0),),
    steps=(
        Step(kind=StepKind.GOLDEN),
        Step(kind=StepKind.SHADOW, weight=1, for_s=30, checks=checks.DEFAULT, window_s=20, thin=Thin.FAIL),
        Step(kind=StepKind.APPROVE),
        *default_steps()[1:],
    ),
    rehearse="04:30",
)
TARGET = Target("sentiment", "3", "mlflow-artifacts:/x", "sha256:0", "", "1.0")


def test_a_deployment_comes_back(database):
    made = database.write(deployments.insert, SPEC, 17)
    assert made.spec == SPEC
    assert made.state == State()
    assert database.read(deployments.get, "reviews") == made
    assert database.read(deployments.listing) == [made]
    state = State(stable=2, previous=1, paused=True, held=Held(TARGET, SPEC, "constant output"), trouble="away")
    database.write(deployments.set_state, made.id, state, 18)
    other = replace(SPEC, replicas=3, environment="staging")
    database.write(deployments.set_spec, made.id, other, 19)
    found = database.read(deployments.get, "reviews")
    assert (found.spec, found.state, found.environment, found.created_ms, found.updated_ms) == (
        other, state, "staging", 17, 19,
    )  # fmt: skip


def test_a_deleted_ones_name_is_free_and_its_past_stays(database):
    made = database.write(deployments.insert, SPEC, 1)
    database.write(rollouts.note, made.id, None, "created", "made", "ann", 1)
    database.write(deployments.delete, made.id, 2)
    assert database.read(deployments.get, "reviews") is None
    assert database.read(deployments.by_id, made.id).spec == SPEC
    again = database.write(deployments.insert, SPEC, 3)
    assert again.id != made.id
    assert database.read(deployments.listing) == [again]
    assert [event.told for event in database.read(rollouts.events, made.id, 0, 10)] == ["made"]
    assert database.read(rollouts.events, again.id, 0, 10) == []


def test_revisions_come_back_the_newest_first(database):
    row = database.write(deployments.insert, SPEC, 1)
    assert database.read(deployments.newest_revision, row.id) == 0
    made = [Revision("reviews", number, SPEC, TARGET, number * 10, "ann", "because") for number in (1, 2, 3)]
    for revision in made:
        database.write(deployments.add_revision, row.id, revision)
    assert database.read(deployments.revisions, row.id) == made[::-1]
    assert database.read(deployments.revision, row.id, 2) == made[1]
    assert database.read(deployments.revision, row.id, 4) is None
    assert database.read(deployments.newest_revision, row.id) == 3


def test_rollouts_come_back_with_results_and_when_they_ended(database):
    row = database.write(deployments.insert, SPEC, 1)
    assert database.read(rollouts.latest, row.id) is None
    begun = begin(1, 2, SPEC.steps, 100)
    number = database.write(rollouts.insert, row.id, begun)
    assert database.read(rollouts.latest, row.id) == (number, begun)
    results = checks.judge(checks.DEFAULT, {"": checks.Sample(requests=100, errors=50), "de": checks.Sample()}, {})
    moved = replace(begun, at=1, step_ms=120, results=results, reason="told")
    database.write(rollouts.set, number, moved, 130)
    assert database.read(rollouts.get, number) == moved
    assert database.read(rollouts.ended_ms, row.id) == {}
    ended = replace(moved, status=Status.ROLLED_BACK)
    database.write(rollouts.set, number, ended, 140)
    database.write(rollouts.set, number, ended, 150)
    assert database.read(rollouts.ended_ms, row.id) == {number: 140}
    second = database.write(rollouts.insert, row.id, Rollout(stable=None, canary=3, steps=()))
    assert [each for each, _ in database.read(rollouts.listing, row.id, 10)] == [second, number]
    assert database.read(rollouts.listing, row.id, 1)[0][0] == second
    assert database.read(rollouts.get, 4711) is None


def test_events_are_read_from_either_end(database):
    row = database.write(deployments.insert, SPEC, 1)
    other = database.write(deployments.insert, replace(SPEC, name="other"), 1)
    numbers = [database.write(rollouts.note, row.id, None, "kind", f"no {n}", "ann", n) for n in range(3)]
    foreign = database.write(rollouts.note, other.id, 7, "kind", "x", "bob", 9, {"a": [1, None]})
    found = database.read(rollouts.events, row.id, numbers[0], 10)
    assert [event.id for event in found] == numbers[1:]
    assert [event.id for event in database.read(rollouts.events, row.id, 0, 1)] == numbers[:1]
    assert [event.id for event in database.read(rollouts.events_before, row.id, None, 10)] == numbers[::-1]
    assert [event.id for event in database.read(rollouts.events_before, row.id, numbers[1], 10)] == numbers[:1]
    assert database.read(rollouts.events, other.id, 0, 10) == [
        Event(foreign, 7, 9, "bob", "kind", "x", {"a": [1, None]})
    ]
    assert database.read(rollouts.newest_event) == foreign
    assert database.read(rollouts.newest_event, row.id) == numbers[-1]
