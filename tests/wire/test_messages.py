"""Rules that every message of the native API keeps."""

import importlib
import pkgutil

import msgspec
import pytest

import modelyard.wire
from modelyard.wire.message import Answer, Request

MESSAGES = {
    value
    for module in pkgutil.iter_modules(modelyard.wire.__path__)
    for value in vars(importlib.import_module(f"modelyard.wire.{module.name}")).values()
    if isinstance(value, type) and issubclass(value, msgspec.Struct) and value not in (Request, Answer)
}


def named(message: type) -> str:
    return message.__name__


@pytest.mark.parametrize("message", sorted(MESSAGES, key=named), ids=named)
def test_answers_have_no_defaults_and_requests_no_strangers(message) -> None:
    assert message.__doc__
    assert message.__doc__ != msgspec.Struct.__doc__
    if issubclass(message, Answer):
        assert message.__struct_defaults__ == () or all(d is msgspec.NODEFAULT for d in message.__struct_defaults__)
        assert not message.__struct_config__.forbid_unknown_fields  # an older client reads a newer server
    else:
        assert issubclass(message, Request)
        assert message.__struct_config__.forbid_unknown_fields


def test_names_are_unique() -> None:
    names = [message.__name__ for message in MESSAGES]
    assert sorted(names) == sorted(set(names))


def test_times_say_their_unit() -> None:
    strangers = {"run_id", "source_run", "timestamp"}  # the last is a prediction proxy's word, and a text
    fields = {field for message in MESSAGES for field in message.__struct_fields__} - strangers
    assert {field for field in fields if field.endswith(("_at", "time", "timestamp"))} == set()
