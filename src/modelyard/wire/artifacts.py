"""Listings of artifacts as messages."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from .message import Answer, Request


class FolderQuery(Request):
    """Which folder."""

    path: Annotated[str, Meta(max_length=4096, description="Below the root; empty: the root itself.")] = ""


class FileQuery(Request):
    """How a file is answered."""

    preview: Annotated[
        bool,
        Meta(
            description="To be shown in a frame instead of saved: HTML, text and images alone; nothing in it is run, "
            "and it loads nothing."
        ),
    ] = False


class Artifact(Answer):
    """A file or a folder."""

    path: Annotated[str, Meta(description="Below the root.")]
    is_dir: bool
    size: Annotated[int | None, Meta(description="In bytes; null for a folder.")]


class ArtifactList(Answer):
    """What one folder holds, by name; nothing if there is no such folder."""

    uri: Annotated[str, Meta(description="URI of the root.")]
    path: str
    artifacts: list[Artifact]


class Stored(Answer):
    """A file that was uploaded."""

    path: str
    size: int
    sha256: Annotated[str, Meta(description="64 hex digits.")]
