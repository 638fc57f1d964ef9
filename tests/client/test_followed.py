"""A deployment's settings at hand: asked for once, there again within a second when they change."""

import time
from dataclasses import replace

import pytest

from modelyard.client.client import Client
from modelyard.db import deployments as rows
from modelyard.db import rollouts
from modelyard.domain.deployments import Happened, Revision, State, Target
from modelyard.domain.errors import NotFound
from modelyard.services import deployments
from tests.conftest import serve

SPEC = {
    "name": "reviews",
    "environment": "production",
    "model": "sentiment",
    "segment": {"field": "language"},
    "defaults": {"threshold": 0.5},
    "segments": {"de": {"threshold": 0.7}},
}


@pytest.fixture
def server(tmp_path):
    yield from serve(tmp_path / "data")


def promote(database, number):
    """The controller promotes what is wanted."""

    def write(tx):
        row = deployments.get(tx, "reviews")
        rows.add_revision(tx, row.id, Revision("reviews", number, row.spec, Target("sentiment", "1"), 1, "ann", ""))
        rows.set_state(tx, row.id, replace(row.state, stable=number), 1)
        rollouts.note(tx, row.id, None, Happened.ENDED, "It answers.", "system", 1)

    database.write(write)


def wait_until(true):
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_settings_are_those_of_what_answers_and_follow_it(server):
    client, database = Client(server.url), server.state.database
    client.create_registered_model("sentiment")
    with pytest.raises(NotFound):
        client.follow_deployment("reviews")
    client.apply_deployment(SPEC)
    with client.follow_deployment("reviews") as followed:
        assert (followed.revision, followed.segment("de").threshold, followed.segment().threshold) == (None, 0.7, 0.5)
        promote(database, 1)
        wait_until(lambda: followed.revision == 1)
        client.apply_deployment({**SPEC, "segments": {"de": {"threshold": 0.9}}})
        assert followed.segment("de").threshold == 0.7  # wanted, but nothing that answers
        promote(database, 2)
        began = time.monotonic()
        wait_until(lambda: followed.segment("de").threshold == 0.9)
        assert time.monotonic() - began < 5
        assert followed.segment("xx").threshold == 0.5
        client.delete_deployment("reviews")
        client.apply_deployment({**SPEC, "defaults": {"threshold": 0.1}})
        assert followed.spec.name == "reviews"
    assert database.read(deployments.get, "reviews").state == State()


def test_a_server_that_is_away_is_not_missed(tmp_path):
    running = serve(tmp_path / "data")
    server = next(running)
    client = Client(server.url)
    client.create_registered_model("sentiment")
    client.apply_deployment(SPEC)
    with client.follow_deployment("reviews") as followed:
        server.state.stopping = True
        next(running, None)
        assert followed.segment("de").threshold == 0.7
