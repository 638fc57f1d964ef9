"""What a model answers in a loop in its own process, no server: `limits.py DIRECTORY MODEL` prints JSON.

`as_loaded` is `load_function(...).predict_checked`; `tuned` the model as the server's worker has it.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
SIZES = (1, 32, 256)
SECONDS = 0.7


def rate(ask: Any, data: Any) -> float:
    """Calls a second."""
    for _ in range(3):
        ask(data)
    calls, began = 0, time.perf_counter()
    while (spent := time.perf_counter() - began) < SECONDS:
        ask(data)
        calls += 1
    return calls / spent


def main() -> None:
    from models import inputs, natural

    from modelyard.packaging import model as packaging
    from modelyard.serving import tuning
    from modelyard.serving.calls import NATURAL, Asked, Plan
    from modelyard.serving.servable import Servable

    folder, model = Path(sys.argv[1]), sys.argv[2]
    function = packaging.load_function(folder)
    found: dict[str, dict[int, float]] = {"as_loaded": {}, "tuned": {}, "with_json": {}}
    plain = Servable(function, name=model, version="", plan=Plan())

    def made(servable: Servable, size: int) -> Any:
        call = servable._wires[NATURAL].read(Asked(NATURAL, natural(model, inputs(model, size))))
        servable.assembly.key(call)
        return call

    # columns become the frame that a user of the model would pass
    plain.assembly = type(plain.assembly)(function)
    if plain.assembly._frames is not None:
        plain.assembly._frames.arrays = False
    for size in SIZES:
        found["as_loaded"][size] = rate(function.predict_checked, plain.assembly.make([made(plain, size)]))
    tuning.tune(function, 1)
    servable = Servable(function, name=model, version="", plan=Plan(rows=256))
    for size in SIZES:
        found["tuned"][size] = rate(servable.assembly.predict, servable.assembly.make([made(servable, size)]))
        asked = [Asked(NATURAL, natural(model, [each])) for each in inputs(model, size)]
        found["with_json"][size] = rate(servable.answer, asked)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
