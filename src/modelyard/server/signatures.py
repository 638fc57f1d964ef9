"""What versions take, read from the `MLmodel` file and the input example among their artifacts."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelyard.domain.errors import ModelyardError
from modelyard.optional import MissingExtraError
from modelyard.packaging.manifest import FILE
from modelyard.services.specs import Columns

from .packages import TIMEOUT_S, manifest, small_file

if TYPE_CHECKING:
    from modelyard.artifacts.places import Places
    from modelyard.domain.versions import ModelVersion
    from modelyard.packaging.signature import ModelSignature

log = logging.getLogger("modelyard.api")


async def columns_of(places: Places, versions: Iterable[ModelVersion]) -> Mapping[tuple[str, int], Columns]:
    """The input columns of versions, by model and number; never raises: what cannot be read is said."""
    wanted = list(versions)
    found = await asyncio.gather(*(_columns(places, each) for each in wanted))
    return {(each.model, each.number): columns for each, columns in zip(wanted, found, strict=True)}


async def _columns(places: Places, version: ModelVersion) -> Columns:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            found = await manifest(places, version.location)
    except TimeoutError:
        return Columns(None, f"{FILE} did not come within {TIMEOUT_S:g} seconds")
    except (ModelyardError, MissingExtraError, OSError) as error:
        return Columns(None, f"{FILE} could not be read: {str(error).rstrip('.')}")
    if found.signature is None or found.signature.inputs is None:
        return Columns(None, "it was saved without a signature")
    names = found.signature.inputs.input_names()
    if not all(isinstance(each, str) for each in names):
        return Columns(None, "its signature names no columns")
    return Columns(frozenset(map(str, names)))


@dataclass(frozen=True, slots=True)
class Asked:
    """What a version is asked.

    Attributes:
        signature: None: nobody knows.
        example: the first row of its input example as the body of a request; None: there is none.
        told: why something of that is not known; empty: all is.
    """

    signature: ModelSignature | None = None
    example: Any = None
    told: str = ""


async def asked_of(places: Places, location: str) -> Asked:
    """What a version is asked; never raises: what cannot be read is said.

    Args:
        places: the way from URIs to stores.
        location: URI of its files.
    """
    try:
        async with asyncio.timeout(TIMEOUT_S):
            found = await manifest(places, location)
            example = await _example(places, location, found.saved_input_example_info)
    except TimeoutError:
        return Asked(told=f"The version's files did not come within {TIMEOUT_S:g} seconds.")
    except (ModelyardError, MissingExtraError, OSError) as error:
        return Asked(told=f"The version's files could not be read: {error}")
    if found.signature is None or found.signature.inputs is None:
        return Asked(found.signature, example, "The version was saved without a signature.")
    return Asked(found.signature, example)


async def _example(places: Places, location: str, info: Mapping[str, Any] | None) -> Any:
    """An input example as JSON; None if there is none that can be read."""
    if not info or not info.get("artifact_path"):
        return None
    try:
        content = json.loads(await small_file(places, location, str(info["artifact_path"])))
        if info.get("params"):
            content = content["inputs"]
        if str(info.get("type")) == "dataframe":
            rows = content["data"]
            return dict(zip(map(str, content["columns"]), rows[0], strict=True)) if "columns" in content else rows
    except (ModelyardError, ValueError, LookupError, TypeError) as error:
        log.debug("the input example of %s: %s", location, error)
        return None
    return content
