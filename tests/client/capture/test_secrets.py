"""Secrets in arguments and URLs are starred out; what only looks like one is not."""

import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.client.capture import secrets

TOKEN = "".join(random.Random(1).choices(string.ascii_letters + string.digits, k=40))


@pytest.mark.parametrize(
    ("given_arguments", "shown", "named"),
    [
        (["--token=abc"], ["--token=***"], ["token"]),
        (["--password", "abc", "x"], ["--password", "***", "x"], ["password"]),
        (["-v", "--hf-token", "abc"], ["-v", "--hf-token", "***"], ["hf-token"]),
        (["--apiKey", "abc"], ["--apiKey", "***"], ["apiKey"]),
        (["--api_key=a=b"], ["--api_key=***"], ["api_key"]),
        (["db.password=abc", "lr=0.1"], ["db.password=***", "lr=0.1"], ["db.password"]),
        (["postgresql://ann:pw@host/db"], ["postgresql://***@host/db"], ["1"]),
        (["--url=https://u:pw@h/p"], ["--url=https://***@h/p"], ["url"]),
        (["https://h/p?access_token=abc&x=1"], ["https://h/p?access_token=***&x=1"], ["1"]),
        (['{"lr": 1, "password": "abc"}'], ['{"lr": 1, "password": "***"}'], ["1"]),
        (["a", "sk-" + "a1" * 12], ["a", "***"], ["2"]),
        (["AKIAIOSFODNN7EXAMPLE"], ["***"], ["1"]),
        (["--note", TOKEN], ["--note", "***"], ["2"]),
        (["--use", "the-value-of-it"], ["--use", "***"], ["2"]),
    ],
)
def test_what_is_masked(given_arguments, shown, named) -> None:
    found, masked = secrets.mask(given_arguments, {"WANDB_API_KEY": "the-value-of-it"})
    assert (found, list(masked.values())) == (shown, named)
    assert all("***" in found[number - 1] for number in masked)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--max-tokens", "100", "--tokenizer=bert", "--num-tokens=5"],
        ["--key", "loss", "--sort-key=name", "--keys", "a,b"],
        ["--password", "--verbose"],
        ["--run-id", "3f0c2b9e8d7a4c5f9b1e2d3c4b5a6978"],
        ["--data", "/data/Training2024/Images_v2_final_Resized_256x256/part-0001"],
        ["--model=facebook/wav2vec2-large-xlsr-53-german"],
        ["--lr=1e-3", "seed=5", "s3://bucket/key/with/token", "--url=https://host/path?page=2"],
        [],
    ],
)
def test_what_is_not(arguments) -> None:
    assert secrets.mask(arguments, {"HOME": "/home/ann", "API_TOKEN": "short"}) == (arguments, {})


@given(st.lists(st.text(max_size=30), max_size=6))
def test_any_arguments_keep_their_number(arguments) -> None:
    shown, named = secrets.mask(arguments, {})
    assert len(shown) == len(arguments)
    assert len(named) == sum(one != other for one, other in zip(shown, arguments, strict=True))


def test_urls_lose_their_credentials() -> None:
    assert secrets.without_credentials("https://ann:pw@host/x.git") == "https://host/x.git"
    assert secrets.without_credentials("https://x-access-token:ghs_a@host/x") == "https://host/x"
    assert secrets.without_credentials("git@host:x.git") == "git@host:x.git"
    assert secrets.without_credentials("https://${TOKEN}@host/x") == "https://${TOKEN}@host/x"
