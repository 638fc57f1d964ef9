"""What must be installed to load a model: found when it is saved, checked when it is loaded.

Writes the files that MLflow reads: `requirements.txt`, `conda.yaml`, `python_env.yaml`.
"""

from __future__ import annotations

import ast
import functools
import platform
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from modelyard.domain.errors import InvalidArgument, NotFound
from modelyard.packaging import code

REQUIREMENTS: Final = "requirements.txt"
CONDA: Final = "conda.yaml"
PYTHON: Final = "python_env.yaml"
_OUR_LOADER: Final = re.compile(r"modelyard_(\w+_)?loader_\d+")
"""The loaders that travel with our models; what they need, their flavor says."""

_ALIASES: Final = {"sklearn": "scikit-learn", "yaml": "PyYAML", "PIL": "pillow", "cv2": "opencv-python"}
"""Import names whose package is called otherwise, for those that are not installed here."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One requirement that is not met.

    Attributes:
        requirement: As it stands in `requirements.txt`, or `python==3.11.7`.
        installed: The version that is there; None if the package is missing.
    """

    requirement: str
    installed: str | None

    def __str__(self) -> str:
        return f"{self.requirement} ({'missing' if self.installed is None else f'{self.installed} is installed'})"


def write(
    folder: Path,
    packages: Iterable[str],
    given: Sequence[str] | str | None = None,
    extra: Sequence[str] | str | None = None,
) -> list[str]:
    """Write the three files of the environment and return the requirements.

    Args:
        folder: The model's directory; modules that its `code` imports are found and pinned too.
        packages: Import names that the flavor needs.
        given: Requirements that replace those found, a list or the path of a file.
        extra: Requirements beside those found.
    """
    import yaml

    if given is not None:
        lines = _lines(given)
    else:
        lines = sorted({pin for name in {*packages, *imported(folder / code.FOLDER)} if (pin := _pin(name))})
    if extra is not None:
        more = _lines(extra)
        named = {_name(line) for line in more} - {""}
        lines = [line for line in lines if _name(line) not in named] + more
    version = platform.python_version()
    conda = {
        "name": "modelyard-env",
        "channels": ["conda-forge"],
        "dependencies": [f"python={version}", "pip", {"pip": lines}],
    }
    python = {
        "python": version,
        "build_dependencies": ["pip", "setuptools", "wheel"],
        "dependencies": [f"-r {REQUIREMENTS}"],
    }
    (folder / REQUIREMENTS).write_text("\n".join(lines), encoding="utf-8")
    (folder / CONDA).write_text(yaml.safe_dump(conda, sort_keys=False), encoding="utf-8")
    (folder / PYTHON).write_text(yaml.safe_dump(python, sort_keys=False), encoding="utf-8")
    return lines


def _lines(given: Sequence[str] | str) -> list[str]:
    if isinstance(given, str):
        try:
            given = Path(given).read_text(encoding="utf-8").splitlines()
        except OSError as fault:
            raise InvalidArgument(f"requirements: '{given}' does not read: {fault.strerror}.") from None
    return [line.strip() for line in given if line.strip() and not line.strip().startswith("#")]


def _name(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", requirement)
    return re.sub(r"[-_.]+", "-", found[0]).lower() if found else ""


def imported(folder: Path) -> set[str]:
    """Top-level names that the Python files of a folder import, the standard library's and their own left out.

    Imports inside functions count; those under `if TYPE_CHECKING` and in a `try` whose failure is caught do not.
    """
    if not folder.is_dir():
        return set()
    own = {path.stem if path.suffix == ".py" else path.name for path in folder.iterdir()}
    found: set[str] = set()
    for file in sorted(folder.rglob("*.py")):
        if not _OUR_LOADER.fullmatch(file.stem):
            try:
                found |= names_imported(ast.parse(file.read_text(encoding="utf-8")))
            except (SyntaxError, UnicodeDecodeError):
                continue  # not ours to judge: a template, or of another Python
    return found - own - sys.stdlib_module_names - {"modelyard", "__future__"}


def names_imported(tree: ast.AST) -> set[str]:
    """Top-level names that a piece of code imports and cannot do without."""
    found: set[str] = set()
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            found |= names_imported(ast.Module(node.orelse, []))
        elif isinstance(node, ast.Try) and any(
            "Import" in ast.unparse(each.type) for each in node.handlers if each.type
        ):
            continue
        else:
            found |= names_imported(node)
    return found


def _distributions(module: str) -> Iterator[str]:
    """Names of what may bring a module, the likely first: looking through all packages takes a third of a second."""
    yield _ALIASES.get(module, module)
    yield from _all_distributions().get(module, ())


@functools.cache
def _all_distributions() -> dict[str, list[str]]:
    from importlib.metadata import packages_distributions

    return dict(packages_distributions())


def _pin(module: str) -> str | None:
    """`name==version` of what brings a module; None for modules that no package brings, which are local code."""
    from importlib.metadata import PackageNotFoundError, version

    for name in _distributions(module):
        try:
            # the local part of a version (`+cpu`) is nothing that an index knows
            return f"{name}=={version(name).partition('+')[0]}"
        except PackageNotFoundError:
            continue
    return _ALIASES.get(module)


def read(folder: str | Path) -> list[str]:
    """The requirements of a model.

    Raises:
        NotFound: it has none.
    """
    file = Path(folder) / REQUIREMENTS
    try:
        return _lines(file.read_text(encoding="utf-8").splitlines())
    except FileNotFoundError:
        raise NotFound(f"The model in '{folder}' has no {REQUIREMENTS}.") from None


def check(folder: str | Path) -> list[Difference]:
    """What of a model's requirements is missing here, or is there in another version; empty if nothing is.

    Requirements that are no plain names with versions (URLs, options of pip) are left out, and so are those whose
    marker says that they are not meant for this machine. Of Python's version, the first two numbers count.

    Raises:
        NotFound: the model has no `requirements.txt`.
    """
    from importlib.metadata import PackageNotFoundError, version

    from packaging.requirements import InvalidRequirement, Requirement

    differences = []
    wanted = _python(Path(folder))
    if wanted and wanted.split(".")[:2] != list(platform.python_version_tuple()[:2]):
        differences.append(Difference(f"python=={wanted}", platform.python_version()))
    for line in read(folder):
        try:
            requirement = Requirement(re.sub(r"\s#.*", "", line))
        except InvalidRequirement:
            continue
        if requirement.url or (requirement.marker and not requirement.marker.evaluate()):
            continue
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            differences.append(Difference(line, None))
            continue
        if not requirement.specifier.contains(installed.partition("+")[0], prereleases=True):
            differences.append(Difference(line, installed))
    return differences


def _python(folder: Path) -> str:
    """The Python that a model was saved with, "" if it does not say."""
    import yaml

    try:
        content = yaml.safe_load((folder / PYTHON).read_text(encoding="utf-8"))
        found = str(content["python"])
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        return ""
    return found if re.match(r"\d+\.\d+", found) else ""
