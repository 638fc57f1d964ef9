"""What the UI believes about the server's messages is true."""

import re

from tests.architecture.ui_types import TYPES, description, seal

TEXT = TYPES.read_text()


def test_types_are_of_this_description() -> None:
    assert TEXT.splitlines(keepends=True)[0] == seal(), "run: make ui-types"


def test_all_that_is_answered_is_there() -> None:
    schemas = description()["components"]["schemas"]
    assert re.search(
        r"^        RunPage: \{.*?^            next_cursor: string \| null;", TEXT, re.MULTILINE | re.DOTALL
    )
    answered = {
        each["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        for methods in description()["paths"].values()
        for operation in methods.values()
        for status, each in operation["responses"].items()
        if status.startswith("2") and "$ref" in each.get("content", {}).get("application/json", {}).get("schema", {})
    }
    assert len(answered) > 20
    assert {name for name in answered if set(schemas[name]["properties"]) - set(schemas[name]["required"])} == set()


def test_what_has_a_default_may_be_left_out_of_a_request() -> None:
    assert re.search(r"^        RunCount: \{.*?^            filter\?: string;", TEXT, re.MULTILINE | re.DOTALL)
