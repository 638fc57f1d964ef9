import pytest

from modelyard.domain.errors import AlreadyExists, InvalidArgument, InvalidState, NotFound
from modelyard.domain.history import Change
from modelyard.domain.principals import Principal
from modelyard.domain.versions import NewVersion
from modelyard.services import environments, history, models, versions

WHO = Principal("somebody")


@pytest.fixture
def wine(database):
    database.write(models.create, WHO, "wine")
    for _ in range(3):
        database.write(versions.create, WHO, "wine", NewVersion(source="s3://bucket/model"))
    return database


def names(database):
    return [env.name for env in database.read(environments.listing)]


def aliases(database):
    return {alias.name: (alias.version, alias.environment) for alias in database.read(models.get, "wine").aliases}


def test_the_list_is_ordered_and_can_be_changed(wine):
    assert names(wine) == ["staging", "production"]
    wine.write(environments.create, WHO, "canary", after="staging")
    wine.write(environments.create, WHO, "test")
    assert names(wine) == ["test", "staging", "canary", "production"]
    assert [env.position for env in wine.read(environments.listing)] == [1, 2, 3, 4]
    wine.write(environments.remove, WHO, "test")
    assert names(wine) == ["staging", "canary", "production"]
    with pytest.raises(AlreadyExists):
        wine.write(environments.create, WHO, "canary")
    with pytest.raises(NotFound, match=r"Environment 'nope' not found. There are: staging, canary, production."):
        wine.write(environments.create, WHO, "other", after="nope")
    with pytest.raises(InvalidState):
        wine.write(environments.remove, WHO, "production")
    with pytest.raises(InvalidArgument):
        wine.write(environments.create, WHO, "V1")
    kinds = [event.kind for event in wine.read(history.events) if event.model_id == 0]
    assert kinds == [Change.ENVIRONMENT_REMOVED, Change.ENVIRONMENT_CREATED, Change.ENVIRONMENT_CREATED]


def test_an_alias_becomes_the_pointer_of_a_new_environment_and_outlives_it(wine):
    wine.write(models.set_alias, WHO, "wine", "Canary", 1)
    wine.write(models.set_alias, WHO, "wine", "CANARY", 2)
    wine.write(models.set_alias, WHO, "wine", "canary", 3)
    wine.write(environments.create, WHO, "canary")
    assert aliases(wine) == {"Canary": (1, None), "CANARY": (2, None), "canary": (3, "canary")}
    assert [(each.environment, each.version) for each in wine.read(environments.pointers, "wine")] == [("canary", 3)]
    wine.write(environments.remove, WHO, "canary")
    assert aliases(wine)["canary"] == (3, None)


def test_an_alias_of_a_deleted_version_becomes_no_pointer(wine):
    wine.write(models.set_alias, WHO, "wine", "canary", 3)
    wine.write(versions.delete, WHO, "wine", 3)
    wine.write(environments.create, WHO, "canary")
    assert wine.read(environments.pointers, "wine") == []
    wine.write(environments.move, WHO, "wine", "canary", 1)
    assert aliases(wine) == {"canary": (1, "canary")}


def test_a_pointer_is_listed_as_the_alias_was_written(wine):
    wine.write(versions.transition, WHO, "wine", 1, "Production")
    assert aliases(wine) == {"production": (1, "production")}
    wine.write(models.set_alias, WHO, "wine", "Production", 1)
    assert aliases(wine) == {"Production": (1, "production")}
    wine.write(environments.move, WHO, "wine", "production", 2)
    assert aliases(wine) == {"Production": (2, "production")}
    for spelling in ("production", "Production", "PRODUCTION"):
        assert wine.read(models.by_alias, "wine", spelling).number == 2
    wine.write(models.delete_alias, WHO, "wine", "PRODUCTION")
    assert aliases(wine) == {}


def test_moves_that_are_refused(wine):
    with pytest.raises(NotFound, match="Environment 'nope' not found"):
        wine.write(environments.move, WHO, "wine", "nope", 1)
    with pytest.raises(NotFound, match=r"Model Version \(name=wine, version=9\) not found"):
        wine.write(environments.move, WHO, "wine", "production", 9)
    with pytest.raises(NotFound):
        wine.write(environments.clear, WHO, "beer", "production")
    with pytest.raises(NotFound):
        wine.read(environments.pointers, "beer")
