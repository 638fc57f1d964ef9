"""Descriptions and pages: valid, true to what the server understands, whole in themselves."""

import base64
import hashlib
import html
import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard.domain.golden import GoldenCase
from modelyard.packaging import example
from modelyard.packaging.manifest import Model
from modelyard.packaging.schema import (
    AnyType,
    Array,
    ColSpec,
    DataType,
    Map,
    Object,
    ParamSchema,
    ParamSpec,
    Property,
    Schema,
    TensorSpec,
)
from modelyard.packaging.signature import ModelSignature
from modelyard.serving import refusals
from modelyard.serving.calls import INVOCATIONS, NATURAL, OPEN_INFERENCE, Asked
from modelyard.serving.description import examples, openapi, page
from modelyard.serving.description.facts import Facts
from modelyard.serving.protocols.table import wires
from tests.serving.conftest import servable, strictly

DIGEST = "sha256:" + "ab" * 32


def about(function, **more) -> Facts:
    facts = Facts("wine", "3", DIGEST, function.metadata, function.path, short=True)
    return replace(facts, **more)


def described(*facts: Facts) -> dict:
    return json.loads(openapi.document(facts[0]) if len(facts) == 1 else openapi.documents(facts))


def valid(document: dict) -> dict:
    validator = pytest.importorskip("openapi_spec_validator")
    validator.validate(document)
    return document


def fits(value, schema: dict, document: dict) -> bool:
    whole = {**schema, "components": document["components"]}
    return jsonschema.Draft202012Validator(whole).is_valid(value)


QUESTION = {"$ref": "#/components/schemas/Question"}
ANSWER = {"$ref": "#/components/schemas/Answer"}


# ---------------------------------------------------------------- OpenAPI


@pytest.mark.parametrize("model", ["wine", "wine_arrays", "sentiment", "unsigned", "scaled", "rich"])
def test_every_example_in_a_description_is_answered_and_all_answer_alike(model, request) -> None:
    function = request.getfixturevalue(model)
    document = valid(described(about(function)))
    served = servable(function)
    asked = {
        NATURAL: document["paths"]["/predict"],
        INVOCATIONS: document["paths"]["/invocations"],
        OPEN_INFERENCE: document["paths"]["/v2/models/wine/infer"],
    }
    answers = {}
    for protocol, path in asked.items():
        for name, shown in path["post"]["requestBody"]["content"]["application/json"].get("examples", {}).items():
            answered = served.answer([Asked(protocol, json.dumps(shown["value"]).encode())])[0]
            assert answered.status == 200, answered.body
            answers[protocol, name] = strictly(answered.body)
            if protocol == NATURAL:
                assert fits(shown["value"], QUESTION, document)
                assert fits(answers[protocol, name], ANSWER, document)
    if model == "unsigned":
        assert not answers
        return
    shown = document["paths"]["/predict"]["post"]["responses"]["200"]["content"]["application/json"].get("examples")
    if shown:
        assert answers[NATURAL, "one"] == shown["one"]["value"]
    several = answers.get((NATURAL, "several"), [answers[NATURAL, "one"]])
    for (protocol, _), answer in answers.items():
        if protocol == INVOCATIONS:
            assert answer["predictions"] == several
        if protocol == OPEN_INFERENCE:
            first = several[0] if isinstance(several[0], dict) else {"": several[0]}
            sent = [value if isinstance(value, list) else [value] for value in first.values()]
            outputs = answer["outputs"]
            assert [each["data"][: len(value)] for each, value in zip(outputs, sent, strict=True)] == sent


def test_the_description_says_what_the_model_takes_and_gives(sentiment) -> None:
    document = valid(described(about(sentiment)))
    assert document["info"]["title"] == "wine 3"
    assert DIGEST in document["info"]["description"]
    schemas = document["components"]["schemas"]
    assert schemas["Row"] == {
        "title": "Row",
        "type": "object",
        "properties": {"text": {"type": ["string", "null"]}},
        "required": ["text"],
        "additionalProperties": False,
    }
    assert list(schemas["AnswerRow"]["properties"]) == ["label", "score"]
    for good in ({"text": "tea"}, "tea", ["tea", {"text": "milk"}], [], {"inputs": "tea"}):
        assert fits(good, QUESTION, document)
    for bad in ({"txt": "tea"}, {"text": 1}, {"text": "tea", "more": 1}, {}, 1, {"inputs": "tea", "parameters": {}}):
        assert not fits(bad, QUESTION, document)


def test_answers_come_from_golden_tests(wine) -> None:
    content = described(about(wine))["paths"]["/predict"]["post"]["responses"]["200"]["content"]["application/json"]
    assert content["examples"] == {"one": {"summary": "One row", "value": 0}}


def test_several_models_are_described_by_their_own_paths(wine, sentiment, scaled) -> None:
    facts = [
        about(wine, short=False),
        about(sentiment, name="a/b é", short=False),
        about(scaled, name="x", short=False),
    ]
    document = valid(described(*facts))
    natural = [path for path in document["paths"] if path.endswith("/predict")]
    assert natural == ["/models/wine/predict", "/models/a%2Fb%20%C3%A9/predict", "/models/x/predict"]
    assert {"/models/{name}/invocations", "/v2/models/{name}/infer", "/models/{name}"} <= document["paths"].keys()
    alone = valid(described(facts[1]))
    assert "/models/a%2Fb%20%C3%A9/invocations" in alone["paths"]
    assert "/v2/models/a%2Fb%20%C3%A9/infer" in alone["paths"]
    ids = [
        each["operationId"] for path in document["paths"].values() for key, each in path.items() if key != "parameters"
    ]
    assert len(ids) == len(set(ids))


def test_a_model_that_is_not_there_yet_is_no_trouble(wine) -> None:
    waiting = Facts("beer", ready=False, reason="downloading")
    assert [
        path for path in valid(described(about(wine, short=False), waiting))["paths"] if path.endswith("predict")
    ] == ["/models/wine/predict"]
    assert b"downloading" in page.page(waiting)
    assert b"downloading" in page.pages([waiting])


def test_every_refusal_is_described(wine) -> None:
    document = described(about(wine))
    schema = {"$ref": "#/components/schemas/Problem"}
    for kind in refusals.KINDS.values():
        problem = refusals.refuse(NATURAL, kind.status, "No.", [("/0/text", "missing")])
        assert fits(json.loads(problem.body), schema, document)
        assert f'id="{kind.code}"' in page.page(about(wine)).decode()


DATATYPES = st.sampled_from(list(DataType))
KINDS = st.recursive(
    DATATYPES | st.just(AnyType()),
    lambda inner: (
        inner.map(Array)
        | inner.map(Map)
        | st.dictionaries(st.text(min_size=1, max_size=3), inner, min_size=1, max_size=2).map(
            lambda found: Object([Property(name, kind) for name, kind in found.items()])
        )
    ),
    max_leaves=3,
)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
COLUMNS = st.dictionaries(NAMES, st.tuples(KINDS, st.booleans()), min_size=1, max_size=4).map(
    lambda found: Schema([ColSpec(kind, name, required) for name, (kind, required) in found.items()])
) | st.lists(DATATYPES, min_size=1, max_size=3).map(lambda kinds: Schema([ColSpec(kind) for kind in kinds]))
TENSOR_KINDS = st.sampled_from(["float32", "float64", "float16", "int64", "uint8", "bool", "str", "object"])
SHAPES = st.lists(st.sampled_from([-1, 1, 3]), max_size=2).map(lambda rest: (-1, *rest)) | st.just((2, 2))
TENSORS = st.builds(TensorSpec, TENSOR_KINDS, SHAPES).map(lambda spec: Schema([spec])) | st.dictionaries(
    NAMES, st.tuples(TENSOR_KINDS, SHAPES), min_size=1, max_size=2
).map(lambda found: Schema([TensorSpec(kind, shape, name) for name, (kind, shape) in found.items()]))
PARAMS = st.none() | st.just(ParamSchema([ParamSpec("top", DataType.long, 3), ParamSpec("of", "string", ["a"], (-1,))]))


@given(COLUMNS | TENSORS, st.none() | COLUMNS | TENSORS, PARAMS)
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_any_signature_is_described_and_what_is_made_up_for_it_is_understood(inputs, outputs, params) -> None:
    manifest = Model(flavors={"python_function": {}}, signature=ModelSignature(inputs, outputs, params))
    facts = Facts("m", "1", "", manifest, None, short=True)
    document = described(facts)
    jsonschema.Draft202012Validator.check_schema({**QUESTION, "components": document["components"]})
    shown = examples.of_model(manifest, None)
    spoken = wires(manifest, name="m", version="1")
    question = examples.question(shown)
    assert fits(question, QUESTION, document)
    spoken[NATURAL].read(Asked(NATURAL, json.dumps(question).encode()))
    for form in examples.invocations(shown, inputs).values():
        spoken[INVOCATIONS].read(Asked(INVOCATIONS, json.dumps(form).encode()))
    infer = examples.infer(shown, inputs)
    spoken[OPEN_INFERENCE].read(Asked(OPEN_INFERENCE, json.dumps(infer).encode()))
    Whole().check(page.page(facts))


# ---------------------------------------------------------------- examples


def save(folder, content, info, golden=None, serving=None) -> None:
    (folder / "input_example.json").write_text(json.dumps(content))
    if serving is not None:
        (folder / "serving_input_example.json").write_text(json.dumps(serving))
    if golden is not None:
        (folder / "modelyard").mkdir()
        (folder / "modelyard" / "golden.json").write_text(json.dumps({"cases": [golden], "tolerance": {}}))


TWO = Schema([ColSpec("long", "n"), ColSpec("string", "s", required=False)])


@pytest.mark.parametrize(
    ("kind", "content", "schema", "rows"),
    [
        (
            "dataframe",
            {"columns": ["n", "s"], "data": [[1, "a"], [2, None], [3, "c"]]},
            TWO,
            [{"n": 1, "s": "a"}, {"n": 2}],
        ),
        ("dataframe", {"data": [[1, "a"]]}, Schema([ColSpec("long"), ColSpec("string")]), [[1, "a"]]),
        ("dataframe", {"data": [["a"]]}, Schema([ColSpec("string")]), ["a"]),
        ("ndarray", {"inputs": [[1, 2], [3, 4]]}, Schema([TensorSpec("int64", (-1, 2))]), [[1, 2], [3, 4]]),
        ("ndarray", [1, 2, 3], Schema([TensorSpec("int64", (-1,))]), [1, 2]),
        ("ndarray", {"a": [[1], [2]]}, Schema([TensorSpec("int64", (-1, 1), "a")]), [{"a": [1]}, {"a": [2]}]),
        ("json_object", {"n": 1, "s": "a"}, TWO, [{"n": 1, "s": "a"}]),
        ("json_object", [{"n": 1}, {"n": 2}], TWO, [{"n": 1}, {"n": 2}]),
        ("json_object", ["a", "b", "c"], Schema([ColSpec("string")]), ["a", "b"]),
        ("json_object", "a", Schema([ColSpec("string")]), ["a"]),
    ],
)
def test_examples_of_every_kind_become_rows(tmp_path, kind, content, schema, rows) -> None:
    info = {"artifact_path": "input_example.json", "type": kind}
    save(tmp_path, content, info)
    manifest = Model(signature=ModelSignature(schema), saved_input_example_info=info)
    found = examples.of_model(manifest, tmp_path)
    assert (found.rows, found.real) == (rows, True)


@pytest.mark.parametrize(
    ("expected", "outputs", "answer"),
    [
        ([1, 2], None, 1),
        ([1, 2], Schema([ColSpec("long", "y")]), {"y": 1}),
        ([[1, 2], [3, 4]], Schema([ColSpec("long", "y"), ColSpec("long", "z")]), {"y": 1, "z": 2}),
        ([[1, 2], [3, 4]], Schema([TensorSpec("int64", (-1, 2))]), [1, 2]),
        ({"y": [1, 2]}, None, {"y": 1}),
        ([{"y": 1}], None, {"y": 1}),
    ],
)
def test_an_answer_is_the_first_of_the_golden_ones(tmp_path, expected, outputs, answer) -> None:
    content = {"columns": ["n"], "data": [[1], [2]]}
    info = {"artifact_path": "input_example.json", "type": "dataframe"}
    golden = GoldenCase("input example", content, expected)
    save(tmp_path, content, info, {"kind": "dataframe", "inputs": golden.inputs, "expected": expected, "params": None})
    manifest = Model(signature=ModelSignature(TWO, outputs), saved_input_example_info=info)
    assert examples.of_model(manifest, tmp_path).answer == answer


@pytest.mark.parametrize("named", ["../secret.json", "/etc/hostname", "missing.json", "broken.json"])
def test_an_example_outside_of_the_model_or_broken_is_not_shown(tmp_path, named) -> None:
    (tmp_path / "secret.json").write_text('{"columns": ["n"], "data": [[42]]}')
    model = tmp_path / "model"
    model.mkdir()
    (model / "broken.json").write_text("[")
    info = {"artifact_path": named, "serving_input_path": named, "type": "dataframe"}
    found = examples.of_model(Model(signature=ModelSignature(TWO), saved_input_example_info=info), model)
    assert (found.real, found.rows) == (False, [{"n": 1, "s": "text"}])


def test_an_image_is_not_shown(tmp_path) -> None:
    image = [[[0.5] * 3] * 100] * 100
    example.save([image], tmp_path)
    for shape in ((-1, 100, 100, 3), (-1, 3000, 3000)):
        manifest = Model(flavors={"onnx": {}}, signature=ModelSignature(Schema([TensorSpec("float32", shape)])))
        assert examples.of_model(manifest, tmp_path).rows == []
        facts = Facts("image", "1", "", manifest, tmp_path, short=True)
        valid(described(facts))
        assert len(page.page(facts)) < 60_000


# ---------------------------------------------------------------- page


class Whole(HTMLParser):
    """Checks that a page is well-formed and loads nothing."""

    VOID = ("meta", "link", "input")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.refers: list[str] = []
        self.texts: dict[str, str] = {}
        self.links: list[str] = []

    def handle_starttag(self, tag, attrs) -> None:
        given = dict(attrs)
        assert not [name for name in given if name == "style" or name.startswith("on") or name == "src"]
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "link":
            assert given["href"].startswith("data:")
        if tag == "a":
            self.links.append(given["href"])
        if "id" in given:
            self.ids.append(given["id"])
        if "aria-controls" in given:
            self.refers.append(given["aria-controls"])

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data) -> None:
        if self.open and self.open[-1] in ("script", "style"):
            self.texts[f"{self.open[-1]}{len(self.texts)}"] = data

    def check(self, content: bytes) -> "Whole":
        self.feed(content.decode())
        self.close()
        assert self.open == []
        assert len(self.ids) == len(set(self.ids))
        assert set(self.refers) <= set(self.ids)
        allowed = page.policy().decode()
        style, facts, script = self.texts.values()
        json.loads(facts)
        for text in (style, script):
            assert base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() in allowed
        return self


@pytest.mark.parametrize("model", ["wine", "wine_arrays", "sentiment", "unsigned", "scaled", "rich"])
def test_the_page_is_whole_and_shows_what_can_be_sent(model, request) -> None:
    facts = about(request.getfixturevalue(model))
    whole = Whole().check(page.page(facts))
    assert whole.links == ["./openapi.json", "./models/wine", "./ready", "./metrics"]
    text = html.unescape(re.sub("<[^>]+>", "", page.page(facts).decode()))
    assert "/predict" in text
    assert "version 3" in text
    for spec in facts.manifest.signature.inputs if facts.manifest.signature else ():
        assert spec.name is None or spec.name in text


def test_the_shown_curl_is_one_that_a_shell_understands(sentiment) -> None:
    shown = page.page(about(sentiment, base_url="http://host/prefix")).decode()
    command = html.unescape(re.search(r"<code data-template=[^>]*>(curl.*?)</code>", shown, re.DOTALL)[1])
    words = subprocess.run(
        ["sh", "-c", command.replace("curl", "printf '%s\\n'", 1)], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert words[0] == "http://host/prefix/predict"
    assert json.loads(words[-1]) == {"text": "very good cafe"}


def test_names_and_examples_cannot_break_out_of_the_page(tmp_path) -> None:
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)>'\"@@title@@{root}"
    schema = Schema([ColSpec("string", evil)])
    (tmp_path / "serving_input_example.json").write_text(json.dumps({"inputs": {evil: [evil]}}))
    info = {"serving_input_path": "serving_input_example.json"}
    manifest = Model(flavors={evil: {}}, signature=ModelSignature(schema, schema), saved_input_example_info=info)
    for content in (
        page.page(Facts(evil, evil, evil, manifest, tmp_path, reason=evil), nested=True),
        page.pages([Facts(evil, evil, evil, manifest, tmp_path, ready=False, reason=evil)]),
    ):
        Whole().check(content)
        assert b"<img" not in content
        assert content.count(b"<script") == 2
    assert b"%3C%2Fscript%3E" in page.page(Facts(evil, "1", "", manifest, tmp_path))


def test_several_models_are_a_list(wine, sentiment) -> None:
    facts = [about(wine, short=False), about(sentiment, name="b c", short=False, ready=False, reason="loading")]
    whole = Whole().check(page.pages(facts))
    assert whole.links[-2:] == ["./docs/b%20c", "./docs/wine"]
    nested = Whole().check(page.page(facts[1], nested=True))
    assert nested.links[:2] == ["../docs", "../models/b%20c/openapi.json"]


def test_descriptions_need_no_numpy_and_no_pandas(wine) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom modelyard.packaging.manifest import Model\n"
        "from modelyard.serving.description import openapi, page\n"
        "from modelyard.serving.description.facts import Facts\n"
        f"path = Path({str(wine.path)!r})\nfacts = Facts('wine', '1', '', Model.read(path), path)\n"
        "openapi.document(facts), page.page(facts), page.pages([facts])\n"
        "print({'numpy', 'pandas', 'jinja2'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
