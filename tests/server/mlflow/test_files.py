import pytest

UPLOAD = "/ajax-api/2.0/mlflow/upload-artifact"
PROXY = "/api/2.0/mlflow-artifacts/artifacts"


def test_the_browser_uploads_lists_and_downloads(sqlite_rest):
    rest = sqlite_rest
    home = rest.experiment()
    run = rest.run(home)
    for path in ("d/t.txt", "a.txt"):
        assert rest.call("POST", UPLOAD, b"hello", run_uuid=run, path=path).status == 200
    root = f"mlflow-artifacts:/{home}/{run}/artifacts"
    assert rest.get("artifacts/list", run_id=run).json == {
        "root_uri": root,
        "files": [{"path": "a.txt", "is_dir": False, "file_size": 5}, {"path": "d", "is_dir": True}],
    }
    assert rest.get("artifacts/list", run_uuid=run, path="d").json == {
        "root_uri": root,
        "files": [{"path": "d/t.txt", "is_dir": False, "file_size": 5}],
    }
    for query in ({"run_id": run}, {"run_uuid": run}):
        sent = rest.get("/get-artifact", path="d/t.txt", **query)
        assert (sent.status, sent.body) == (200, b"hello")
        assert sent.headers["Content-Disposition"] == "attachment; filename=t.txt"
    rest.good("runs/delete", run_id=run)
    assert len(rest.get("artifacts/list", run_id=run).json["files"]) == 2


def test_files_of_a_logged_model(sqlite_rest):
    rest = sqlite_rest
    number = rest.model()
    rest.call("PUT", f"{PROXY}/0/models/{number}/artifacts/d/MLmodel", b"flavors: {}")
    files = f"/ajax-api/2.0/mlflow/logged-models/{number}/artifacts/files"
    folder = f"logged-models/{number}/artifacts/directories"
    assert rest.get(folder).json == {
        "root_uri": f"mlflow-artifacts:/0/models/{number}/artifacts",
        "files": [{"path": "d", "is_dir": True}],
    }
    assert rest.get(folder, artifact_directory_path="d").json["files"] == [
        {"path": "d/MLmodel", "is_dir": False, "file_size": 11}
    ]
    sent = rest.get(files, artifact_file_path="d/MLmodel")
    assert (sent.status, sent.body, sent.headers["Content-Type"]) == (200, b"flavors: {}", "text/plain")
    assert rest.get(files).message == 'Request must include the "artifact_file_path" query parameter.'
    assert rest.get("logged-models/m-nope/artifacts/directories").status == 404
    assert rest.get(f"/api/2.0/mlflow/logged-models/{number}/artifacts/files", artifact_file_path="x").status == 404


def test_files_of_a_model_version(sqlite_rest):
    rest = sqlite_rest
    run = rest.run()
    rest.call("PUT", f"{PROXY}/0/{run}/artifacts/model/MLmodel", b"flavors: {}")
    rest.good("registered-models/create", name="m")
    rest.good("model-versions/create", name="m", source=f"mlflow-artifacts:/0/{run}/artifacts/model", run_id=run)
    # Two slashes, as MLflow's own test of paths sends them.
    for path in ("/model-versions/get-artifact", "//model-versions/get-artifact"):
        sent = rest.get(path, name="m", version="1", path="MLmodel")
        assert (sent.status, sent.body) == (200, b"flavors: {}")
    assert rest.get("/model-versions/get-artifact", name="m", version="2", path="MLmodel").status == 404
    assert rest.get("/model-versions/get-artifact", name="m", version="x", path="MLmodel").status == 400


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "%2e%2e/x", "a/%252e%252e/../x", "a#b"])
def test_paths_that_leave_the_folder(sqlite_rest, path):
    rest = sqlite_rest
    run = rest.run()
    number = rest.model()
    for answer in (
        rest.get("artifacts/list", run_id=run, path=path),
        rest.get("/get-artifact", run_id=run, path=path),
        rest.get("/model-versions/get-artifact", name="nobody", version="1", path=path),
        rest.get(f"logged-models/{number}/artifacts/directories", artifact_directory_path=path),
        rest.get(f"/ajax-api/2.0/mlflow/logged-models/{number}/artifacts/files", artifact_file_path=path),
        rest.call("POST", UPLOAD, b"x", run_uuid=run, path=path),
        rest.post("artifacts/presigned-upload-url", run_id=run, path=path),
    ):
        assert (answer.status, answer.code) == (400, "INVALID_PARAMETER_VALUE")
        assert answer.message.startswith("Invalid path")


def test_uploads_that_are_refused(sqlite_rest):
    rest = sqlite_rest
    run = rest.run()
    for query, body, status, message in (
        ({}, b"x", 400, "Request must specify run_uuid."),
        ({"run_uuid": run}, b"x", 400, "Request must specify path."),
        ({"run_uuid": run, "path": ""}, b"x", 400, "Request must specify path."),
        ({"run_uuid": run, "path": "t"}, b"", 400, "Request must specify data."),
        ({"run_uuid": run, "path": "t"}, b"x" * (10 * 2**20 + 1), 400, "Artifact size is too large. Max size is 10MB."),
        ({"run_uuid": "nope", "path": "t"}, b"x", 404, "Run with id=nope not found"),
    ):
        answer = rest.call("POST", UPLOAD, body, **query)
        assert (answer.status, answer.message) == (status, message)
    assert rest.get("artifacts/list", run_id=run).json.keys() == {"root_uri"}


def test_what_is_not_there(sqlite_rest):
    rest = sqlite_rest
    run = rest.run()
    missing = rest.get("/get-artifact", run_id=run, path="nope")
    assert (missing.status, missing.code) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert rest.get("/get-artifact", run_id="nope", path="x").message == "Run with id=nope not found"
    assert rest.get("/get-artifact", run_id=run).message.startswith("Missing value for required parameter 'path'.")


def test_signed_urls_need_an_object_store(sqlite_rest):
    rest = sqlite_rest
    run, number = rest.run(), rest.model()
    for path, body, message in (
        ("upload", {"run_id": run, "path": "a"}, "Presigned upload is not supported for proxied artifact storage"),
        ("upload", {"model_id": number, "path": "a"}, "Presigned upload is not supported for proxied artifact storage"),
        ("upload", {"run_id": run, "model_id": number, "path": "a"}, "Exactly one of run_id and model_id"),
        ("upload", {"path": "a"}, "Exactly one of run_id and model_id"),
        ("download", {"run_id": run, "path": "a"}, "Presigned download is not supported for runs with proxied"),
        ("download", {"run_id": run, "path": "a", "expiration": 0}, "expiration must be between 1 and 604800 seconds"),
        ("download", {"run_id": run}, "Missing value for required parameter 'path'."),
    ):
        answer = rest.post(f"artifacts/presigned-{path}-url", **body)
        assert answer.status == 400
        assert answer.message.startswith(message)
