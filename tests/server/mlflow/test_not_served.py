import pytest


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/2.0/mlflow/traces"),
        ("POST", "/api/3.0/mlflow/traces/search"),
        ("GET", "/ajax-api/3.0/mlflow/gateway/endpoints/list"),
        ("GET", "/api/2.0/mlflow/webhooks"),
        ("DELETE", "/api/3.0/mlflow/datasets/d-1"),
    ],
)
def test_an_endpoint_that_is_not_served_says_so_and_why(sqlite_rest, method, path):
    answer = sqlite_rest.call(method, path, None if method == "GET" else {})
    assert (answer.status, answer.code) == (501, "NOT_IMPLEMENTED")
    assert answer.message.startswith(f"{method} {path} is not served: ")


def test_an_endpoint_that_nobody_has_is_a_page_not_found(sqlite_rest):
    answer = sqlite_rest.get("/api/2.0/mlflow/nothing")
    assert (answer.status, answer.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
