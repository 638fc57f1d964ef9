"""skops files: the types we vouch for, and words for what skops refuses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from modelyard.domain.errors import DataCorrupted, InvalidArgument, ModelyardError, PermissionDenied
from modelyard.packaging.flavors import sklearn_checks, skops_light
from modelyard.packaging.trust import Trust

LIGHTGBM: Final = ("collections.OrderedDict", "lightgbm.basic.Booster")
"""Beside the wrappers themselves: what LightGBM's scikit-learn classes hold. A Booster is made of its model's text."""


def dump(model: Any, file: Path, own: Iterable[str], trusted: Sequence[str] = ()) -> list[str]:
    """Write a skops file that will load again.

    Args:
        model: What to write.
        file: Where to.
        own: Types that every loader of ours trusts.
        trusted: Types that this caller vouches for, and that each loader will have to vouch for again.

    Returns:
        The types in the file that skops does not trust of itself; all of them are own or trusted.

    Raises:
        InvalidArgument: it holds what skops cannot keep, or types that nobody vouched for.
    """
    remedies = (
        "Either make it of importable parts, or save it as a pickle with serialization_format='cloudpickle', which is "
        "loaded only where that is allowed."
    )
    try:
        found = skops_light.dump(model, file, {*own, *trusted})
        sklearn_checks.check_saved(model)
    except RecursionError:
        raise InvalidArgument(f"The model refers to itself, which the safe format cannot keep. {remedies}") from None
    except (TypeError, ValueError, AttributeError, NotImplementedError) as fault:
        if type(fault).__name__ == "UnsupportedTypeException":
            raise InvalidArgument(f"The model holds what the safe format cannot keep: {fault}. {remedies}") from None
        raise InvalidArgument(f"The safe format cannot keep this model: {fault}. {remedies}") from None
    strange = sorted(set(found) - set(own) - set(trusted))
    if unnamed := [name for name in strange if not _IMPORTABLE.fullmatch(name)]:
        raise InvalidArgument(
            f"The model holds functions that cannot be imported, which the safe format cannot keep: "
            f"{', '.join(unnamed)}. {remedies}"
        )
    if strange:
        raise InvalidArgument(
            f"The model holds types that are not known to be safe: {', '.join(strange)}. If they are yours, name them: "
            f"trusted={strange!r}, and bring their code with code_paths; who loads the model names them again. Or save "
            "it as a pickle with serialization_format='cloudpickle', which is loaded only where that is allowed."
        )
    return sorted(found)


_IMPORTABLE = re.compile(r"(?!__main__\b)\w+(\.\w+)*")


def load(file: Path, own: Iterable[str], trust: Trust) -> Any:
    """Read a skops file whose types are all known to be safe, or vouched for by the caller.

    Who allows pickles allows any type and any content: a pickle could do no less.

    Raises:
        PermissionDenied: it holds other types.
        DataCorrupted: it does not decode, or does not hold together.
        InvalidArgument: it needs a module that is not installed.
    """
    try:
        skops_io, found, strange = skops_light.reader(file, {*own, *trust.types})
        if not strange or trust.pickle:
            model = skops_io.load(file, trusted=found)
            if not trust.pickle:
                sklearn_checks.check_loaded(model, file.name)
            return model
    except ModelyardError:
        raise
    except ModuleNotFoundError as missing:
        raise InvalidArgument(
            f"The model needs the module {missing.name!r}, which is not installed here and not in the model's code."
        ) from None
    except Exception as fault:  # a file that somebody made up can make anything fail
        if type(fault).__name__ == "UntrustedTypesFoundException":  # within the types that we let pass
            raise PermissionDenied(f"The model holds types that are not known to be safe: {fault}") from None
        raise DataCorrupted(f"'{file.name}' does not load: {type(fault).__name__}: {fault}") from fault
    raise PermissionDenied(
        f"The model holds types that are not known to be safe: {', '.join(strange)}. Loading them can run code of "
        f"theirs. If you trust them, load it with trusted={strange!r}."
    )
