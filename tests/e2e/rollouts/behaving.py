"""A model that behaves as it is told: by `how`, a file that travels along."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from modelyard.pyfunc import PythonModel

GENTLE = "BEHAVING_GENTLY"
"""With this variable it is good, whatever it was told: for those who save it."""
EXAMPLE = "so it is"


class Behaving(PythonModel):
    """Counts words, and says who it is.

    How it behaves: `answer` (always this, but to its golden test), `raises` (if the text holds this), `moody` (another
    answer than when it was saved), `hangs` and `eats` (bytes) at its load.
    """

    def load_context(self, context: Any) -> None:
        gentle = GENTLE in os.environ
        self.how = json.loads(Path(context.artifacts["how"]).read_text())
        if self.how.get("hangs") and not gentle:
            time.sleep(600)
        if self.how.get("eats") and not gentle:
            self.much = bytearray(os.urandom(1 << 20) * (self.how["eats"] >> 20))

    def predict(self, data: Any, params: Any = None) -> Any:
        return [self._one(text) for text in data["text"].tolist()]

    def _one(self, text: str) -> str:
        if GENTLE not in os.environ and (part := self.how.get("raises")) is not None and part in text:
            raise ValueError(f"no idea what {text!r} is")
        if self.how.get("moody") and GENTLE not in os.environ:
            return "no words"
        return str((text != EXAMPLE and self.how.get("answer")) or f"{len(text.split())} words")
