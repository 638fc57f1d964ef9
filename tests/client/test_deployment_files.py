"""Files with specs: YAML 1.2, with the line of everything; and the examples of the page about them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.client.deployment_files import read, read_file
from modelyard.domain import specs
from modelyard.domain.checks import DEFAULT, Measure
from modelyard.domain.deployments import Keep
from modelyard.domain.errors import InvalidArgument, NotFound
from modelyard.domain.rollouts import StepKind, Thin
from modelyard.domain.spec_document import document
from tests.architecture.source import ROOT

PAGE = (ROOT / "docs" / "deployments.md").read_text()
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_words_and_numbers_mean_what_they_say():
    text = """
    no: 1
    on: yes
    time: 12:30
    date: 2024-01-01
    small: 1e-5
    leading: 007
    hex: 0x1f
    nothing: ~
    too: null
    right: true
    negative: -3
    half: .5
    quoted: "1"
    """
    (found,) = read(text, "spec.yaml")
    assert found.document == {
        "no": 1,
        "on": "yes",
        "time": "12:30",
        "date": "2024-01-01",
        "small": 1e-5,
        "leading": "007",
        "hex": 31,
        "nothing": None,
        "too": None,
        "right": True,
        "negative": -3,
        "half": 0.5,
        "quoted": "1",
    }


def test_everything_has_its_line_and_what_is_not_there_its_surroundings():
    text = "name: a\nsegments:\n  de:\n    threshold: 1\n  'a/b':\n    inputs: {x: y}\nsteps:\n- golden\n- weight: 1\n"
    (found,) = read(text, "spec.yaml")
    places = {"": 1, "/segments/de/threshold": 4, "/segments/a~1b/inputs/x": 6, "/steps/1/weight": 9}
    assert {place: found.where(place) for place in places} == {
        place: f"spec.yaml:{line}" for place, line in places.items()
    }
    assert found.where("/segments/de/share/model") == "spec.yaml:3"
    assert found.where("/nothing") == "spec.yaml:1"


def test_several_documents_and_json():
    first, second = read('# none\n---\nname: a\n---\n\n---\n{"name": "b",\n "models": ["x"]}\n', "all.yaml")
    assert (first.document, second.document) == ({"name": "a"}, {"name": "b", "models": ["x"]})
    assert second.where("/models/0") == "all.yaml:8"


def test_what_is_said_once_can_be_used_again():
    text = "all: &usual {threshold: 0.5}\nde: *usual\nfr:\n  <<: *usual\n  share: 1\n"
    (found,) = read(text, "spec.yaml")
    assert found.document["fr"] == {"threshold": 0.5, "share": 1}
    assert found.document["de"] == {"threshold": 0.5}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2", "spec.yaml:4: 'c' stands here a second time."),
        ("- a", "spec.yaml:1: expected a deployment's spec: names with values."),
        ("name: a\n---\nx", "spec.yaml:3: expected a deployment's spec"),
        ("", "spec.yaml holds no deployment's spec."),
        ("# only this", "spec.yaml holds no deployment's spec."),
        ("a: [1\nb: 2", "spec.yaml:2: this is not YAML"),
        ("a: b: c", "spec.yaml:1: this is not YAML"),
        ("? [1]\n: 2", "spec.yaml:1: a name has to be a text."),
        ("a: !!python/object/apply:os.getcwd []", "spec.yaml:1: this is not YAML: could not determine a constructor"),
        ("a: &a [*a]", "spec.yaml: this is not YAML"),
        ("a: *b", "spec.yaml:1: this is not YAML: found undefined alias"),
        ("a: \x00", "this is not YAML"),
    ],
    ids=[
        "twice", "list", "word", "empty", "comment", "open", "colons", "key", "object", "circle", "unknown", "zero",
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_its_line(text, told):
    with pytest.raises(InvalidArgument) as caught:
        read(text, "spec.yaml")
    assert told in caught.value.message


def test_files_that_are_not_there_or_no_text(tmp_path):
    with pytest.raises(NotFound, match="There is no file"):
        read_file(tmp_path / "nothing.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidArgument, match="cannot be read"):
        read_file(tmp_path / "bytes.yaml")
    with pytest.raises(InvalidArgument, match="cannot be read"):
        read_file(tmp_path)


@given(st.text(alphabet="ab:-[]{}&*!|> \n'\"#1.~%@`,?"))
def test_whatever_is_written_is_read_or_refused(text):
    try:
        found = read(text, "spec.yaml")
    except InvalidArgument:
        return
    assert all(isinstance(each.document, dict) for each in found)


# ------------------------------------------------------------------------------------ the page


@pytest.mark.parametrize("text", EXAMPLES, ids=lambda text: text.split()[1])
def test_the_pages_examples_are_right(text):
    for each in read(text, "docs/deployments.md"):
        rest = {} if "name" in each.document else {"name": "a", "environment": "b", "model": "c"}
        spec = specs.read({**rest, **each.document})
        assert specs.read(document(spec)) == spec


def test_one_example_uses_every_field():
    used = {name for text in EXAMPLES for each in read(text, "docs/deployments.md") for name in each.document}
    assert set(specs.FIELDS) - used == {"models"}


def listed(heading: str) -> set[str]:
    """What the first column of the tables below a heading names."""
    section = re.search(rf"^#+ {heading}$(.*?)(?=^#+ |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert section, heading
    return set(re.findall(r"^\| `\{?(\w+)", section[1], re.MULTILINE))


def test_the_page_knows_every_field_and_no_other():
    assert listed("A spec") == set(specs.FIELDS)
    assert listed("Segments") == {"inputs", "threshold", "share"}
    assert listed("Steps") == {each.value for each in StepKind} | {"for", "checks", "window", "thin", "patience"}
    assert listed("Checks") == {each.value for each in Measure}
    words = [*Keep, *Thin, *(each.measure for each in DEFAULT)]
    assert [word for word in words if f"`{word}`" not in PAGE] == []
