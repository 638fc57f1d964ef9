"""Several people, at several servers, say something to one deployment at once."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise

import pytest

from modelyard.db import deployments as rows
from modelyard.db import rollouts as rollout_rows
from modelyard.db.engine import Database
from modelyard.domain import rollouts as rule
from modelyard.domain.deployments import Happened, Revision, State, Target
from modelyard.domain.errors import InvalidState
from modelyard.domain.principals import Principal
from modelyard.domain.specs import read
from modelyard.services import deployments, models, standing

SPEC = read({"name": "reviews", "environment": "production", "model": "sentiment"})
PEOPLE = [Principal(name) for name in ("ann", "bob", "cid", "dee", "eve", "fay")]


@pytest.fixture
def servers(database, database_url):
    """Two databases objects on one database, as two servers have them; revision 2 answers."""
    database.write(models.create, PEOPLE[0], "sentiment")
    database.write(deployments.apply, PEOPLE[0], SPEC, {})
    row = database.read(deployments.get, "reviews")
    for number in (1, 2, 3):
        made = Revision("reviews", number, SPEC, Target("sentiment", str(number)), 1, "ann", "")
        database.write(rows.add_revision, row.id, made)
    database.write(rows.set_state, row.id, State(stable=2, previous=1), 1)
    other = Database(database_url)
    yield [database, other]
    other.close()


def at_once(servers, verb, *arguments):
    """Everybody does it; who succeeded."""

    def do(index):
        try:
            servers[index % 2].write(verb, PEOPLE[index], *arguments)
        except InvalidState:
            return None
        return PEOPLE[index].name

    with ThreadPoolExecutor(len(PEOPLE)) as pool:
        return [name for name in pool.map(do, range(len(PEOPLE))) if name]


def test_one_pauses_and_one_resumes(servers):
    row = servers[0].read(deployments.get, "reviews")
    number = servers[0].write(rollout_rows.insert, row.id, rule.begin(2, 3, SPEC.steps, 1))
    paused = at_once(servers, deployments.pause, "reviews")
    assert len(paused) == 1
    assert servers[1].read(rollout_rows.get, number).status is rule.Status.PAUSED
    resumed = at_once(servers, deployments.resume, "reviews")
    assert len(resumed) == 1
    assert servers[0].read(rollout_rows.get, number).status is rule.Status.RUNNING
    told = servers[1].read(standing.events, "reviews")
    assert [(event.kind, event.principal) for event in told[1:]] == [
        ("paused", paused[0]), ("resumed", resumed[0]),
    ]  # fmt: skip


def test_one_aborts(servers):
    row = servers[0].read(deployments.get, "reviews")
    servers[0].write(rollout_rows.insert, row.id, rule.begin(2, 3, SPEC.steps, 1))
    assert len(at_once(servers, deployments.abort, "reviews")) == 1
    held = servers[1].read(deployments.get, "reviews").state.held
    assert held.target == Target("sentiment", "3")


def test_rollbacks_leave_at_most_one_rollout_running(servers):
    at_once(servers, deployments.rollback, "reviews")
    row = servers[0].read(deployments.get, "reviews")
    found = servers[0].read(rollout_rows.listing, row.id, 100)
    assert sum(not rollout.ended for _, rollout in found) <= 1
    assert all((rollout.stable, rollout.canary) == (2, 1) for _, rollout in found)
    begun = [event for event in servers[0].read(standing.events, "reviews") if event.kind == Happened.BEGUN]
    assert len(begun) == len(found)


def test_changes_follow_one_another(servers):
    def change(index):
        servers[index % 2].write(deployments.apply, PEOPLE[index], replace(SPEC, replicas=index + 2), {})

    with ThreadPoolExecutor(len(PEOPLE)) as pool:
        list(pool.map(change, range(len(PEOPLE))))
    told = [event.document[0] for event in servers[0].read(standing.events, "reviews") if event.kind == "changed"]
    assert len(told) == len(PEOPLE)
    assert all(one["new"] == other["old"] for one, other in pairwise(told))
    assert servers[0].read(deployments.get, "reviews").spec.replicas == told[-1]["new"]


def test_a_name_is_made_once(servers):
    def make(index):
        spec = replace(SPEC, name="new", replicas=index + 1)
        return servers[index % 2].write(deployments.apply, PEOPLE[index], spec, {}).created

    with ThreadPoolExecutor(len(PEOPLE)) as pool:
        assert sum(pool.map(make, range(len(PEOPLE)))) == 1
    assert [row.name for row in servers[0].read(deployments.listing)] == ["new", "reviews"]
