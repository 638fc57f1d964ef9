"""Switching autologging on and off, before and after the library is imported."""

from __future__ import annotations

import importlib
import sys
import threading

import pytest

from modelyard.autolog import imports, patching, registry
from modelyard.autolog.registry import Library
from modelyard.domain.errors import InvalidArgument


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A library `training_library` that nobody has imported, and the leaf that autologs it."""
    folder = tmp_path / "training_library"
    folder.mkdir()
    (folder / "__init__.py").write_text("from .inner import fit\nLOADED_WITH = type(__loader__).__name__\n")
    (folder / "inner.py").write_text("def fit():\n    return 'fitted'\n")
    (folder / "data.txt").write_text("here")
    (tmp_path / "leaf.py").write_text(
        "from modelyard.autolog import patching\n"
        "import training_library\n"
        "SEEN = []\n"
        "def install(options):\n"
        "    SEEN.append(dict(options.values))\n"
        "    patching.patch('training', training_library, 'fit', patching.pause)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(
        registry,
        "LIBRARIES",
        {"training": Library(("training_library",), "training-library", "1", {"depth": 3})},
    )
    monkeypatch.setattr(registry, "_asked", {})

    def load(name: str, *, to: str):
        assert name == "modelyard.autolog.training"
        return importlib.import_module("leaf")

    monkeypatch.setattr(registry.optional, "load", load)
    yield tmp_path
    registry.autolog("training", disable=True)
    for name in ("training_library", "training_library.inner", "leaf"):
        sys.modules.pop(name, None)
    assert imports._finder not in sys.meta_path


def seen() -> list:
    return sys.modules["leaf"].SEEN


def test_nothing_is_imported_for_it_and_a_later_import_is_enough(package) -> None:
    registry.autolog(log_models=False, depth=5)
    assert "training_library" not in sys.modules
    assert "leaf" not in sys.modules
    import training_library  # type: ignore[import-not-found]

    assert training_library.fit() == "fitted"
    assert patching.watching("training")
    assert seen()[0]["log_models"] is False
    assert seen()[0]["depth"] == 5


def test_a_library_that_is_there_already_is_autologged_at_once(package) -> None:
    import training_library

    original = training_library.fit
    registry.autolog("training")
    assert training_library.fit is not original
    assert seen()[0]["log_models"] is True
    registry.autolog("training", disable=True)
    assert training_library.fit is original
    assert registry.options_of("training") is None


def test_the_module_looks_as_if_nobody_had_waited_for_it(package) -> None:
    from importlib import resources

    registry.autolog()
    import training_library

    assert training_library.LOADED_WITH == "SourceFileLoader"
    assert type(training_library.__spec__.loader).__name__ == "SourceFileLoader"
    assert (resources.files("training_library") / "data.txt").read_text() == "here"


def test_disabled_before_the_import_means_never_switched_on(package) -> None:
    registry.autolog()
    registry.autolog(disable=True)
    assert imports._finder not in sys.meta_path
    import training_library  # noqa: F401

    assert not patching.watching("training")


def test_a_failing_leaf_does_not_fail_the_import(package, caplog) -> None:
    (package / "leaf.py").write_text("def install(options):\n    raise RuntimeError('ours')\n")
    registry.autolog()
    import training_library

    assert training_library.fit() == "fitted"
    assert "could not be switched on" in caplog.text


def test_an_import_that_fails_fails_as_ever_and_may_be_tried_again(package) -> None:
    (package / "training_library" / "__init__.py").write_text("raise ImportError('theirs')\n")
    registry.autolog()
    with pytest.raises(ImportError, match="theirs"):
        import training_library
    (package / "training_library" / "__init__.py").write_text("def fit():\n    return 'now'  # another length\n")
    importlib.invalidate_caches()
    import training_library

    assert training_library.fit() == "now"
    assert patching.watching("training")


def test_what_was_asked_for_by_name_outranks_what_was_asked_for_all(package) -> None:
    registry.autolog("training", depth=1)
    registry.autolog(depth=2)
    assert registry.options_of("training")["depth"] == 1
    registry.autolog("training", depth=3)
    assert registry.options_of("training")["depth"] == 3


def test_excluded_libraries_stay_off(package) -> None:
    registry.autolog(exclude_flavors=["training"])
    assert registry.options_of("training") is None


@pytest.mark.parametrize(
    ("library", "options", "message"),
    [
        ("nothing", {}, "'nothing' cannot be autologged. These can: training."),
        ("training", {"width": 1}, "autolog has no option width. It takes: depth, "),
        (None, {"width": 1}, "autolog has no option width"),
        ("training", {"extra_tags": ["a"]}, "extra_tags is a list"),
    ],
)
def test_a_wrong_call_says_what_is_possible(package, library, options, message) -> None:
    with pytest.raises(InvalidArgument) as caught:
        registry.autolog(library, **options)
    assert str(caught.value).startswith(message)


def test_options_about_traces_are_accepted(package) -> None:
    registry.autolog(log_traces=False)


def test_negative_max_tuning_runs_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="max_tuning_runs is -1"):
        registry.autolog("sklearn", max_tuning_runs=-1)


def test_a_version_that_is_too_old_stays_off_when_asked_to(package, monkeypatch, caplog) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda name: "0.5")
    import training_library  # noqa: F401

    registry.autolog("training", disable_for_unsupported_versions=True)
    assert not patching.watching("training")
    assert "0.5 is older than 1" in caplog.text
    registry.autolog("training")
    assert patching.watching("training")


def test_switching_on_and_off_from_many_threads_ends_in_one_state(package) -> None:
    import training_library

    original = training_library.fit

    def toggle() -> None:
        for _ in range(20):
            registry.autolog("training")
            assert training_library.fit() == "fitted"
            registry.autolog("training", disable=True)

    threads = [threading.Thread(target=toggle) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    registry.autolog("training", disable=True)
    assert training_library.fit is original
