"""What versions take, read from the `MLmodel` file and the input example among their artifacts."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import yaml

from modelyard.domain.errors import DataCorrupted, ModelyardError
from modelyard.optional import MissingExtraError
from modelyard.packaging.manifest import FILE, Model
from modelyard.services.specs import Columns

if TYPE_CHECKING:
    from modelyard.artifacts.places import Places
    from modelyard.domain.versions import ModelVersion
    from modelyard.packaging.signature import ModelSignature

log = logging.getLogger("modelyard.api")

MOST_BYTES: Final = 10 * 2**20
TIMEOUT_S: Final = 10.0


async def columns_of(places: Places, versions: Iterable[ModelVersion]) -> Mapping[tuple[str, int], Columns]:
    """The input columns of versions, by model and number; never raises: what cannot be read is said."""
    wanted = list(versions)
    found = await asyncio.gather(*(_columns(places, each) for each in wanted))
    return {(each.model, each.number): columns for each, columns in zip(wanted, found, strict=True)}


async def _columns(places: Places, version: ModelVersion) -> Columns:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            manifest = await _manifest(places, version.location)
    except TimeoutError:
        return Columns(None, f"{FILE} did not come within {TIMEOUT_S:g} seconds")
    except (ModelyardError, MissingExtraError, OSError) as error:
        return Columns(None, f"{FILE} could not be read: {str(error).rstrip('.')}")
    if manifest.signature is None or manifest.signature.inputs is None:
        return Columns(None, "it was saved without a signature")
    names = manifest.signature.inputs.input_names()
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
            manifest = await _manifest(places, location)
            example = await _example(places, location, manifest.saved_input_example_info)
    except TimeoutError:
        return Asked(told=f"The version's files did not come within {TIMEOUT_S:g} seconds.")
    except (ModelyardError, MissingExtraError, OSError) as error:
        return Asked(told=f"The version's files could not be read: {error}")
    if manifest.signature is None or manifest.signature.inputs is None:
        return Asked(manifest.signature, example, "The version was saved without a signature.")
    return Asked(manifest.signature, example)


async def _example(places: Places, location: str, info: Mapping[str, Any] | None) -> Any:
    """An input example as JSON; None if there is none that can be read."""
    if not info or not info.get("artifact_path"):
        return None
    try:
        content = json.loads(await _file(places, location, str(info["artifact_path"])))
        if info.get("params"):
            content = content["inputs"]
        if str(info.get("type")) == "dataframe":
            rows = content["data"]
            return dict(zip(map(str, content["columns"]), rows[0], strict=True)) if "columns" in content else rows
    except (ModelyardError, ValueError, LookupError, TypeError) as error:
        log.debug("the input example of %s: %s", location, error)
        return None
    return content


async def _manifest(places: Places, uri: str) -> Model:
    try:
        return Model.from_dict(yaml.safe_load(await _file(places, uri, FILE)))
    except (yaml.YAMLError, UnicodeDecodeError, TypeError, ValueError, KeyError) as error:
        log.debug("%s of %s: %s", FILE, uri, error)
        raise DataCorrupted("it does not decode") from None


async def _file(places: Places, uri: str, name: str) -> bytes:
    """A small file of a version."""
    place = places.locate(uri).below(name)
    download = await place.store.open(place.path)
    content = bytearray()
    try:
        async for chunk in download.chunks:
            content += chunk
            if len(content) > MOST_BYTES:
                raise DataCorrupted(f"it is larger than {MOST_BYTES} bytes")
    finally:
        await download.chunks.aclose()
    return bytes(content)
