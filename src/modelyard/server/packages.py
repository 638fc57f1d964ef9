"""What versions' directories say about themselves, read from the few small files among their artifacts that do."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import yaml

from modelyard.domain.errors import DataCorrupted, ModelyardError, NotFound
from modelyard.optional import MissingExtraError
from modelyard.packaging import golden, profile
from modelyard.packaging.manifest import FILE, Model

if TYPE_CHECKING:
    from modelyard.artifacts.places import Places

log = logging.getLogger("modelyard.api")

MOST_BYTES: Final = 10 * 2**20
TIMEOUT_S: Final = 10.0
EXAMPLE: Final = "serving_input_example.json"
REQUIREMENTS: Final = "requirements.txt"


@dataclass(slots=True)
class Content:
    """What is in a directory.

    Attributes:
        manifest: its MLmodel file.
        golden, profile, example: what its files of these hold, undoubted JSON; None: there is none.
        requirements: lines; None: there are none.
        notes: what could not be read, and why.
    """

    manifest: Model | None = None
    golden: Any = None
    profile: Any = None
    example: Any = None
    requirements: list[str] | None = None
    notes: list[str] = field(default_factory=list)


async def manifest(places: Places, uri: str) -> Model:
    """The MLmodel file of a directory.

    Raises:
        NotFound: there is none.
        DataCorrupted: it does not decode.
    """
    content = await small_file(places, uri, FILE)
    try:
        return Model.from_dict(yaml.safe_load(content))
    except (yaml.YAMLError, UnicodeDecodeError, TypeError, ValueError, KeyError) as error:
        log.debug("%s of %s: %s", FILE, uri, error)
        raise DataCorrupted("it does not decode") from None


async def content(places: Places, uri: str) -> Content:
    """What a directory says about itself; never raises: what cannot be read is said."""
    found = Content()
    names = (FILE, golden.FILE, profile.FILE, EXAMPLE, REQUIREMENTS)
    read = await asyncio.gather(*(_read(places, uri, name, found.notes) for name in names))
    found.manifest, found.golden, found.profile, found.example, found.requirements = read
    if found.manifest is None and not found.notes:
        found.notes.append(f"There is no {FILE}: these files are no model that can be described.")
    return found


async def _read(places: Places, uri: str, name: str, notes: list[str]) -> Any:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            if name == FILE:
                return await manifest(places, uri)
            text = (await small_file(places, uri, name)).decode()
            return text.splitlines() if name == REQUIREMENTS else json.loads(text)
    except NotFound:
        return None
    except TimeoutError:
        notes.append(f"{name} did not come within {TIMEOUT_S:g} seconds.")
    except ValueError:
        notes.append(f"{name} does not decode.")
    except (ModelyardError, MissingExtraError, OSError) as error:
        notes.append(f"{name} could not be read: {str(error).rstrip('.')}.")
    return None


async def small_file(places: Places, uri: str, name: str) -> bytes:
    """A small file of a directory.

    Raises:
        NotFound: there is none.
        DataCorrupted: it is not small.
    """
    place = places.locate(uri).below(name)
    download = await place.store.open(place.path)
    found = bytearray()
    try:
        async for chunk in download.chunks:
            found += chunk
            if len(found) > MOST_BYTES:
                raise DataCorrupted(f"it is larger than {MOST_BYTES} bytes")
    finally:
        await download.chunks.aclose()
    return bytes(found)
