import pytest

from modelyard.domain.errors import AlreadyExists, InvalidArgument, NotFound
from modelyard.domain.principals import Principal
from modelyard.domain.search import parse_filter, parse_order_by
from modelyard.domain.versions import NewVersion
from modelyard.services import environments, labels, models, references, sources, versions

WHO = Principal("somebody")


@pytest.fixture
def wine(database):
    database.write(models.create, WHO, "wine")
    return database


def make(database, model="wine", source="s3://bucket/model", **more):
    return database.write(versions.create, WHO, model, NewVersion(source=source, **more))


def number(database, reference, model="wine"):
    return database.read(references.resolve, model, reference).number


# ------------------------------------------------------------------------------------ labels and references


def test_a_reference_is_a_number_a_label_an_environment_a_stage_an_alias_or_latest(wine):
    make(wine, label="2.3.1")
    make(wine, label="1.0-rc1")
    make(wine)
    make(wine)
    wine.write(environments.move, WHO, "wine", "production", 2)
    wine.write(versions.transition, WHO, "wine", 3, "Archived")
    wine.write(models.set_alias, WHO, "wine", "champion", 1)

    found = {
        reference: number(wine, reference)
        for reference in (
            "4", "2.3.1", "v2.3.1", "1.0rc1", "1.0.0-RC.1", "production", "PRODUCTION", "archived", "None", "@champion",
            "@production", "latest",
        )
    }  # fmt: skip
    assert found == {
        "4": 4, "2.3.1": 1, "v2.3.1": 1, "1.0rc1": 2, "1.0.0-RC.1": 2, "production": 2, "PRODUCTION": 2, "archived": 3,
        "None": 4, "@champion": 1, "@production": 2, "latest": 4,
    }  # fmt: skip


@pytest.mark.parametrize("reference", ["9", "9.9", "staging", "latest", "99999999999999999999"])
def test_a_reference_to_nothing(wine, reference):
    with pytest.raises(NotFound):
        number(wine, reference)


@pytest.mark.parametrize("reference", ["", "champion", "a b", "1.x", "@none"])
def test_what_is_no_reference(wine, reference):
    with pytest.raises(InvalidArgument):
        number(wine, reference)


def test_a_label_is_unique_in_its_comparable_form(wine):
    make(wine, label="1.0")
    make(wine)
    with pytest.raises(AlreadyExists, match=r"Version 1 of 'wine' already has the label '1.0'"):
        make(wine, label="1.0.0")
    with pytest.raises(AlreadyExists):
        wine.write(versions.set_label, WHO, "wine", 2, "v1.0")
    assert make(wine).number == 3, "the refused version took no number"

    assert wine.write(versions.set_label, WHO, "wine", 1, "1.0.0").label == "1.0.0"
    assert wine.write(versions.set_label, WHO, "wine", 1, None).label is None
    assert wine.write(versions.set_label, WHO, "wine", 2, "1.0").label == "1.0"
    wine.write(models.create, WHO, "other")
    assert make(wine, "other", label="1.0").label == "1.0"


@pytest.mark.parametrize("label", ["", "x", "1.0 beta gamma", "7", "1." * 60 + "1"])
def test_labels_that_are_refused(wine, label):
    with pytest.raises(InvalidArgument, match="Invalid label"):
        make(wine, label=label)


def test_labels_are_ordered_as_pep_440_says():
    written = ["1.0", "1.0.post1", "1.0rc1", "0.9", "1.0.dev1", "10.0", "2.0"]
    assert sorted(written, key=labels.label_order) == ["0.9", "1.0.dev1", "1.0rc1", "1.0", "1.0.post1", "2.0", "10.0"]


def test_clients_that_know_only_stages_reach_labels_and_environments(wine):
    make(wine, label="2.3.1")
    make(wine)
    wine.write(environments.create, WHO, "canary")
    wine.write(environments.move, WHO, "wine", "canary", 2)
    assert [each.number for each in wine.read(references.latest, "wine", ["2.3.1"])] == [1]
    assert [each.number for each in wine.read(references.latest, "wine", ["Canary"])] == [2]
    assert wine.read(references.latest, "wine", ["production"]) == []
    with pytest.raises(InvalidArgument, match=r"Invalid Model Version stage: 9\.9"):
        wine.read(references.latest, "wine", ["9.9"])


# ------------------------------------------------------------------------------------ numbers


def test_a_number_is_never_given_twice(wine):
    assert [make(wine).number for _ in range(3)] == [1, 2, 3]
    wine.write(versions.delete, WHO, "wine", 3)
    wine.write(versions.delete, WHO, "wine", 2)
    assert make(wine).number == 4
    with pytest.raises(NotFound, match=r"Model Version \(name=wine, version=3\) not found"):
        wine.read(references.get, "wine", 3)


@pytest.mark.parametrize("number", [0, -1, 2**63, -(2**70)])
def test_numbers_that_no_version_has(wine, number):
    with pytest.raises(NotFound):
        wine.read(references.get, "wine", number)
    with pytest.raises(NotFound):
        wine.write(versions.delete, WHO, "wine", number)


def test_long_values_are_stored_or_refused_on_every_database(wine):
    long = "".join(chr(0x4E00 + index % 20_000) for index in range(100_000))  # does not compress to nothing
    wine.write(models.set_tag, WHO, "wine", "k", long)
    made = make(wine, tags={"k": long}, description=long, source="s3://b/" + long[:60_000], run_link=long)
    assert wine.read(references.get, "wine", made.number).tags == {"k": long}
    assert wine.read(models.get, "wine").tags == {"k": long}
    wine.write(models.create, WHO, "n" * 500)
    with pytest.raises(InvalidArgument, match="'name' exceeds the maximum length of 500 characters"):
        wine.write(models.create, WHO, "n" * 501)
    with pytest.raises(InvalidArgument, match="'new_name' exceeds"):
        wine.write(models.rename, WHO, "wine", long)
    with pytest.raises(InvalidArgument, match="'run_id' exceeds"):
        make(wine, run_id=long)
    with pytest.raises(InvalidArgument, match="'source' exceeds"):
        make(wine, source="s3://b/" + long)
    with pytest.raises(NotFound):
        wine.read(models.get, long)


# ------------------------------------------------------------------------------------ sources


@pytest.mark.parametrize(
    "source",
    [
        "s3://bucket/a", "s3:/a", "S3://B/P?x=1", "hdfs://h/a//b/", "c:/x", "runs:/x/model", "dbfs:/x", "gs://b/a%20b",
        "https://host/a", "mlflow-artifacts:/0/run/artifacts",
    ],
)  # fmt: skip
def test_sources_elsewhere(source):
    sources.check_remote(source)


@pytest.mark.parametrize(
    "source",
    [
        "mlflow-artifacts:/a/../b", "mlflow-artifacts:", "dbfs:/x/../y", "http://host/%2e%2e/x", "s3://bucket",
        "http://host/api/..%2f..%2fx", "http://host/%252e%252e/x", "http://host/x%00", "s3:a", "s3://b/a/./b",
        "mlflow-artifacts://host:9/..%2f..%2f", "x:" + "%25" * 50 + "2e",
    ],
)  # fmt: skip
def test_sources_that_lead_somewhere_else(source):
    with pytest.raises(InvalidArgument, match="Invalid model version source"):
        sources.check_remote(source)


@pytest.mark.parametrize(
    "source", ["/etc/passwd", "file:///etc", "nope/rel", "file://localhost/etc", "file://other/etc"]
)
def test_a_local_source_needs_a_run(wine, source):
    with pytest.raises(InvalidArgument):
        make(wine, source=source)
    with pytest.raises(NotFound, match="Run with id=unknown not found"):
        make(wine, source="/etc/passwd", run_id="unknown")


def test_a_local_source_stays_in_its_folder(tmp_path):
    folder = tmp_path / "run" / "artifacts"
    (folder / "model").mkdir(parents=True)
    (tmp_path / "run" / "artifacts2").mkdir()
    (folder / "out").symlink_to(tmp_path)
    sources.check_local(str(folder / "model"), str(folder), "run_id")
    sources.check_local((folder / "model").as_uri(), folder.as_uri(), "run_id")
    sources.check_local(str(folder), folder.as_uri(), "run_id")
    for outside in (folder / ".." / "x", tmp_path / "run" / "artifacts2", folder / "out", tmp_path, "/"):
        with pytest.raises(InvalidArgument, match="has to be contained within the artifact directory"):
            sources.check_local(str(outside), str(folder), "run_id")
    with pytest.raises(InvalidArgument):
        sources.check_local(str(folder), "mlflow-artifacts:/0/run/artifacts", "run_id")


def test_a_version_made_from_a_version_has_its_files(wine):
    make(wine, source="s3://bucket/one", label="1.0")
    wine.write(models.set_alias, WHO, "wine", "champion", 1)
    for source in ("models:/wine/1", "models:/wine/1.0", "models:/wine@champion", "models:/wine/latest"):
        copy = make(wine, source=source)
        assert copy.source == source
        assert wine.read(versions.download_uri, "wine", copy.number) == "s3://bucket/one"
    for source in ("models:/wine/99", "models:/other/1", "models:/wine", "models:/m-" + "0" * 32):
        with pytest.raises(InvalidArgument, match="Unable to fetch model from model URI source artifact location"):
            make(wine, source=source)


# ------------------------------------------------------------------------------------ searching


def found(database, text, order=(), grammar="modelyard", **page):
    where = parse_filter(text, "model_versions", grammar)
    order = parse_order_by(order, "model_versions", grammar)
    return database.read(versions.search, where, order, **{"limit": 100, **page})


def test_searching_versions(wine):
    wine.write(models.create, WHO, "beer")
    for index in range(5):
        make(wine, tags={"color": "red" if index % 2 else "white"}, run_id="r" if index == 3 else None)
    make(wine, "beer", source="s3://bucket/Beer_1")

    def numbers(text, order=(), **page):
        return [(each.model, each.number) for each in found(wine, text, order, **page)[0]]

    assert numbers("name = 'beer'") == [("beer", 1)]
    assert numbers("tags.color = 'red'") == [("wine", 4), ("wine", 2)]
    assert numbers("tags.color != 'red'") == [("wine", 5), ("wine", 3), ("wine", 1)]
    assert numbers("NOT tags.color = 'red' AND name = 'beer'") == [("beer", 1)]
    assert numbers("tags.color IS NULL OR version_number > 4") == [("beer", 1), ("wine", 5)]
    assert numbers("run_id = 'r'") == [("wine", 4)]
    assert numbers("NOT run_id = 'r' AND version_number >= 4") == [("wine", 5)]
    assert numbers("version_number IN (1, 2.0, 2.5)", ["version_number"]) == [("beer", 1), ("wine", 1), ("wine", 2)]
    assert numbers("version_number > 3.5 AND version_number < 4.5") == [("wine", 4)]
    assert numbers("source_path LIKE '%/Beer\\_1'") == []
    assert numbers("source_path LIKE '%/Beer_1'") == [("beer", 1)]
    assert numbers("source_path LIKE '%/beer_1'") == []
    assert numbers("source_path ILIKE '%/beer_1'") == [("beer", 1)]
    assert numbers("", ["tags.color DESC", "version_number"])[:3] == [("wine", 1), ("wine", 3), ("wine", 5)]
    assert numbers("", ["tags.color DESC", "version_number"])[-1] == ("beer", 1), "a missing tag comes last"
    assert wine.read(versions.count, parse_filter("name = 'wine'", "model_versions", "modelyard")) == 5


@pytest.mark.parametrize("order", [[], ["tags.color"], ["tags.color DESC", "run_id"], ["creation_timestamp DESC"]])
def test_pages_behind_a_position_leave_nothing_out(wine, order):
    for index in range(7):
        make(wine, tags={"color": "red"} if index % 3 else {}, run_id=f"r{index % 2}" if index % 2 else None)
    whole, _ = found(wine, "", order)
    paged, after = [], None
    while True:
        page, positions = found(wine, "", order, limit=2, after=after)
        if not page:
            break
        paged += page
        after = positions[-1]
    assert [each.number for each in paged] == [each.number for each in whole]
    assert len(whole) == 7
