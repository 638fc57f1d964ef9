"""What a description is made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from modelyard.packaging.manifest import Model


@dataclass(frozen=True, slots=True)
class Facts:
    """One served model.

    Attributes:
        name: under which it is served.
        version: that answers; "" for none.
        digest: of the model's files, `sha256:...`; "" if it is not known.
        manifest: of the version; None while there is none.
        folder: of the version, where its examples lie.
        base_url: of the server, without a slash at the end: "" for wherever the page is, `/models-of-ours` or
            `https://host/prefix` behind a proxy.
        short: whether `/predict` and `/invocations` are this model's.
        ready: whether it answers.
        reason: why it does not.
    """

    name: str
    version: str = ""
    digest: str = ""
    manifest: Model | None = None
    folder: Path | None = None
    base_url: str = ""
    short: bool = False
    ready: bool = True
    reason: str = ""

    @property
    def prefix(self) -> str:
        """Of the model's own paths: `""` or `/models/{name}`."""
        return "" if self.short else self.models

    @property
    def models(self) -> str:
        """The path that tells about the model."""
        return f"/models/{self.quoted}"

    @property
    def open_inference(self) -> str:
        """The path of the Open Inference Protocol."""
        return f"/v2/models/{self.quoted}"

    @property
    def quoted(self) -> str:
        """The name in a path."""
        return quote(self.name, safe="")
