"""A model that does what its input says, good or bad, and a server of it; and models that cannot be loaded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelyard.packaging import model as models
from modelyard.pyfunc import PythonModel
from tests.serving.live.process import ModelServer, serving


class Moody(PythonModel):
    """Answers a text in capitals, or dies, raises, hangs, prints, forgets rows, leaks, or takes its time."""

    def predict(self, data: Any, params: Any = None) -> Any:
        import os
        import time

        said = []
        for text in data["mood"].tolist():
            if text == "die":
                os.kill(os.getpid(), 9)
            if text == "raise":
                raise RuntimeError("a bad day")
            if text == "leave":
                raise SystemExit(3)
            if text == "hang":
                time.sleep(3600)
            if text == "print":
                print("printed by the model", flush=True)
                os.write(1, b"written by the model\n")
            if text == "leak":
                os.leaked = [*getattr(os, "leaked", ()), b"x" * 2**26]
            if text.startswith("sleep "):
                time.sleep(float(text[6:]))
            said.append(text.upper())
        return said if "forget" not in data["mood"].tolist() else said[:-1]


class Ailing(PythonModel):
    """Does at its load what its file says; `fine` is the only one that it survives."""

    def load(self, context: Any) -> None:
        import os
        import time
        from pathlib import Path

        ailment = Path(context.artifacts["ailment"]).read_text(encoding="utf-8")
        if ailment == "raise":
            raise ValueError("no weights")
        if ailment == "leave":
            raise SystemExit(4)
        if ailment == "interrupt":
            raise KeyboardInterrupt
        if ailment == "abort":
            os.abort()
        if ailment == "vanish":
            os._exit(7)
        if ailment == "hang":
            time.sleep(3600)
        if ailment == "lack":
            import a_package_that_nobody_has  # noqa: F401

    def predict(self, data: Any, params: Any = None) -> Any:
        return [text.upper() for text in data["mood"].tolist()]


AILMENTS = ("raise", "leave", "interrupt", "abort", "vanish", "hang", "lack")


@pytest.fixture(scope="session")
def ailing(tmp_path_factory) -> dict[str, Path]:
    """A model for each ailment."""
    folder = tmp_path_factory.mktemp("ailing")
    for ailment in AILMENTS:
        (folder / "ailment.txt").write_text(ailment)
        models.save(
            Ailing(), folder / ailment, flavor="python_function", signature=False,
            artifacts={"ailment": str(folder / "ailment.txt")},
        )  # fmt: skip
    return {ailment: folder / ailment for ailment in AILMENTS}


@pytest.fixture(scope="session")
def moody(tmp_path_factory) -> Path:
    import pandas as pd

    path: Path = tmp_path_factory.mktemp("models") / "moody"
    example = pd.DataFrame({"mood": ["fine", "so so"]})
    models.save(Moody(), path, flavor="python_function", input_example=example, golden=True)
    return path


@pytest.fixture(scope="module")
def moody_server(moody) -> Iterator[ModelServer]:
    with serving(moody) as server:
        yield server
