"""What people can do with deployments, without a controller: each verb writes what is to be, and who said it."""

import json
from dataclasses import replace

import pytest

from modelyard.db import deployments as rows
from modelyard.db import gateways
from modelyard.db import rollouts as rollout_rows
from modelyard.domain import rollouts as rule
from modelyard.domain.deployments import Held, Revision, Role, Segment, Share, State, Target
from modelyard.domain.differences import Change
from modelyard.domain.errors import InvalidArgument, InvalidState, NotFound
from modelyard.domain.principals import Principal
from modelyard.domain.rollouts import Golden, Measurements, Status, Step, StepKind
from modelyard.domain.specs import read
from modelyard.domain.versions import NewVersion
from modelyard.services import deployments, environments, models, rehearsals, specs, standing, versions
from modelyard.services.specs import Columns
from modelyard.services.standing import Phase

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # both: test_deployments_at_once.py

ANN, BOB = Principal("ann"), Principal("bob")
SPEC = read({"name": "reviews", "environment": "production", "model": "sentiment"})
STEPS = (
    Step(kind=StepKind.GOLDEN), Step(kind=StepKind.WEIGHT, weight=0.1, for_s=60), Step(kind=StepKind.APPROVE),
    Step(kind=StepKind.BAKE, for_s=60),
)  # fmt: skip
READY = Measurements(canary_ready=True, golden=Golden(True, "3 of 3 passed."))


@pytest.fixture
def registry(database):
    """A model with three versions, the first in production."""
    database.write(models.create, ANN, "sentiment")
    for number in (1, 2, 3):
        database.write(versions.create, ANN, "sentiment", NewVersion(source=f"s3://bucket/{number}"))
    point(database, 1)
    return database


def point(database, version):
    database.write(environments.move, ANN, "sentiment", "production", version)


def target(version):
    return Target("sentiment", str(version), f"s3://bucket/{version}")


def revise(database, number, version, *, steps=STEPS, stable=None, spec=SPEC, now=1000):
    """What the controller does when something else is wanted."""
    row = database.read(deployments.get, "reviews")
    made = Revision("reviews", number, spec, target(version), now, "ann", f"version {version} is better")
    database.write(rows.add_revision, row.id, made)
    return database.write(rollout_rows.insert, row.id, rule.begin(stable, number, steps, now))


def settle(database, number, *, stable, previous=None):
    """A rollout was promoted."""
    row = database.read(deployments.get, "reviews")
    rollout = database.read(rollout_rows.get, number)
    database.write(rollout_rows.set, number, rule.promote(rollout, "Every step passed."), 2000)
    database.write(rows.set_state, row.id, State(stable=stable, previous=previous), 2000)


def look(database, number, now, measured=READY):
    moved = rule.advance(database.read(rollout_rows.get, number), measured, now)
    database.write(rollout_rows.set, number, moved, now)
    return moved


@pytest.fixture
def serving(registry):
    """Revision 2 (version 2) answers, revision 1 did before."""
    registry.write(deployments.apply, ANN, SPEC, {})
    first = revise(registry, 1, 1)
    settle(registry, first, stable=1)
    point(registry, 2)
    second = revise(registry, 2, 2, stable=1)
    settle(registry, second, stable=2, previous=1)
    return registry


def events(database, name="reviews"):
    return [(event.kind, event.principal) for event in database.read(standing.events, name)]


def told(database):
    return database.read(standing.events, "reviews")[-1].told


def latest(database):
    return database.read(rollout_rows.latest, database.read(deployments.get, "reviews").id)


def state(database):
    return database.read(deployments.get, "reviews").state


# ------------------------------------------------------------------------------------ what is wanted


def test_a_new_deployment_is_written_down_with_who_and_why(registry):
    applied = registry.write(deployments.apply, ANN, SPEC, {}, reason="the first one")
    assert (applied.name, applied.created) == ("reviews", True)
    assert registry.read(deployments.get, "reviews").spec == SPEC
    (event,) = registry.read(standing.events, "reviews")
    assert (event.kind, event.principal, event.told) == (
        "created", "ann", "ann made the deployment: the first one",
    )  # fmt: skip
    assert event.document == {"name": "reviews", "environment": "production", "model": "sentiment"}


def test_a_change_says_from_what_to_what_and_no_change_says_nothing(registry):
    registry.write(deployments.apply, ANN, SPEC, {})
    again = registry.write(deployments.apply, BOB, SPEC, {})
    assert (again.created, again.changes) == (False, ())
    assert events(registry) == [("created", "ann")]
    wider = replace(SPEC, replicas=3, defaults=Segment(threshold=0.7))
    assert registry.read(deployments.compare, wider, {}).changes == (
        Change("/replicas", None, 3), Change("/defaults", None, {"threshold": 0.7}),
    )  # fmt: skip
    assert registry.read(deployments.get, "reviews").spec == SPEC
    registry.write(deployments.apply, BOB, wider, {}, reason="more traffic")
    event = registry.read(standing.events, "reviews")[-1]
    assert event.told == "bob changed /replicas to 3, and 1 more: more traffic"
    assert event.document[0] == {"place": "/replicas", "old": None, "new": 3}
    registry.write(deployments.apply, BOB, replace(wider, replicas=1), {})
    assert told(registry) == "bob changed /replicas from 3 to its default."


@pytest.mark.parametrize(
    ("changed", "place", "what"),
    [
        ({"environment": "producton"}, "/spec/environment", "did you mean 'production'?"),
        ({"environment": "qa"}, "/spec/environment", "there are staging, production"),
        ({"model": "sentimen"}, "/spec/model", "no registered model 'sentimen'; did you mean 'sentiment'?"),
        ({"model": None, "models": ["sentiment", "x"]}, "/spec/models/1", "no registered model 'x'"),
        ({"backend": "locall"}, "/spec/backend", "did you mean 'local'?"),
        ({"serve": {"worker": 1}}, "/spec/serve/worker", "did you mean 'workers'?"),
        ({"serve": {"port": 1}}, "/spec/serve/port", "follows from the rest"),
        ({"serve": {"workers": "two"}}, "/spec/serve/workers", "expected a whole number, not 'two'"),
        ({"serve": {"workers": True}}, "/spec/serve/workers", "expected a whole number"),
        ({"serve": {"onnx": "perhaps"}}, "/spec/serve/onnx", "is not one of"),
        ({"serve": {"queue": 0}}, "/spec/serve/queue", "out of range"),
    ],
)
def test_what_is_not_there_is_refused(registry, changed, place, what):
    document = {"name": "reviews", "environment": "production", "model": "sentiment", **changed}
    with pytest.raises(InvalidArgument) as caught:
        registry.write(deployments.apply, ANN, read(document, at="/spec"), {}, at="/spec", force=True)
    places = dict(caught.value.places)
    assert place in places, places
    assert what in places[place]
    assert registry.read(deployments.listing) == []


MISTAKEN = read(
    {
        "name": "reviews",
        "environment": "production",
        "model": "sentiment",
        "segment": {"field": "langage"},
        "segments": {"fr": {"inputs": {"txt": "avis"}}},
    }
)


def test_columns_that_the_model_has_not_are_refused_unless_forced(registry):
    known = {("sentiment", 1): Columns(frozenset({"text", "language"}))}
    with pytest.raises(InvalidArgument) as caught:
        registry.write(deployments.apply, ANN, MISTAKEN, known)
    assert caught.value.places == (
        ("/segments/fr/inputs/txt", "sentiment version 1 has no input column 'txt'; it has language, text"),
    )
    applied = registry.write(deployments.apply, ANN, MISTAKEN, known, force=True, reason="we know better")
    assert applied.findings.notes == (
        (
            "segment: 'langage' is no input column of sentiment version 1; callers have to send it besides; "
            "did you mean 'language'?"
        ),
    )
    forced = registry.read(standing.events, "reviews")[-1]
    assert (forced.kind, forced.document[0]["place"]) == ("forced", "/segments/fr/inputs/txt")
    assert "we know better" in forced.told


def test_what_cannot_be_checked_is_said_and_refuses_nothing(registry):
    unread = {("sentiment", 1): Columns(None, "its store is away")}
    applied = registry.write(deployments.apply, ANN, MISTAKEN, unread)
    assert applied.findings.notes == ("The inputs of sentiment version 1 were not checked: its store is away.",)
    registry.write(environments.clear, ANN, "sentiment", "production")
    applied = registry.read(deployments.compare, MISTAKEN, {})
    assert applied.findings.notes == ("No version of 'sentiment' is in production yet: nothing answers until one is.",)
    elsewhere = replace(MISTAKEN, models=("theirs",), environment="theirs")
    found = registry.read(deployments.compare, elsewhere, {}, elsewhere="http://mlflow:5000")
    assert found.findings.wrong == ()
    assert "http://mlflow:5000" in found.findings.notes[0]


def test_the_versions_whose_columns_count_are_those_in_the_environment(registry):
    assert [each.number for each in registry.read(specs.candidates, SPEC)] == [1]
    assert registry.read(specs.candidates, replace(SPEC, environment="nowhere")) == []
    assert registry.read(specs.candidates, replace(SPEC, models=("nothing",))) == []


def test_a_deleted_deployments_past_stays(serving):
    number = revise(serving, 3, 3, stable=2)
    serving.write(deployments.delete, BOB, "reviews", reason="no longer needed")
    assert serving.read(rollout_rows.get, number).status is Status.ABORTED
    assert events(serving)[-1] == ("deleted", "bob")
    with pytest.raises(NotFound, match="There is none at all"):
        serving.read(deployments.get, "reviews")
    serving.write(deployments.apply, ANN, SPEC, {})
    assert events(serving) == [("created", "ann")]


def test_who_is_not_there_may_be_misspelt(serving):
    with pytest.raises(NotFound, match=r"Deployment 'review' not found; did you mean 'reviews'\?. There are: reviews."):
        serving.write(deployments.pause, ANN, "review")


# ------------------------------------------------------------------------------------ what people say


def test_pausing_holds_the_rollout_and_resuming_lets_it_go(serving):
    number = revise(serving, 3, 3, stable=2)
    serving.write(deployments.pause, ANN, "reviews", reason="it is Friday")
    assert state(serving).paused
    assert serving.read(rollout_rows.get, number).status is Status.PAUSED
    assert serving.read(standing.get, "reviews").phase is Phase.PAUSED
    assert told(serving) == "ann paused the deployment: it is Friday"
    with pytest.raises(InvalidState, match="is paused already"):
        serving.write(deployments.pause, ANN, "reviews")
    serving.write(deployments.resume, BOB, "reviews")
    assert not state(serving).paused
    assert serving.read(rollout_rows.get, number).status is Status.RUNNING
    with pytest.raises(InvalidState, match="is not paused, and nothing is held back"):
        serving.write(deployments.resume, BOB, "reviews")


def test_a_rollout_that_paused_by_itself_is_resumed(serving):
    number = revise(serving, 3, 3, stable=2)
    waiting = rule.pause(serving.read(rollout_rows.get, number), "Nobody could tell for long")
    serving.write(rollout_rows.set, number, waiting, 1)
    serving.write(deployments.resume, ANN, "reviews")
    assert serving.read(rollout_rows.get, number).status is Status.RUNNING


def test_approval(serving):
    with pytest.raises(InvalidState, match=r"No rollout of 'reviews' runs. The last one: Every step passed."):
        serving.write(deployments.approve, ANN, "reviews")
    number = revise(serving, 3, 3, stable=2)
    with pytest.raises(InvalidState, match="is at golden and waits for nobody"):
        serving.write(deployments.approve, ANN, "reviews")
    for now in range(2000, 70_000, 4000):
        look(serving, number, now)
    assert serving.read(standing.get, "reviews").told == (
        "Revision 2 (sentiment version 2) answers. Revision 3 is at step 3 of 4 (approve): "
        "Waiting for somebody to approve."
    )
    serving.write(deployments.approve, BOB, "reviews", reason="looks good")
    with pytest.raises(InvalidState, match="is approved already"):
        serving.write(deployments.approve, BOB, "reviews")
    assert look(serving, number, 74_000).at == 3
    assert told(serving) == "bob approved revision 3: looks good"


def test_promoting_at_once_needs_a_canary_that_is_ready_and_tested(serving):
    number = revise(serving, 3, 3, stable=2)
    with pytest.raises(InvalidState, match="Revision 3 of 'reviews' cannot have all traffic now"):
        serving.write(deployments.approve, ANN, "reviews", everything=True)
    look(serving, number, 2000, replace(READY, golden=None))
    with pytest.raises(InvalidState, match="its golden tests have not passed yet"):
        serving.write(deployments.approve, ANN, "reviews", everything=True)
    look(serving, number, 3000)
    look(serving, number, 4000, Measurements(trouble="it is gone"))
    with pytest.raises(InvalidState, match="Waiting for revision 3: it is gone"):
        serving.write(deployments.approve, ANN, "reviews", everything=True)
    look(serving, number, 5000)
    serving.write(deployments.approve, ANN, "reviews", everything=True, reason="urgent")
    rollout = serving.read(rollout_rows.get, number)
    assert (rollout.status, rollout.reason) == (Status.PROMOTED, "ann promoted revision 3: urgent")
    assert (state(serving).stable, state(serving).previous) == (3, 2)


def test_aborting_holds_what_was_tried(serving):
    with pytest.raises(InvalidState):
        serving.write(deployments.abort, ANN, "reviews")
    point(serving, 3)
    number = revise(serving, 3, 3, stable=2)
    serving.write(deployments.abort, ANN, "reviews", reason="wrong day")
    rollout = serving.read(rollout_rows.get, number)
    assert (rollout.status, rollout.reason) == (Status.ABORTED, "ann aborted the rollout: wrong day")
    assert state(serving).held == Held(target(3), SPEC, "ann aborted the rollout: wrong day")
    found = serving.read(standing.get, "reviews")
    assert (found.phase, found.canary) == (Phase.HELD, None)
    assert found.told == (
        "Revision 2 (sentiment version 2) answers. sentiment version 3 is held back: ann aborted the rollout: wrong day"
    )
    serving.write(deployments.resume, BOB, "reviews", reason="monday")
    assert state(serving).held is None
    assert told(serving) == "bob wants sentiment version 3 to be tried again: monday"


def test_rolling_back_a_rollout_is_aborting_it(serving):
    number = revise(serving, 3, 3, stable=2)
    serving.write(deployments.rollback, ANN, "reviews")
    assert serving.read(rollout_rows.get, number).status is Status.ABORTED
    assert state(serving).held.target == target(3)
    assert told(serving) == "ann rolled back."


def test_rolling_back_returns_to_the_revision_before(serving):
    serving.write(deployments.rollback, ANN, "reviews", reason="complaints")
    number, rollout = latest(serving)
    assert (rollout.stable, rollout.canary, rollout.steps, rollout.status) == (2, 1, (), Status.RUNNING)
    assert state(serving).held == Held(
        target(2), SPEC, "ann rolled back from revision 2 to revision 1: complaints"
    )  # fmt: skip
    assert serving.read(standing.get, "reviews").canary.number == 1
    moved = look(serving, number, rollout.began_ms + 1000)
    assert moved.status is Status.PROMOTED
    found = serving.read(standing.get, "reviews")
    assert (found.stable.number, found.state.previous, found.phase) == (1, 2, Phase.HELD)


def test_what_a_person_left_is_not_tried_again_when_they_abort_their_return(serving):
    serving.write(deployments.rollback, ANN, "reviews")
    held = state(serving).held
    serving.write(deployments.abort, ANN, "reviews")
    assert state(serving).held == held
    assert state(serving).stable == 2


def test_a_second_return_keeps_holding_what_is_wanted(serving):
    """Version 3 was rolled back, then somebody returns from version 2 to version 1: 3 must not come."""
    point(serving, 3)
    revise(serving, 3, 3, stable=2)
    serving.write(deployments.abort, ANN, "reviews")
    serving.write(deployments.rollback, ANN, "reviews")
    assert state(serving).held.target == target(3)
    assert latest(serving)[1].canary == 1


def test_there_may_be_nothing_to_return_to(registry):
    registry.write(deployments.apply, ANN, SPEC, {})
    with pytest.raises(InvalidState, match="no earlier revision"):
        registry.write(deployments.rollback, ANN, "reviews")
    settle(registry, revise(registry, 1, 1), stable=1)
    with pytest.raises(InvalidState, match="no earlier revision"):
        registry.write(deployments.rollback, ANN, "reviews")


# ------------------------------------------------------------------------------------ how it stands


def test_how_a_deployment_stands_from_its_beginning(registry):
    registry.write(environments.clear, ANN, "sentiment", "production")
    registry.write(deployments.apply, ANN, SPEC, {})
    found = registry.read(standing.get, "reviews")
    assert (found.phase, found.wanted, found.traffic[""]) == (Phase.WAITING, None, ())
    point(registry, 1)
    found = registry.read(standing.get, "reviews")
    assert (found.phase, found.wanted) == (Phase.STARTING, target(1))
    number = revise(registry, 1, 1)
    found = registry.read(standing.get, "reviews")
    assert (found.phase, found.canary.number) == (Phase.STARTING, 1)
    assert "Revision 1 is at its start" in found.told
    settle(registry, number, stable=1)
    found = registry.read(standing.get, "reviews")
    assert (found.phase, found.told) == (Phase.SERVING, "Revision 1 (sentiment version 1) answers.")
    assert found.traffic == {"": (Share(1, Role.STABLE, 1.0),)}


def test_how_traffic_is_shared_out_while_it_moves(serving):
    spec = read(
        {
            "name": "reviews",
            "environment": "production",
            "model": "sentiment",
            "segment": {"header": "x-language"},
            "segments": {"fr": {"share": {"model": 0.5, "legacy": 0.5}}},
            "endpoints": {"legacy": "http://legacy"},
        }
    )
    serving.write(deployments.apply, ANN, spec, {})
    assert serving.read(standing.get, "reviews").phase is Phase.ROLLING_OUT
    number = revise(serving, 3, 2, stable=2, spec=spec, steps=STEPS[:2])
    assert serving.read(standing.get, "reviews").traffic[""] == (Share(2, Role.STABLE, 1.0),)
    look(serving, number, 2000)
    found = serving.read(standing.get, "reviews")
    assert found.traffic[""] == (Share(3, Role.CANARY, 0.1), Share(2, Role.STABLE, 0.9))
    assert found.traffic["fr"] == (
        Share(3, Role.CANARY, 0.05), Share(2, Role.STABLE, 0.45), Share("legacy", Role.ENDPOINT, 0.5),
    )  # fmt: skip
    look(serving, number, 3000, Measurements(trouble="it is gone"))
    assert serving.read(standing.get, "reviews").traffic[""] == (Share(2, Role.STABLE, 1.0),)


def test_where_revisions_run_is_what_gateways_are_told(serving):
    replicas = [{"name": "a", "url": "http://127.0.0.1:1"}, {"name": "b", "url": "http://127.0.0.1:2"}]
    revisions = [{"number": 2, "replicas": replicas}, {"number": 0, "replicas": [{"url": "http://legacy"}]}]
    serving.write(gateways.publish, json.dumps([{"name": "reviews", "revisions": revisions}]), 1)
    assert serving.read(standing.get, "reviews").replicas == {2: ("http://127.0.0.1:1", "http://127.0.0.1:2")}


def test_trouble_is_told(serving):
    row = serving.read(deployments.get, "reviews")
    serving.write(rows.set_state, row.id, replace(row.state, trouble="1 of 2 replicas answer."), 1)
    found = serving.read(standing.get, "reviews")
    assert (found.phase, found.told) == (
        Phase.TROUBLED, "Revision 2 (sentiment version 2) answers. 1 of 2 replicas answer.",
    )  # fmt: skip


def test_by_another_registry(serving):
    found = serving.read(standing.get, "reviews", elsewhere="http://mlflow:5000")
    assert (found.phase, found.wanted) == (Phase.SERVING, None)
    assert "http://mlflow:5000" in found.why


def test_history_says_who_when_why_what_and_what_came_of_it(serving):
    wider = replace(SPEC, replicas=2)
    serving.write(deployments.apply, BOB, wider, {})
    number = revise(serving, 3, 2, stable=2, spec=wider)
    failed = Measurements(canary_ready=True, golden=Golden(False, "1 of 3 is wrong"))
    look(serving, number, 5000, failed)
    past = serving.read(standing.history, "reviews")
    assert [(each.revision.number, each.role) for each in past] == [(3, ""), (2, "stable"), (1, "previous")]
    assert past[0].changes == (Change("/spec/replicas", None, 2),)
    assert (past[0].rollout.status, past[0].ended_ms) == (Status.ROLLED_BACK, 5000)
    assert past[1].changes == (Change("/target/version", "1", "2"),)
    assert past[1].revision.reason == "version 2 is better"
    assert past[2].changes[0].old is None
    assert [each.number for each in [one.revision for one in serving.read(standing.history, "reviews", limit=1)]] == [3]
    found = serving.read(standing.rollouts, "reviews")
    assert [(rollout.canary, ended) for _, rollout, ended in found] == [(3, 5000), (2, 2000), (1, 2000)]


def test_events_come_after_an_event(serving):
    serving.write(deployments.pause, ANN, "reviews")
    before = serving.read(standing.events, "reviews")
    assert serving.read(standing.events, "reviews", after=before[-1].id) == []
    serving.write(deployments.resume, ANN, "reviews")
    assert [each.kind for each in serving.read(standing.events, "reviews", after=before[-1].id)] == ["resumed"]
    assert len(serving.read(standing.events, "reviews", limit=1)) == 1
    with pytest.raises(NotFound):
        serving.read(standing.events, "nothing")


# ------------------------------------------------------------------------------------ rehearsals


def copy_of(database):
    return database.read(deployments.get, "reviews-rehearsal")


def end(database, status, reason, now):
    """The controller rolled the copy out."""
    row = copy_of(database)
    made = Revision(row.name, 1, row.spec, target(2), now, "system", "")
    database.write(rows.add_revision, row.id, made)
    begun = rule.begin(None, 1, row.spec.steps, now)
    database.write(rollout_rows.insert, row.id, replace(begun, status=status, reason=reason))


def test_a_rehearsal_deploys_tests_and_removes(serving):
    assert serving.write(rehearsals.begin, ANN, "reviews", reason="before the launch") == "reviews-rehearsal"
    copy = copy_of(serving)
    assert (copy.spec.models, copy.spec.replicas, [each.kind for each in copy.spec.steps]) == (
        ("sentiment",), 1, [StepKind.GOLDEN],
    )  # fmt: skip
    with pytest.raises(InvalidState, match="is under way"):
        serving.write(rehearsals.begin, ANN, "reviews")
    assert not serving.read(rehearsals.pending, copy.created_ms + 1000)
    assert serving.write(rehearsals.tend, copy.created_ms + 1000) == []
    end(serving, Status.PROMOTED, "Every step passed.", copy.created_ms)
    assert serving.read(rehearsals.pending, copy.created_ms + 2000)
    (done,) = serving.write(rehearsals.tend, copy.created_ms + 2000)
    told = "The rehearsal passed: sentiment version 2 was deployed, tested and removed in 2 s."
    assert done == rehearsals.Done(told, passed=True)
    with pytest.raises(NotFound):
        copy_of(serving)
    event = serving.read(standing.events, "reviews")[-1]
    assert (event.kind, event.document["passed"], event.told) == ("rehearsed", True, told)


def test_a_rehearsal_that_fails_says_why(serving):
    serving.write(rehearsals.begin, ANN, "reviews")
    now = copy_of(serving).created_ms
    end(serving, Status.ROLLED_BACK, "Golden tests: 1 of 3 is wrong", now)
    (done,) = serving.write(rehearsals.tend, now)
    told = "The rehearsal failed with sentiment version 2: Golden tests: 1 of 3 is wrong"
    assert done == rehearsals.Done(told, passed=False)
    assert serving.read(standing.events, "reviews")[-1].document["passed"] is False
    assert told in serving.read(standing.get, "reviews").told
    serving.write(rehearsals.begin, ANN, "reviews")
    end(serving, Status.PROMOTED, "Every step passed.", copy_of(serving).created_ms)
    serving.write(rehearsals.tend, now)
    assert "rehearsal" not in serving.read(standing.get, "reviews").told


def test_a_rehearsal_that_nobody_carries_out_ends_too(serving):
    serving.write(rehearsals.begin, ANN, "reviews")
    now = copy_of(serving).created_ms
    assert not serving.read(rehearsals.pending, now + 700_000)
    (done,) = serving.write(rehearsals.tend, now + 721_000)
    assert "did not come to an end in time" in done.told
    serving.write(rehearsals.begin, ANN, "reviews")
    serving.write(deployments.delete, ANN, "reviews")
    (done,) = serving.write(rehearsals.tend, now + 722_000)
    assert done == rehearsals.Done("The rehearsal failed: its deployment was deleted", passed=False)


def test_what_somebody_else_serves_is_not_rehearsed(database):
    external = read({"name": "old", "environment": "production", "url": "http://legacy"})
    database.write(deployments.apply, ANN, external, {})
    with pytest.raises(InvalidState, match="nothing to rehearse"):
        database.write(rehearsals.begin, ANN, "old")


def test_rehearsals_are_due_once_a_day(serving):
    day = 86_400_000
    serving.write(deployments.apply, ANN, replace(SPEC, rehearse="04:30"), {})
    made = serving.read(deployments.get, "reviews").created_ms
    at = made - made % day + round(4.5 * 3_600_000)
    at += 0 if at > made else day
    assert not serving.read(rehearsals.pending, at - 1)
    assert serving.read(rehearsals.pending, at)
    assert serving.write(rehearsals.tend, at) == [rehearsals.Done("A rehearsal of reviews began.")]
    event = serving.read(standing.events, "reviews")[-1]
    assert (event.kind, event.principal) == ("rehearsing", "system")
