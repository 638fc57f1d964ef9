"""SQL and `domain.search.matches` find the same things."""

import itertools

import pytest

from modelyard.db import experiments as db
from modelyard.domain.search import matches, parse_filter, parse_order_by

NAMES = ["ab", "a", "Abc", "A_b", "a*b", "50%", "[x]"]
TAGS = [{}, {"t": "v"}, {"t": "V", "u": "1"}, {"u": "a?"}]

FILTERS = [
    "",
    "name = 'a'",
    "name != 'a'",
    "name LIKE 'a%'",
    "name ILIKE 'A%'",
    "name LIKE '_b'",
    "name LIKE '%*%'",
    "name LIKE '[x]'",
    "name LIKE '%a_c'",
    "name ILIKE 'A_B'",
    r"name LIKE '50\%'",
    "tags.t = 'v'",
    "tags.t != 'v'",
    "tags.t IS NULL",
    "tags.t IS NOT NULL",
    "tags.u LIKE '%?'",
    "NOT tags.t = 'v'",
    "tags.t = 'v' OR (tags.u = '1' AND name LIKE '%b%')",
    "NOT (tags.t = 'v' OR tags.u IS NULL)",
    "name IN ('a', '50%') OR tags.t NOT IN ('v')",
    "creation_time > 3 AND creation_time <= 9.5",
    "creation_time != 4",
    "creation_time IN (2, 4)",
    "creation_time < 1e999",
    "experiment_id IS NULL",
]


@pytest.fixture
def stored(database):
    def fill(tx):
        ids = []
        for index, (name, tags) in enumerate(zip(NAMES, itertools.cycle(TAGS), strict=False)):
            ids.append(db.create(tx, name, "x:", index + 1, "test"))
            db.set_tags(tx, ids[-1], tags)
        return ids

    ids = database.write(fill)
    return database, [each for each in database.read(db.search, None, (), "all", 100, 0) if each.id in ids]


def lookup(experiment):
    def find(field):
        if field.kind == "tag":
            return experiment.tags.get(field.key)
        return {
            "name": experiment.name,
            "creation_time": experiment.created_ms,
            "last_update_time": experiment.updated_ms,
            "experiment_id": experiment.id,
        }[field.key]

    return find


def test_filters_mean_what_the_language_says(stored):
    database, everything = stored
    for text in FILTERS:
        node = parse_filter(text, "experiments", "modelyard")
        found = database.read(db.search, node, (), "all", 100, 0)
        ours = {each.name for each in found if each.name in NAMES}
        assert ours == {each.name for each in everything if node is None or matches(node, lookup(each))}, text
        assert database.read(db.count, node, "all") == len(found), text


def test_names_are_sorted_by_their_bytes(stored):
    database, _ = stored
    order = parse_order_by(["name DESC"], "experiments", "mlflow")
    found = [each.name for each in database.read(db.search, None, order, "all", 100, 0)]
    assert found == sorted([*NAMES, "Default"], reverse=True)


def test_pages_follow_each_other(stored):
    database, _ = stored
    order = parse_order_by(["last_update_time ASC", "name"], "experiments", "mlflow")
    whole = database.read(db.search, None, order, "all", 100, 0)
    pages = [each for at in range(0, 9, 3) for each in database.read(db.search, None, order, "all", 3, at)]
    assert pages == whole


def test_filters_of_one_shape_share_a_statement(stored):
    database, _ = stored
    shapes = len(db._NEWEST._shapes)
    for name in NAMES:
        node = parse_filter(f"name = '{name}'", "experiments", "mlflow")
        assert [each.name for each in database.read(db.search, node, (), "active", 10, 0)] == [name]
    assert len(db._NEWEST._shapes) <= shapes + 1
