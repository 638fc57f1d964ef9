"""Logged models over the native API."""


def test_a_logged_model_from_start_to_end(native) -> None:
    made = native.ask("POST", "/logged-models", {"experiment_id": 0, "name": "net", "params": {"lr": "1"}})
    model = made.json
    path = f"/logged-models/{model['id']}"
    assert (made.status, made.headers["location"], model["status"]) == (201, f"/api/v1{path}", "PENDING")
    changed = native("PATCH", path, {"status": "READY", "params": {"depth": "3"}, "tags": {"a": "b"}})
    assert (changed["status"], changed["params"], changed["tags"]) == ("READY", {"lr": "1", "depth": "3"}, {"a": "b"})
    assert native.refused("PATCH", path, {"params": {"lr": "2"}, "tags": {"c": "d"}})[:2] == (400, "invalid_argument")
    changed = native("PATCH", path, {"tags": {"a": None, "absent": None}})
    assert changed["tags"] == {}
    native("DELETE", path)
    for method in ("GET", "DELETE"):
        native.ask(method, path)
    assert native.refused("GET", path)[:2] == (404, "not_found")


def test_logged_models_page_by_page(native) -> None:
    ids = [native("POST", "/logged-models", {"experiment_id": 0, "name": f"net-{at}"})["id"] for at in range(5)]
    body = {"filter": "name LIKE 'net-%'", "order_by": ["name DESC"], "limit": 2}
    found, cursor = [], ""
    while cursor is not None:
        page = native("POST", "/logged-models/search", {**body, "cursor": cursor})
        found += [each["id"] for each in page["logged_models"]]
        cursor = page["next_cursor"]
        if len(found) == 2:
            native("POST", "/logged-models", {"experiment_id": 0, "name": "net-9"})
    assert found == ids[::-1]
    assert native("POST", "/logged-models/search", {"experiment_ids": []})["logged_models"] == []
    refused = native.refused("POST", "/logged-models/search", {"order_by": ["metrics.loss"]})
    assert refused[:2] == (400, "invalid_argument")
