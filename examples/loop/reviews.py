"""Reviews in two languages, made from word lists, and the classifiers that learn from them."""

from __future__ import annotations

import json
import random
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from opinion import Opinion
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

import modelyard
import modelyard.pyfunc
from modelyard.models import ModelSignature
from modelyard.types import ColSpec, DataType, Schema

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "reviews"))
from corpus import reviews

NAME = "sentiment"
EXAMPLE = pd.DataFrame({"text": ["Very good cafe", "Der Kellner war langsam."], "language": ["en", "de"]})
SIGNATURE = ModelSignature(
    inputs=Schema([ColSpec(DataType.string, "text"), ColSpec(DataType.string, "language")]),
    outputs=Schema([ColSpec(DataType.string, "label"), ColSpec(DataType.double, "score")]),
)
_THINGS = (
    "Der Kaffee",
    "Das Brot",
    "Der Kuchen",
    "Die Suppe",
    "Der Kellner",
    "Die Musik",
    "Der Platz",
    "Das Frühstück",
)
_GOOD = ("gut", "frisch", "köstlich", "freundlich", "gemütlich", "perfekt", "schnell", "herrlich", "lecker", "warm")
_BAD = ("schlecht", "kalt", "fad", "unfreundlich", "laut", "teuer", "langsam", "bitter", "trocken", "schmutzig")


@dataclass(frozen=True, slots=True)
class Review:
    """A text, its language, and what its author thinks."""

    text: str
    language: str
    label: str


def made(count: int, seed: int) -> list[Review]:
    """Reviews, always the same: two thirds English, one third German."""
    chance = random.Random(seed)
    english = [Review(each.text, "en", _label(each.good)) for each in reviews(count)]
    german = []
    for _ in range(count // 2):
        good = chance.random() < 0.5
        word, other = chance.choice(_GOOD if good else _BAD), chance.choice(_GOOD if good else _BAD)
        text = f"{chance.choice(_THINGS)} war {word}, {chance.choice(_THINGS).lower()} war {other}."
        german.append(Review(text, "de", _label(good)))
    mixed = english + german
    chance.shuffle(mixed)
    return mixed[:count]


def _label(good: bool) -> str:  # noqa: FBT001 - a word for it
    return "positive" if good else "negative"


Weights = dict[str, dict[str, float]]


def learn(given: list[Review]) -> Weights:
    """Weights of words by language; those of no word are the empty word's."""
    weights = {}
    for language in ("en", "de"):
        its = [each for each in given if each.language == language]
        words = CountVectorizer(token_pattern=r"[^\s.,!]+")
        table = words.fit_transform([each.text for each in its])
        fitted = LogisticRegression().fit(table, [each.label == "positive" for each in its])
        found = dict(zip(words.get_feature_names_out(), fitted.coef_[0].tolist(), strict=True))
        weights[language] = {"": float(fitted.intercept_[0])} | {word: round(each, 4) for word, each in found.items()}
    return weights


def log(weights: Weights, name: str) -> int:
    """Log a classifier with its golden tests, and register it; its version."""
    known = EXAMPLE[EXAMPLE["language"].isin(weights)]
    with modelyard.start_run(run_name=name), tempfile.TemporaryDirectory() as scratch:
        modelyard.log_params({"words": sum(map(len, weights.values())), "languages": ",".join(weights)})
        path = Path(scratch) / "weights.json"
        path.write_text(json.dumps(weights, ensure_ascii=False), encoding="utf-8")
        info = modelyard.pyfunc.log_model(
            name="model",
            registered_model_name=NAME,
            python_model=Opinion,
            artifacts={"weights": str(path)},
            signature=SIGNATURE,
            input_example=known,
            golden=True,
        )
    return int(info.registered_model_version or 0)
