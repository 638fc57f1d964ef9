"""What columns versions take, read from the `MLmodel` file among their artifacts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

import yaml

from modelyard.domain.errors import DataCorrupted, ModelyardError
from modelyard.optional import MissingExtraError
from modelyard.packaging.manifest import FILE, Model
from modelyard.services.specs import Columns

if TYPE_CHECKING:
    from modelyard.artifacts.places import Places
    from modelyard.domain.versions import ModelVersion

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


async def _manifest(places: Places, uri: str) -> Model:
    place = places.locate(uri).below(FILE)
    download = await place.store.open(place.path)
    content = bytearray()
    try:
        async for chunk in download.chunks:
            content += chunk
            if len(content) > MOST_BYTES:
                raise DataCorrupted(f"it is larger than {MOST_BYTES} bytes")
    finally:
        await download.chunks.aclose()
    try:
        return Model.from_dict(yaml.safe_load(bytes(content)))
    except (yaml.YAMLError, UnicodeDecodeError, TypeError, ValueError, KeyError) as error:
        log.debug("%s of %s: %s", FILE, uri, error)
        raise DataCorrupted("it does not decode") from None
