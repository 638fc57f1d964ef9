"""What `import` and `pip install` cost: `modelyard`, `mlflow` and `mlflow-skinny`, each in an environment of its own.

    python benchmarks/import_cost.py --make DIR                                   # makes the environments first
    python benchmarks/import_cost.py --modelyard PYTHON --mlflow PYTHON --skinny PYTHON

Times are medians over fresh processes, taken in turn: of the import statement alone, and of the whole process less that
of a bare interpreter. `modelyard` loads its parts when they are named first, so a second column names some.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MLFLOW = "3.17.2"
PACKAGES = {"modelyard": str(ROOT), "mlflow": f"mlflow=={MLFLOW}", "skinny": f"mlflow-skinny=={MLFLOW}"}
NAMES = {"modelyard": "modelyard", "mlflow": "mlflow", "skinny": "mlflow"}
INSTALLERS = ("pip", "setuptools", "wheel", "uv")

TIMED = "import time; began = time.perf_counter(); {statement}; print(time.perf_counter() - began)"
IMPORT, NAMED = "import {name}", "from {name} import MlflowClient, log_metric, log_params, start_run"
SIZES = """
import importlib.metadata, json, os
skip = set({skip!r})
packages, size = 0, 0
for each in importlib.metadata.distributions():
    if each.metadata["Name"].lower() in skip: continue
    packages += 1
    for file in each.files or []:
        try: size += os.stat(each.locate_file(file)).st_size
        except OSError: pass
print(json.dumps([packages, size]))
"""


def make(folder: Path) -> dict[str, str]:
    """An environment for each, with `uv` if it is there."""
    pythons = {}
    for name, package in PACKAGES.items():
        home = folder / name
        python = home / "bin" / "python"
        pythons[name] = str(python)
        if python.exists():
            continue
        uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
        if Path(uv).exists():
            subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, home], check=True)
            subprocess.run(
                [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python, package], check=True
            )
        else:
            subprocess.run([sys.executable, "-m", "venv", home], check=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", package], check=True)
    return pythons


def seconds(python: str, program: str) -> tuple[float, float]:
    """What a program says that it took, and how long its process lived."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("MLFLOW_", "MODELYARD_", "PYTHON"))}
    began = time.perf_counter()
    done = subprocess.run(
        [python, "-W", "ignore", "-c", program], env=kept, cwd=tempfile.gettempdir(), capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    return float(done.stdout or 0), time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in PACKAGES:
        parser.add_argument(f"--{name}", help="a Python that has it")
    parser.add_argument("--make", type=Path, metavar="DIR", help="make the environments there, if they are not")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    pythons = make(options.make.resolve()) if options.make else {}
    pythons.update({name: getattr(options, name) for name in PACKAGES if getattr(options, name)})
    if not pythons:
        parser.error("give --make, or the Pythons")
    taken: dict[str, list[float]] = {name: [] for name in pythons}
    named: dict[str, list[float]] = {name: [] for name in pythons}
    lived: dict[str, list[float]] = {name: [] for name in pythons}
    for _ in range(options.rounds):
        for name, python in pythons.items():
            imported, process = seconds(python, TIMED.format(statement=IMPORT.format(name=NAMES[name])))
            named[name].append(seconds(python, TIMED.format(statement=NAMED.format(name=NAMES[name])))[0] * 1e3)
            bare = seconds(python, "pass")[1]
            taken[name].append(imported * 1e3)
            lived[name].append((process - bare) * 1e3)
    print("| | import ms | names ms | process ms | packages | installed MB |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, python in pythons.items():
        sized = subprocess.run(
            [python, "-c", SIZES.format(skip=INSTALLERS)], capture_output=True, text=True, check=True
        ).stdout
        packages, size = json.loads(sized)
        figures = " | ".join(f"{statistics.median(each[name]):.1f}" for each in (taken, named, lived))
        print(f"| {name} | {figures} | {packages} | {size / 1e6:.1f} |")


if __name__ == "__main__":
    main()
