"""The stream of predictions in the browser: filters, live, details, feedback, export."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from modelyard.client import Client

from .recorded import now_ms, prediction, send
from .seeds import HOSTILE

MANY = 3000
RTL = "היין הזה טוב"


@pytest.fixture(scope="module")
def stream(server: Any, seeded: Any) -> str:
    """Three thousand predictions of a deployment; the newest ones are of every kind."""
    client = Client(server.url, server.url)
    client.apply_deployment(
        {
            "name": "stream", "environment": "production", "model": seeded.model,
            "segment": {"field": "lang"}, "segments": {"de": {}, "he": {}},
        }
    )  # fmt: skip
    began = now_ms() - 3_600_000
    send(
        server.url,
        *(
            prediction("stream", at_ms=began + at * 1000, segment="de", input=json.dumps({"text": f"number {at}"}))
            for at in range(MANY)
        ),
    )
    at = now_ms() - 10_000
    asked = prediction("stream", at_ms=at, segment="he", input=json.dumps({"text": RTL}), key="order-17")
    send(
        server.url,
        asked,
        prediction("stream", at_ms=at, role="shadow", revision=2, version="3", parent=asked["id"], label="white",
                   output='{"label": "white"}', segment="he"),
        prediction("stream", at_ms=at + 1, input=json.dumps({"text": HOSTILE}), label=HOSTILE, segment=HOSTILE),
        prediction("stream", at_ms=at + 2, status=500, label=None, output=None, input=json.dumps("x" * 10_000)),
    )  # fmt: skip
    return "stream"


def row(page: Any, text: str) -> Any:
    return page.get_by_role("table", name="Predictions, the newest first").get_by_role("row").filter(has_text=text)


def test_the_stream_is_filtered_by_its_address(page, stream, shot, violations):
    page.goto(f"/predictions?deployment={stream}")
    row(page, RTL).first.wait_for()
    assert page.title() == "Predictions · Modelyard"  # what is hostile was not executed
    assert violations() == []
    shot("predictions")
    page.get_by_role("combobox", name="Status").click()
    page.get_by_role("option", name="error").click()
    page.wait_for_url("**status=error**")
    row(page, "xxxx").wait_for()
    row(page, RTL).wait_for(state="detached")
    page.goto(f"/predictions?deployment={stream}&role=shadow")
    row(page, "white").wait_for()
    page.get_by_role("textbox", name="Key").fill("no such key")
    page.get_by_text("None is like that.").wait_for()
    page.goto(f"/predictions?deployment={stream}&role=king&status=abc&since=x&id=%3Cscript%3E&revision=-1")
    row(page, RTL).first.wait_for()


def test_rows_far_below_are_drawn_when_they_are_seen(page, stream):
    page.goto(f"/predictions?deployment={stream}&segment=de")
    row(page, f"number {MANY - 1}").wait_for()
    box = page.get_by_role("region", name="Predictions")
    for _ in range(12):
        box.evaluate("box => box.scrollTo(0, box.scrollHeight)")
        page.wait_for_timeout(100)
    row(page, re.compile(r"number 2[0-7]\d\d").pattern[:7]).first.wait_for()
    assert page.get_by_role("table").locator("tbody tr").count() < 80


def test_new_ones_appear_on_top_until_it_is_paused(page, stream, server):
    page.goto(f"/predictions?deployment={stream}")
    row(page, RTL).first.wait_for()
    send(server.url, prediction(stream, input='{"text": "came just now"}'))
    row(page, "came just now").wait_for(timeout=5000)
    page.get_by_role("switch", name="Live").click()
    page.wait_for_url("**paused=true**")
    send(server.url, prediction(stream, input='{"text": "came while paused"}'))
    page.wait_for_timeout(1500)
    assert row(page, "came while paused").count() == 0
    page.get_by_role("switch", name="Live").click()
    row(page, "came while paused").wait_for(timeout=5000)


def test_one_is_looked_at_judged_and_left_again(page, stream, shot, violations):
    page.goto(f"/predictions?deployment={stream}&segment=he")
    row(page, RTL).first.get_by_role("button").click()
    dialog = page.get_by_role("dialog", name="Prediction")
    dialog.get_by_text("order-17").wait_for()
    dialog.get_by_text("another answer").wait_for()
    dialog.get_by_role("textbox", name="Or the label that would have been right").fill("white")
    dialog.get_by_role("button", name="Give").click()
    said = dialog.get_by_role("list", name=re.compile("Feedback so far"))
    said.get_by_text("white").wait_for()
    said.get_by_text("wrong").wait_for()
    assert violations() == []
    shot("prediction")
    address = page.url
    page.keyboard.press("Escape")
    dialog.wait_for(state="detached")
    row(page, RTL).get_by_text("wrong").first.wait_for()
    page.goto(address)
    dialog.get_by_text("order-17").wait_for()


def test_what_matches_is_exported(page, stream):
    page.goto(f"/predictions?deployment={stream}&segment=he&role=shadow")
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as told:
        page.get_by_role("link", name="Download").click()
    lines = [json.loads(line) for line in told.value.path().read_text().splitlines()]
    assert [each["label"] for each in lines] == ["white"]
    page.get_by_text(
        f"modelyard predictions export {stream} --role shadow --segment he --to predictions.parquet"
    ).wait_for()
