import base64

import pytest


def create(rest, name, **more):
    return rest.good("registered-models/create", name=name, **more)["registered_model"]


def get(rest, name):
    return rest.get("registered-models/get", name=name).json["registered_model"]


def names(rest, **query):
    answer = rest.get("registered-models/search", **query).json
    return [model["name"] for model in answer.get("registered_models", [])]


def test_the_life_of_a_model(rest):
    made = create(rest, "wine", tags=[{"key": "a", "value": "1"}, {"key": "a", "value": "2"}], description="red")
    assert made == {
        "name": "wine",
        "creation_timestamp": made["creation_timestamp"],
        "last_updated_timestamp": made["creation_timestamp"],
        "description": "red",
        "tags": [{"key": "a", "value": "2"}],
    }
    assert get(rest, "wine") == made
    again = rest.post("registered-models/create", name="wine")
    assert (again.status, again.code) == (400, "RESOURCE_ALREADY_EXISTS")
    assert again.message == "Registered Model (name=wine) already exists."

    assert rest.call("PATCH", "registered-models/update", {"name": "wine", "description": "x"}).status == 200
    assert get(rest, "wine")["description"] == "x"
    assert (
        "description" not in rest.call("PATCH", "registered-models/update", {"name": "wine"}).json["registered_model"]
    )

    rest.good("registered-models/set-tag", name="wine", key="b")
    assert get(rest, "wine")["tags"] == [{"key": "a", "value": "2"}, {"key": "b", "value": ""}]
    for _ in range(2):  # MLflow does not mind a tag that is not there
        assert rest.call("DELETE", "registered-models/delete-tag", {"name": "wine", "key": "a"}).body == b"{}"
    assert get(rest, "wine")["tags"] == [{"key": "b", "value": ""}]

    create(rest, "beer")
    taken = rest.post("registered-models/rename", name="wine", new_name="beer")
    assert (taken.status, taken.code) == (400, "RESOURCE_ALREADY_EXISTS")
    renamed = rest.good("registered-models/rename", name="wine", new_name="claret")["registered_model"]
    assert renamed["name"] == "claret"
    assert rest.get("registered-models/get", name="wine").status == 404

    assert rest.call("DELETE", "registered-models/delete", {"name": "claret"}).body == b"{}"
    gone = rest.call("DELETE", "registered-models/delete", {"name": "claret"})
    assert (gone.status, gone.code) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert gone.message == "Registered Model with name=claret not found"
    assert names(rest) == ["beer"]


def test_a_rename_takes_versions_and_aliases_along(rest):
    create(rest, "wine")
    rest.good("model-versions/create", name="wine", source="s3://b/m")
    rest.good("registered-models/alias", name="wine", alias="champion", version="1")
    rest.good("registered-models/rename", name="wine", new_name="claret")
    found = rest.get("registered-models/alias", name="claret", alias="champion").json["model_version"]
    assert (found["name"], found["version"]) == ("claret", "1")
    assert rest.good("model-versions/create", name="claret", source="s3://b/m")["model_version"]["version"] == "2"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "Missing value for required parameter 'name'. See the API docs"),
        (" ", "Missing value for required parameter 'name'."),
        ("a/b", "Invalid model name 'a/b'. Names cannot contain '/' or ':'."),
        ("a:b", "Invalid model name 'a:b'. Names cannot contain '/' or ':'."),
        ("..", "Names may be treated as files in certain cases"),
    ],
)
def test_names_that_models_cannot_have(sqlite_rest, name, message):
    refused = sqlite_rest.post("registered-models/create", name=name)
    assert (refused.status, refused.code) == (400, "INVALID_PARAMETER_VALUE")
    assert message in refused.message


def test_searching_models(rest):
    for name, team in (("B", "x"), ("a", "y"), ("b1", "x"), ("é", "X")):
        create(rest, name, tags=[{"key": "team", "value": team}, {"key": "a b/c.d", "value": "1"}])
    create(rest, "plain")
    assert names(rest) == ["B", "a", "b1", "plain", "é"]  # by byte, whatever the database's language
    assert names(rest, order_by=["name DESC"]) == ["é", "plain", "b1", "a", "B"]
    assert names(rest, order_by=["timestamp DESC"])[0] == "plain"
    assert names(rest, filter="tags.team = 'x'") == ["B", "b1"]
    assert names(rest, filter="tags.team != 'x'") == ["a", "é"]
    assert names(rest, filter="tags.`a b/c.d` = '1' AND tags.team LIKE 'X'") == ["é"]
    assert names(rest, filter="tags.team ILIKE 'X%' and name LIKE 'b%'") == ["b1"]
    assert names(rest, filter="name ILIKE 'b%'") == ["B", "b1"]
    assert names(rest, filter="name = 'plain'") == ["plain"]
    assert names(rest, filter="name IN ('plain', 'b1', 'none')") == ["b1", "plain"]
    for wrong in ("foo = 'x'", "name > 'x'", "name = M", "tags.a IN ('a')", "name = 'a' OR name = 'b'"):
        refused = rest.get("registered-models/search", filter=wrong)
        assert (refused.status, refused.code) == (400, "INVALID_PARAMETER_VALUE"), wrong


def test_pages_of_models(rest):
    for index in range(5):
        create(rest, f"m{index}")
    seen, token = [], None
    while token != "":
        query = {"max_results": 2} | ({"page_token": token} if token else {})
        page = rest.get("registered-models/search", **query).json
        seen += [model["name"] for model in page.get("registered_models", [])]
        token = page.get("next_page_token", "")
        if token:
            assert base64.b64decode(token) == b'{"offset": %d}' % len(seen)
    assert seen == [f"m{index}" for index in range(5)]
    assert rest.get("registered-models/search", max_results=0).json == {"next_page_token": "eyJvZmZzZXQiOiAwfQ=="}
    for query in ({"max_results": -1}, {"max_results": 1001}, {"max_results": "a"}, {"page_token": "zz"}):
        assert rest.get("registered-models/search", **query).status == 400
    assert (
        rest.get("registered-models/search", page_token="zz").message == "Invalid page token, could not base64-decode"
    )


@pytest.mark.parametrize("payload", [b"abc", b"[]", b"{}", b'{"offset": "x"}', b'{"offset": -3}', b'{"offset": 1e400}'])
def test_tokens_that_are_none_of_ours(sqlite_rest, payload):
    token = base64.b64encode(payload).decode()
    refused = sqlite_rest.get("registered-models/search", page_token=token)
    assert refused.status == 400
    assert refused.message.startswith("Invalid page token")


def test_prompts_are_found_only_when_asked_for(rest):
    create(rest, "model", tags=[{"key": "k", "value": "v"}])
    create(rest, "prompt", tags=[{"key": "mlflow.prompt.is_prompt", "value": "true"}, {"key": "k", "value": "v"}])
    assert names(rest) == ["model"]
    assert names(rest, filter="tags.k = 'v'") == ["model"]
    assert names(rest, filter="tags.`mlflow.prompt.is_prompt` = 'false'") == ["model"]
    assert names(rest, filter="tags.k = 'v' AND tags.`mlflow.prompt.is_prompt` = 'true'") == ["prompt"]


def test_aliases(rest):
    create(rest, "wine")
    for _ in range(2):
        rest.good("model-versions/create", name="wine", source="s3://b/m")
    for version in ("1", "2"):
        assert rest.good("registered-models/alias", name="wine", alias="champion", version=version) == {}
    rest.good("registered-models/alias", name="wine", alias="é-1_a", version="2")
    found = rest.get("registered-models/alias", name="wine", alias="champion").json["model_version"]
    assert (found["version"], found["aliases"]) == ("2", ["champion", "é-1_a"])
    assert rest.get("model-versions/get", name="wine", version="2").json["model_version"] == found
    assert get(rest, "wine")["aliases"] == [
        {"alias": "champion", "version": "2"},
        {"alias": "é-1_a", "version": "2"},
    ]
    newest = rest.get("registered-models/alias", name="wine", alias="Latest").json["model_version"]
    assert newest["version"] == "2"

    missing = rest.get("registered-models/alias", name="wine", alias="nope")
    assert (missing.status, missing.code) == (400, "INVALID_PARAMETER_VALUE")
    assert missing.message == "Registered model alias nope not found."
    for _ in range(2):
        assert rest.call("DELETE", "registered-models/alias", {"name": "wine", "alias": "é-1_a"}).body == b"{}"

    rest.call("DELETE", "model-versions/delete", {"name": "wine", "version": "2"})
    assert get(rest, "wine")["aliases"] == [{"alias": "champion", "version": "2"}], "as in MLflow, it lives on"
    assert rest.get("registered-models/alias", name="wine", alias="champion").status == 404


@pytest.mark.parametrize("alias", ["latest", "LATEST", "v1", "V12", "a b", "a/b", "x" * 256, ""])
def test_aliases_that_are_refused(sqlite_rest, alias):
    create(sqlite_rest, "wine")
    sqlite_rest.good("model-versions/create", name="wine", source="s3://b/m")
    refused = sqlite_rest.post("registered-models/alias", name="wine", alias=alias, version="1")
    assert (refused.status, refused.code) == (400, "INVALID_PARAMETER_VALUE")


def test_what_does_not_exist(sqlite_rest):
    no_model = "Registered Model with name=zz not found"
    no_version = "Model Version (name=zz, version=1) not found"
    for method, path, body, message in (
        ("PATCH", "registered-models/update", {}, no_model),
        ("POST", "registered-models/rename", {"new_name": "q"}, no_model),
        ("POST", "registered-models/set-tag", {"key": "k"}, no_model),
        ("DELETE", "registered-models/delete-tag", {"key": "k"}, no_model),
        ("POST", "registered-models/get-latest-versions", {}, no_model),
        ("DELETE", "registered-models/alias", {"alias": "a"}, no_model),
        ("DELETE", "registered-models/alias", {"alias": "production"}, no_model),
        ("POST", "registered-models/alias", {"alias": "a", "version": "1"}, no_version),
        ("POST", "registered-models/alias", {"alias": "production", "version": "1"}, no_version),
        ("POST", "model-versions/create", {"source": "s3://b/m"}, no_model),
        ("PATCH", "model-versions/update", {"version": "1"}, no_version),
        ("DELETE", "model-versions/delete", {"version": "1"}, no_version),
        ("POST", "model-versions/transition-stage", {"version": "1", "stage": "Staging"}, no_version),
        ("POST", "model-versions/set-tag", {"version": "1", "key": "k"}, no_version),
        ("DELETE", "model-versions/delete-tag", {"version": "1", "key": "k"}, no_version),
    ):
        answer = sqlite_rest.call(method, path, {"name": "zz", **body})
        assert (answer.status, answer.code, answer.message) == (404, "RESOURCE_DOES_NOT_EXIST", message), path
