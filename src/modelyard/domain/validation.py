"""Names, keys and lengths: what may be stored, and what is cut.

Limits and texts are those of MLflow's `utils/validation.py` (of 3.11.1, but for an experiment tag's value: of 3.18),
because its clients and tests read them. Lengths are counted in characters.
"""

from __future__ import annotations

import json
import posixpath
import re
from functools import lru_cache
from typing import Any, Final

from .errors import InvalidArgument

LONGEST_KEY: Final = 250
LONGEST_PARAM: Final = 6000
LONGEST_TAG: Final = 8000
LONGEST_EXPERIMENT_NAME: Final = 500
LONGEST_EXPERIMENT_TAG: Final = 20_000
LONGEST_MODEL_NAME: Final = 500
LONGEST_REGISTRY_TAG: Final = 100_000
LONGEST_ALIAS: Final = 255
LONGEST_DATASET_NAME: Final = 500
LONGEST_DATASET_DIGEST: Final = 36
LONGEST_DATASET_SOURCE: Final = 65_535
LONGEST_DATASET_SCHEMA: Final = 1_048_575
LONGEST_DATASET_PROFILE: Final = 16_777_215
LONGEST_INPUT_TAG_KEY: Final = 255
LONGEST_INPUT_TAG_VALUE: Final = 500
LONGEST_LOCATION: Final = 2048

MOST_METRICS: Final = 1000
MOST_PARAMS: Final = 100
MOST_TAGS: Final = 100
MOST_ENTITIES: Final = 1000

_KEY: Final = re.compile(r"[/\w.\- :]*")
_RUN_ID: Final = re.compile(r"[a-zA-Z0-9][\w\-]{0,255}")
_ALIAS: Final = re.compile(r"[\w\-]*")
_VERSION_ALIAS: Final = re.compile(r"[vV]\d+")
_NOT_IN_LOGGED_MODEL_NAME: Final = ("/", ":", ".", "%", '"', "'")


def invalid_value(name: str, value: Any, why: str = "") -> InvalidArgument:
    """The error for a parameter whose value is not allowed; the value is shown as JSON."""
    shown = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return InvalidArgument(f"Invalid value {shown} for parameter '{name}' supplied" + (f": {why}" if why else "."))


def check_length(name: str, value: str, limit: int) -> None:
    """Refuse a text longer than `limit` characters.

    Raises:
        InvalidArgument: it is.
    """
    if len(value) > limit:
        raise InvalidArgument(f"'{name}' exceeds the maximum length of {limit} characters")


# ------------------------------------------------------------------------------------ keys


def _resolves_elsewhere(name: str) -> str:
    """Why a name cannot be a path below a folder; empty if it can."""
    path = posixpath.normpath(name)
    if path == name and path != "." and not path.startswith(("..", "/")):
        return ""
    return (
        "Names may be treated as files in certain cases, and must not resolve to other names when treated as such. "
        f"This name would resolve to {path!r}"
    )


def _wrong_with(key: str) -> str:
    """What is wrong with a key; empty if nothing is."""
    if _KEY.fullmatch(key) is None:
        return (
            "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), "
            "spaces ( ), colon(:) and slashes (/)."
        )
    return _resolves_elsewhere(key)


# Every metric that is logged asks about its key, and training logs the same few keys for hours.
_remembered = lru_cache(maxsize=16_384)(_wrong_with)


def check_key(key: str, name: str = "key", *, label: str | None = None) -> None:
    """Refuse a key with other characters than letters, digits and `_ - . space : /`, or that another path stands for.

    Args:
        key: of a metric, param or tag.
        name: the request's parameter that held it.
        label: what the message about its length calls it, if not `name`.

    Raises:
        InvalidArgument: so it is, or it is longer than 250 characters.
    """
    long = len(key) > LONGEST_KEY
    wrong = _wrong_with(key) if long else _remembered(key)
    if wrong:
        raise invalid_value(name, key, wrong)
    if long:
        check_length(label or name, key, LONGEST_KEY)


def is_metric_key(key: str) -> bool:
    """Whether a metric may have this key."""
    return len(key) <= LONGEST_KEY and not _remembered(key)


def check_metric_key(key: str, name: str = "name") -> None:
    """Refuse a bad metric key; see `check_key`."""
    if len(key) > LONGEST_KEY or _remembered(key):
        check_key(key, name, label="Metric name")


def check_param(key: str, value: str, name: str = "key") -> str:
    """The param's value, cut to 6000 characters.

    Raises:
        InvalidArgument: the key is not allowed.
    """
    if len(key) > LONGEST_KEY or _remembered(key):
        check_key(key, name, label="Param key")
    return value if len(value) <= LONGEST_PARAM else value[:LONGEST_PARAM]


def check_tag(key: str, value: str, name: str = "key") -> str:
    """The run tag's value, cut to 8000 characters.

    Raises:
        InvalidArgument: the key is not allowed.
    """
    if len(key) > LONGEST_KEY or _remembered(key):
        check_key(key, name)
    return value if len(value) <= LONGEST_TAG else value[:LONGEST_TAG]


def check_experiment_tag(key: str, value: str) -> None:
    """Refuse a bad key, or a value of more than 20,000 characters.

    Raises:
        InvalidArgument: so it is.
    """
    check_key(key)
    check_length("value", value, LONGEST_EXPERIMENT_TAG)


def check_registry_tag(key: str, value: str) -> None:
    """Refuse a bad key, or a value of more than 100,000 characters.

    Raises:
        InvalidArgument: so it is.
    """
    check_key(key)
    check_length("value", value, LONGEST_REGISTRY_TAG)


# ------------------------------------------------------------------------------------ metrics and batches


def check_timestamp(key: str, value: float, timestamp: int, name: str = "timestamp") -> None:
    """Refuse a metric from before 1970.

    Raises:
        InvalidArgument: it is.
    """
    if timestamp < 0:
        why = f"metric '{key}' (value={value}). Timestamp must be a nonnegative long (64-bit integer) "
        raise invalid_value(name, timestamp, why)


def check_batch(metrics: int, params: int, tags: int) -> None:
    """Refuse a batch with too many things in it.

    Raises:
        InvalidArgument: more than 1000 metrics, 100 params, 100 tags or 1000 altogether.
    """
    for what, limit, count in (
        ("metrics", MOST_METRICS, metrics),
        ("params", MOST_PARAMS, params),
        ("tags", MOST_TAGS, tags),
        ("metrics, params, and tags", MOST_ENTITIES, metrics + params + tags),
    ):
        if count > limit:
            raise InvalidArgument(
                f"A batch logging request can contain at most {limit} {what}. "
                f"Got {count} {what}. Please split up {what} across multiple requests and try again."
            )


def check_distinct_params(keys: list[str]) -> None:
    """Refuse a batch that gives one param twice.

    Raises:
        InvalidArgument: it does, even with the same value.
    """
    if len(set(keys)) == len(keys):
        return
    seen: set[str] = set()
    again: list[str] = []
    for key in keys:
        if key in seen:
            again.append(key)
        seen.add(key)
    raise InvalidArgument(
        f"Duplicate parameter keys have been submitted: {again}. "
        "Please ensure the request contains only one param value per param key."
    )


def check_run_id(run_id: str, name: str = "run_id") -> None:
    """Refuse what cannot be a run's id.

    Raises:
        InvalidArgument: it is not 1 to 256 letters, digits, `_` and `-`.
    """
    if _RUN_ID.fullmatch(run_id) is None:
        raise invalid_value(name, run_id)


# ------------------------------------------------------------------------------------ names


def check_experiment_name(name: str) -> None:
    """Refuse an empty name, or one of more than 500 characters.

    Raises:
        InvalidArgument: so it is.
    """
    if not name:
        raise InvalidArgument("Invalid experiment name: ''")
    check_length("name", name, LONGEST_EXPERIMENT_NAME)


def check_location(location: str) -> None:
    """Refuse a URI that cannot be the root of an experiment's artifacts.

    Raises:
        InvalidArgument: it points into a run, has a fragment or `;params`, or has more than 2048 characters.
    """
    if location.startswith("runs:"):
        raise InvalidArgument(f"Artifact location cannot be a runs:/ URI. Given: '{location}'")
    if "#" in location or ";" in location.rpartition("/")[2]:
        raise InvalidArgument("'artifact_location' URL can't include fragments or params.")
    if len(location) > LONGEST_LOCATION:
        raise InvalidArgument(
            "Invalid artifact path length. The length of the artifact path cannot be "
            f"greater than {LONGEST_LOCATION} characters."
        )


def check_logged_model_name(name: str) -> None:
    """Refuse a logged model's name that is empty or has one of `/ : . % " '`.

    Raises:
        InvalidArgument: so it is.
    """
    if not name or any(char in name for char in _NOT_IN_LOGGED_MODEL_NAME):
        raise InvalidArgument(
            f"Invalid model name ({name!r}) provided. Model name must be a non-empty string "
            f"and cannot contain the following characters: {_NOT_IN_LOGGED_MODEL_NAME}"
        )


def check_model_name(name: str, parameter: str = "name") -> None:
    """Refuse a registered model's name that is blank, holds `/` or `:`, or that another path stands for.

    Raises:
        InvalidArgument: so it is.
    """
    if not name.strip():
        raise InvalidArgument(f"Missing value for required parameter '{parameter}'.")
    if "/" in name or ":" in name:
        raise InvalidArgument(f"Invalid model name '{name}'. Names cannot contain '/' or ':'.")
    if wrong := _resolves_elsewhere(name):
        raise invalid_value("name", name, wrong)


def check_version_number(text: str) -> int:
    """The number of a model version.

    Raises:
        InvalidArgument: the text is not an integer.
    """
    try:
        return int(text)
    except ValueError:
        raise InvalidArgument(f"Parameter 'version' must be an integer, got '{text}'.") from None


def check_alias(alias: str) -> None:
    """Refuse an alias that is empty, too long or has other characters than letters, digits, `_` and `-`.

    Raises:
        InvalidArgument: so it is.
    """
    if not alias:
        raise InvalidArgument("Registered model alias name cannot be empty.")
    if _ALIAS.fullmatch(alias) is None:
        raise InvalidArgument(
            f"Invalid alias name: '{alias}'. Names may only contain alphanumerics, underscores (_), and dashes (-)."
        )
    check_length("Registered model alias name", alias, LONGEST_ALIAS)


def check_alias_is_free(alias: str) -> None:
    """Refuse the aliases with a meaning of their own: `latest`, and `v` with a number.

    Raises:
        InvalidArgument: so it is.
    """
    if alias.lower() == "latest":
        raise InvalidArgument("'latest' alias name (case insensitive) is reserved.")
    if _VERSION_ALIAS.fullmatch(alias):
        raise InvalidArgument(f"Version alias name '{alias}' is reserved.")


# ------------------------------------------------------------------------------------ datasets


def check_dataset(name: str, digest: str, source: str, schema: str | None, profile: str | None) -> None:
    """Refuse a dataset with an overlong part.

    Raises:
        InvalidArgument: it has one.
    """
    check_length("name", name, LONGEST_DATASET_NAME)
    check_length("digest", digest, LONGEST_DATASET_DIGEST)
    check_length("source", source, LONGEST_DATASET_SOURCE)
    check_length("schema", schema or "", LONGEST_DATASET_SCHEMA)
    check_length("profile", profile or "", LONGEST_DATASET_PROFILE)


def check_input_tag(key: str, value: str) -> None:
    """Refuse an overlong tag of a dataset's use.

    Raises:
        InvalidArgument: the key has more than 255 characters or the value more than 500.
    """
    check_length("key", key, LONGEST_INPUT_TAG_KEY)
    check_length("value", value, LONGEST_INPUT_TAG_VALUE)
