import itertools

import pytest

from modelyard.domain.errors import InvalidArgument, ModelyardError, NotFound
from modelyard.domain.history import Change
from modelyard.domain.principals import Principal
from modelyard.domain.versions import NewVersion
from modelyard.services import environments, history, models, versions

ANN, BOB = Principal("ann"), Principal("bob")


@pytest.fixture
def clock(monkeypatch):
    """Every call that may change something happens 1,000 ms after the one before."""
    times = itertools.count(1_000, 1_000)
    monkeypatch.setattr(history, "now_ms", lambda: next(times))


def test_who_did_what_when_and_why(database, clock):
    database.write(models.create, ANN, "wine", description="red", reason="we need one")
    database.write(versions.create, ANN, "wine", NewVersion(source="s3://b/1", label="1.0"))
    database.write(models.set_tag, BOB, "wine", "team", "a")
    database.write(models.set_tag, BOB, "wine", "team", "b")
    database.write(models.delete_tag, BOB, "wine", "team")
    database.write(models.delete_tag, BOB, "wine", "team")  # nothing happens, nothing is recorded
    database.write(models.set_alias, ANN, "wine", "champion", 1)
    database.write(models.delete_alias, ANN, "wine", "champion")
    database.write(versions.set_tag, BOB, "wine", 1, "k", "v")
    database.write(versions.update, BOB, "wine", 1, "better", reason="typo")
    database.write(versions.set_label, BOB, "wine", 1, "1.1")
    database.write(models.update, ANN, "wine", "white")
    database.write(environments.move, BOB, "wine", "production", 1, reason="ticket 7")

    told = [
        (event.at_ms, event.principal, event.kind, event.version, event.subject, event.old, event.new, event.reason)
        for event in reversed(database.read(history.events, "wine"))
    ]
    assert told == [
        (1000, "ann", Change.MODEL_CREATED, None, None, None, "red", "we need one"),
        (2000, "ann", Change.VERSION_CREATED, 1, "1.0", None, "s3://b/1", None),
        (3000, "bob", Change.MODEL_TAG_SET, None, "team", None, "a", None),
        (4000, "bob", Change.MODEL_TAG_SET, None, "team", "a", "b", None),
        (5000, "bob", Change.MODEL_TAG_DELETED, None, "team", "b", None, None),
        (7000, "ann", Change.ALIAS_SET, 1, "champion", None, "1", None),
        (8000, "ann", Change.ALIAS_DELETED, 1, "champion", "1", None, None),
        (9000, "bob", Change.VERSION_TAG_SET, 1, "k", None, "v", None),
        (10000, "bob", Change.VERSION_UPDATED, 1, None, None, "better", "typo"),
        (11000, "bob", Change.VERSION_LABELLED, 1, None, "1.0", "1.1", None),
        (12000, "ann", Change.MODEL_UPDATED, None, None, "red", "white", None),
        (13000, "bob", Change.VERSION_STAGED, 1, None, "None", "Production", "ticket 7"),
        (13000, "bob", Change.ENVIRONMENT_MOVED, 1, "production", None, "1", "ticket 7"),
    ]


def test_which_version_was_in_production(database, clock):
    def at(ms, name="wine", environment="production"):
        return database.read(versions.in_environment_at, name, environment, ms)

    database.write(models.create, ANN, "wine")  # at 1000
    for _ in range(2):
        database.write(versions.create, ANN, "wine", NewVersion(source="s3://b/m"))  # 2000, 3000
    database.write(versions.transition, ANN, "wine", 1, "Production")  # 4000
    database.write(models.set_alias, ANN, "wine", "production", 2)  # 5000
    database.write(models.rename, ANN, "wine", "claret")  # 6000
    database.write(environments.move, ANN, "claret", "production", 1)  # 7000
    database.write(versions.delete, ANN, "claret", 1)  # 8000
    database.write(versions.transition, ANN, "claret", 2, "production")  # 9000

    expected = {3999: None, 4000: 1, 4999: 1, 5000: 2, 6500: 2, 7000: 1, 8000: None, 9000: 2, 10**13: 2}
    assert {ms: at(ms, "claret", "Production") for ms in expected} == expected
    assert at(4500) == 1, "an old name leads to the model that had it"

    database.write(models.delete, ANN, "claret")  # 10000
    assert at(9500, "claret") == 2, "the history outlives the model"
    assert at(10_000, "claret") is None
    assert database.read(history.events, "claret")[0].kind is Change.MODEL_DELETED

    database.write(models.create, ANN, "claret")
    assert at(9500, "claret") is None, "a new model of that name has a history of its own"
    with pytest.raises(NotFound, match="Registered Model with name=nothing not found"):
        at(1, "nothing")


def test_pages_of_events(database):
    database.write(models.create, ANN, "wine")
    database.write(models.create, ANN, "beer")
    database.write(versions.create, ANN, "wine", NewVersion(source="s3://b/m"))
    for index in range(5):
        database.write(models.set_tag, ANN, "wine", "k", str(index))
    database.write(versions.set_tag, ANN, "wine", 1, "k", "v")

    whole = database.read(history.events, "wine")
    assert len(whole) == 8
    paged, before = [], None
    while page := database.read(history.events, "wine", limit=3, before=before):
        paged += page
        before = page[-1].id
    assert paged == whole
    assert {event.kind for event in database.read(history.events, "wine", 1)} == {
        Change.VERSION_CREATED,
        Change.VERSION_TAG_SET,
    }
    assert len(database.read(history.events)) == 9
    for limit in (0, 1001):
        with pytest.raises(InvalidArgument):
            database.read(history.events, "wine", limit=limit)
    with pytest.raises(InvalidArgument):
        database.read(history.events, None, 1)


def test_a_refused_change_leaves_no_event(database):
    database.write(models.create, ANN, "wine")
    before = database.read(history.events)
    for work, *args in (
        (models.create, "wine"),
        (versions.create, "wine", NewVersion(source="nope/rel")),
        (models.rename, "wine", "a/b"),
        (versions.transition, "wine", 1, "Production"),
    ):
        with pytest.raises(ModelyardError):
            database.write(work, ANN, *args)
    assert database.read(history.events) == before
