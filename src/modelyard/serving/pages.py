"""Everything that is looked at rather than predicted: health, readiness, what is served, descriptions, metrics."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import msgspec

from modelyard import __version__

from .calls import JSON, NATURAL, OPEN_INFERENCE
from .protocols import open_inference_metadata as metadata
from .refusals import refuse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from .catalog import Catalog, Model
    from .description.facts import Facts
    from .exposition import Exposition

    Find = Callable[[bytes], Awaitable["Page"]]

_TEXT: Final = b"text/plain; charset=utf-8"
METRICS: Final = b"text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Page:
    """An answer."""

    status: int
    body: bytes
    content_type: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()


def _json(content: Any, status: int = 200) -> Page:
    return Page(status, msgspec.json.encode(content))


def _html(body: bytes) -> Page:
    from .description import page

    headers = (
        (b"content-security-policy", page.policy()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
    )
    return Page(200, body, page.CONTENT_TYPE, headers)


class Pages:
    """All of them.

    Args:
        catalog: of the models.
        strangers: see `exposition.Exposition`.
    """

    def __init__(self, catalog: Catalog, strangers: Mapping[tuple[int, int], int]) -> None:
        self._catalog = catalog
        self._strangers = strangers
        self._exposition: Exposition | None = None
        self._document = -1, Page(503, b"")
        self._plain: dict[tuple[str, str], Callable[[bytes], Page]] = {
            ("GET", "/health"): lambda _: Page(200, b"\n", _TEXT),
            ("GET", "/ping"): lambda _: Page(200, b"\n", _TEXT) if catalog.ready else self._readiness(),
            ("GET", "/version"): lambda _: Page(200, __version__.encode(), _TEXT),
            ("GET", "/ready"): lambda _: self._readiness(),
            ("GET", "/models"): lambda _: _json({"models": [facts(each) for each in self._models()]}),
            ("GET", "/v2"): lambda _: Page(200, metadata.server()),
            ("GET", "/v2/health/live"): lambda _: _json({"live": True}),
            ("GET", "/v2/health/ready"): lambda _: _json({"ready": catalog.ready}, 200 if catalog.ready else 503),
            ("POST", "/v2/repository/index"): self._index,
            ("GET", "/docs"): lambda _: self._docs(),
            ("GET", "/openapi.json"): lambda _: self._openapi(),
            ("GET", "/metrics"): lambda _: self._metrics(),
        }
        self._named: list[tuple[re.Pattern[str], Callable[[Model, str], Page], int]] = [
            (re.compile(r"/models/([^/]+)"), lambda model, _: _json(facts(model)), NATURAL),
            (re.compile(r"/models/([^/]+)/openapi\.json"), lambda model, _: self._openapi_of(model), NATURAL),
            (re.compile(r"/docs/([^/]+)"), lambda model, _: self._docs_of(model), NATURAL),
            (re.compile(r"/v2/models/([^/]+)(?:/versions/([^/]+))?"), self._metadata, OPEN_INFERENCE),
            (re.compile(r"/v2/models/([^/]+)(?:/versions/([^/]+))?/ready"), self._model_ready, OPEN_INFERENCE),
        ]

    def find(self, method: str, path: str) -> Find | None:
        """What answers a path as sent, still percent-encoded; None if nothing does."""
        if len(path) > 1 and path.endswith("/"):
            return self._elsewhere(path.rstrip("/")) if method == "GET" else None
        plain = self._plain.get((method, path))
        if plain is not None:

            async def answer(body: bytes) -> Page:
                return plain(body)

            return answer
        if method == "GET":
            for pattern, page, protocol in self._named:
                found = pattern.fullmatch(path)
                if found:
                    version = found[2] if pattern.groups > 1 else ""
                    return self._of_model(unquote(found[1]), unquote(version or ""), page, protocol)
        return None

    def methods(self, path: str) -> bytes:
        """What may be asked there, as the header `Allow` says it; empty if nothing may."""
        if path == "*":  # the server itself
            return b"GET, HEAD, POST, OPTIONS"
        if self.find("GET", path) is not None:
            return b"GET, HEAD, OPTIONS"
        return b"POST, OPTIONS" if self.find("POST", path) is not None else b""

    def _elsewhere(self, path: str) -> Find | None:
        """A path with a slash too many; links on pages are relative."""
        if self.find("GET", path) is None:
            return None

        async def answer(_: bytes) -> Page:
            return Page(308, b"", _TEXT, ((b"location", b"../" + path.rpartition("/")[2].encode()),))

        return answer

    def _of_model(self, name: str, version: str, page: Callable[[Model, str], Page], protocol: int) -> Find:
        async def answer(_: bytes) -> Page:
            model = self._catalog.models.get(name)
            if model is None:
                refusal = refuse(protocol, 404, f"No model {name!r} is served here. See /models.")
                return Page(404, refusal.body, refusal.content_type)
            current = model.current
            if version and (current is None or version != current.found.version):
                refusal = refuse(protocol, 404, f"{name} is not served in version {version}.")
                return Page(404, refusal.body, refusal.content_type)
            return page(model, version)

        return answer

    def _models(self) -> list[Model]:
        return [self._catalog.models[name] for name in sorted(self._catalog.models)]

    def _readiness(self) -> Page:
        """Ready or not, and what is missing."""
        catalog = self._catalog
        missing = catalog.missing
        content: dict[str, Any] = {
            "ready": catalog.ready,
            "models": len(catalog.models),
            "models_ready": len(catalog.models) - len(missing),
            "missing": [
                {"name": name, "state": catalog.models[name].state, "reason": why} for name, why in missing.items()
            ],
        }
        if catalog.away:
            content["registry"] = catalog.away
        retry = () if catalog.ready else ((b"retry-after", b"1"),)
        return Page(200 if catalog.ready else 503, msgspec.json.encode(content), JSON, retry)

    def _index(self, body: bytes) -> Page:
        try:
            asked = msgspec.json.decode(body) if body.strip() else {}
        except msgspec.DecodeError:
            asked = None
        if not isinstance(asked, dict):
            refusal = refuse(OPEN_INFERENCE, 400, 'The body is empty, or an object such as {"ready": true}.')
            return Page(400, refusal.body, refusal.content_type)
        told = [
            (each.name, each.current.found.version if each.current else "", each.ready, each.reason)
            for each in self._models()
        ]
        return Page(200, metadata.index(told, ready_only=bool(asked.get("ready"))))

    # ------------------------------------------------------------ descriptions

    def _described(self, model: Model) -> Facts:
        """A model as its description needs it."""
        from .description.facts import Facts

        current = model.current
        short = self._catalog.find("") is model
        if current is None:
            return Facts(model.name, short=short, ready=False, reason=self._catalog.missing.get(model.name, ""))
        found = current.found
        return Facts(
            model.name,
            found.version,
            found.digest or "",
            current.manifest,
            current.path,
            short=short,
            ready=model.ready,
            reason=model.reason,
        )

    def _docs(self) -> Page:
        from .description import page

        model = self._catalog.find("") if len(self._catalog.models) == 1 else None
        if model is not None:
            return _html(page.page(self._described(model)))
        return _html(page.pages([self._described(each) for each in self._models()]))

    def _docs_of(self, model: Model) -> Page:
        from .description import page

        return _html(page.page(self._described(model), nested=True))

    def _openapi(self) -> Page:
        from .description import openapi

        generation, page = self._document
        if generation != self._catalog.generation:  # of 250 models it takes a quarter of a second
            described = [self._described(each) for each in self._models()]
            content = openapi.document(described[0]) if len(described) == 1 else openapi.documents(described)
            page = Page(200, content)
            self._document = self._catalog.generation, page
        return page

    def _openapi_of(self, model: Model) -> Page:
        from .description import openapi

        return Page(200, openapi.document(self._described(model)))

    def example(self, model: Model) -> bytes | None:
        """A question that the model understands, as natural JSON; None if nothing is known of it."""
        from .description import examples

        if model.current is None:
            return None
        found = examples.of_model(model.current.manifest, model.current.path)
        return msgspec.json.encode(examples.question(found)) if found.rows else None

    def _metrics(self) -> Page:
        if self._exposition is None:
            from .exposition import Exposition

            self._exposition = Exposition(self._catalog, self._strangers)
        return Page(200, self._exposition.text(), METRICS)

    # ------------------------------------------------------------ Open Inference

    def _metadata(self, model: Model, _: str) -> Page:
        if model.current is None:
            refusal = refuse(OPEN_INFERENCE, 503, f"{model.name} is not ready: {model.reason}")
            return Page(503, refusal.body, refusal.content_type)
        current = model.current
        versions = [current.found.version] if current.found.version else []
        return Page(200, metadata.model(model.name, versions, current.manifest))

    def _model_ready(self, model: Model, _: str) -> Page:
        return Page(200 if model.ready else 503, metadata.model_ready(model.name, ready=model.ready))


def facts(model: Model) -> dict[str, Any]:
    """What is said of a model."""
    current = model.current
    content: dict[str, Any] = {"name": model.name, "state": model.state, "ready": model.ready, "reason": model.reason}
    if model.preparing is not None:
        content["preparing"] = {"uri": model.preparing.uri, "version": model.preparing.version}
    if current is not None:
        found, told = current.found, current.told
        content |= {
            "version": found.version,
            "uri": found.uri,
            "source": found.source,
            "digest": found.digest,
            "run_id": found.run_id,
            "model_id": found.model_id,
            "workers": len(current.workers),
            "waiting": current.queue.depth,
            "in_flight": current.queue.in_flight,
        }
        if told is not None:
            content |= {
                "batching": {
                    "rows": told.rows,
                    "least": told.least,
                    "reason": told.reason,
                    "milliseconds": {str(rows): round(seconds * 1000, 4) for rows, seconds in told.curve},
                },
                "tuned": told.tuned,
                "warnings": told.warnings,
                "load_seconds": round(told.seconds, 3),
                "bytes": told.size,
            }
    if model.golden:
        content["golden"] = [
            {
                "name": each.name,
                "passed": not each.differences and not each.error,
                "differences": each.differences,
                "error": each.error,
            }
            for each in model.golden
        ]
    return content
