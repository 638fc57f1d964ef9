"""The page and the description of a real server, in a real browser and with requests made up from the description."""

from __future__ import annotations

import json
from collections.abc import Iterator

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from tests.serving.browser import CHROMIUM, Page, browser
from tests.serving.live.process import ModelServer, serving

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
ANSWERED = "document.querySelector('#status .pill')?.textContent"
ANSWER = "document.querySelector('#answer code').textContent"


@pytest.fixture(scope="module")
def server(sentiment, scaled, rich) -> Iterator[ModelServer]:
    with serving(sentiment.path, scaled.path, rich.path, "--workers", "1", "--allow-pickle") as running:
        yield running


@pytest.fixture(scope="module")
def chromium(tmp_path_factory) -> Iterator[Page]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium")
    with browser(tmp_path_factory.mktemp("profile")) as page:
        yield page


def fill(page: Page, name: str, text: str) -> None:
    page.run(
        f"(() => {{ const made = document.querySelector('[data-name={name}]'); made.value = {json.dumps(text)};"
        "made.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )


def send(page: Page) -> tuple[str, str]:
    """Status and answer."""
    page.run("document.getElementById('status').replaceChildren(); document.querySelector('.send').click()")
    return page.wait(ANSWERED), page.run(ANSWER)


def calls(page: Page) -> list[str]:
    found: list[str] = page.run("[...document.querySelectorAll('code[data-template]')].map((code) => code.textContent)")
    return found


def test_a_model_is_found_in_the_list_and_tried(server, chromium) -> None:
    chromium.open(f"{server.url}/docs")
    chromium.run("document.getElementById('search').value = 'SENT'")
    chromium.run("document.getElementById('search').dispatchEvent(new Event('input'))")
    assert chromium.run("document.getElementById('count').textContent") == "1 of 3 models"
    chromium.run("document.querySelector('ul.models > li:not([hidden]) a').click()")
    chromium.wait("location.pathname === '/docs/sentiment' && document.readyState === 'complete'")
    chromium.wait("document.querySelector('header .state').textContent === 'ready'")

    fill(chromium, "text", 'it\'s "good" — 100 % café')
    status, answer = send(chromium)
    assert (status, json.loads(answer)["label"]) == ("200", "good")
    curl, python, mlflow, infer = calls(chromium)
    assert f"curl {server.url}/models/sentiment/predict" in curl
    assert '\'{"text": "it\'\\\'\'s \\"good\\" — 100 % café"}\'' in curl
    assert 'question = {"text": "it\'s \\"good\\" — 100 % café"}' in python
    assert f"{server.url}/models/sentiment/invocations" in mlflow
    assert f"{server.url}/v2/models/sentiment/infer" in infer
    assert "request " in chromium.run("document.getElementById('status').textContent")
    assert chromium.complaints == []


def test_what_is_wrong_is_said_before_or_after_it_is_sent(server, chromium) -> None:
    chromium.open(f"{server.url}/docs/rich")
    fill(chromium, "whole", "1.5")
    assert send(chromium)[0] == "not sent"
    assert "whole: 1.5 is no whole number" in chromium.run("document.getElementById('status').textContent")
    fill(chromium, "whole", "9007199254740993")
    fill(chromium, "count", "")
    status, answer = send(chromium)
    assert status == "200"
    assert "9007199254740993" in answer
    assert "count" not in answer
    fill(chromium, "when", "yesterday at noon")
    status, answer = send(chromium)
    assert (status, json.loads(answer)["code"]) == ("400", "invalid_argument")
    assert "'when'" in json.loads(answer)["detail"]
    # the refusal itself was written to the console; nothing else was
    assert [each for each in chromium.complaints if "400" not in each] == []
    chromium.complaints.clear()


def test_params_and_json_are_sent_as_they_are_filled_in(server, chromium) -> None:
    chromium.open(f"{server.url}/docs/scaled")
    assert json.loads(send(chromium)[1]) == 1.0 * 3.0 + 0.5
    fill(chromium, "factor", "10")
    assert json.loads(send(chromium)[1]) == 1.0 * 10.0 + 0.5
    chromium.run("document.querySelector('[aria-controls=as-json]').click()")
    assert json.loads(chromium.run("document.getElementById('body').value")) == {
        "inputs": {"x": 1}, "params": {"factor": 10, "offset": 0.5},
    }  # fmt: skip
    chromium.run("document.getElementById('body').value = '[{\"x\": 2}, {\"x\": 3}]'")
    assert json.loads(send(chromium)[1]) == [6.5, 9.5]
    assert chromium.complaints == []


@pytest.mark.parametrize("dark", [False, True])
def test_the_page_fits_a_phone(server, chromium, dark) -> None:
    for path in ("/docs", "/docs/rich"):
        chromium.open(server.url + path, width=360, height=740, dark=dark)
        assert chromium.run("document.documentElement.scrollWidth") <= 360
    light = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).every((each) => each > 128)"
    assert chromium.run(light) is not dark


def test_answers_to_requests_from_the_description_are_as_described(server) -> None:
    status, _, body = server.ask("GET", "/models/rich/openapi.json")
    assert status == 200
    config = schemathesis.Config.from_dict({"phases": {"coverage": {"enabled": False}}})
    schema = schemathesis.openapi.from_dict(json.loads(body), config=config)
    for found in schema.get_all_operations():
        operation = found.ok()
        asked = 20 if operation.method == "post" else 1

        @settings(max_examples=asked, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
        @hypothesis.given(case=operation.as_strategy())
        def check(case) -> None:
            case.validate_response(case.call(base_url=server.url), checks=CHECKS)

        check()
