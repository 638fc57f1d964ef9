"""The Open Inference Protocol, version 2, over HTTP: JSON, and Triton's extension for binary tensors.

Sources: KServe's `open-inference-protocol` (specification/protocol/inference_rest.md), Triton's
docs/protocol/extension_binary_data.md, and MLServer's codecs for what columns look like as tensors.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from modelyard.domain.errors import InvalidArgument, ModelyardError
from modelyard.packaging.enforcement import enforce_params
from modelyard.packaging.manifest import Model
from modelyard.serving.calls import JSON, OPEN_INFERENCE, Answered, Asked, Call
from modelyard.serving.outputs import Columns, encode
from modelyard.serving.protocols import open_inference_metadata as metadata
from modelyard.serving.protocols import open_inference_tensors as tensors
from modelyard.serving.protocols.content_types import media_type
from modelyard.serving.protocols.open_inference_answers import Told, told
from modelyard.serving.protocols.open_inference_fit import Fit
from modelyard.serving.protocols.open_inference_quick import quick
from modelyard.serving.protocols.open_inference_tensors import Given, Input
from modelyard.serving.refusals import ModelFailed, WrongContentType, refuse

BINARY: Final = b"application/octet-stream"

_PROTOCOL: Final = {
    "content_type", "headers", "binary_data_output", "priority", "timeout", "sequence_id", "sequence_start",
    "sequence_end",
}  # fmt: skip
"""Parameters of a request that are the protocol's, Triton's or MLServer's own, and none of the model's."""

_DECODE: Final = msgspec.json.Decoder(tensors.Request).decode


@dataclass(frozen=True, slots=True)
class _Echo:
    """What the answer has to repeat or obey.

    Attributes:
        id: of the request.
        wanted: output's name → whether as bytes; None for all.
        binary: whether outputs are sent as bytes where nothing else is said.
    """

    id: str | None
    wanted: Mapping[str, bool | None] | None
    binary: bool


_PLAIN: Final = _Echo(None, None, binary=False)


class OpenInference:
    """Requests and answers of one model.

    Args:
        manifest: of the model.
        name: under which it is served.
        version: that answers; "" for none.
        lenient: pass over inputs that the signature does not know, instead of refusing.
    """

    def __init__(self, manifest: Model, *, name: str, version: str = "", lenient: bool = False) -> None:
        signature = manifest.signature
        self._schema = signature.inputs if signature else None
        self._params = signature.params if signature else None
        self._outputs = metadata.described(signature.outputs if signature else None, "output-")
        self._column_outputs = bool(signature and signature.outputs and not signature.outputs.is_tensor_spec())
        self._fit = Fit(self._schema, lenient=lenient)
        self._head: dict[str, Any] = {"model_name": name} | ({"model_version": version} if version else {})
        self._quick = quick(self._schema)

    # ---------------------------------------------------------------- reading

    def read(self, asked: Asked) -> Call:
        """The call that a body asks for.

        Raises:
            InvalidArgument: it does not decode, or does not fit the signature; everything that is wrong is named.
            WrongContentType: it is neither JSON nor bytes.
        """
        if asked.content_type != JSON:
            _readable(asked.content_type)
        if asked.json_bytes >= 0:
            return self._read_binary(memoryview(asked.body), asked.json_bytes)
        try:
            request = _DECODE(asked.body)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as fault:
            request = _loose(asked.body, fault)
        if (call := self._quickly(request, None)) is not None:
            return call
        return self._call(request, [lambda each=each: tensors.given(each) for each in request.inputs])  # type: ignore[misc]

    def _quickly(self, request: tensors.Request, blobs: memoryview | None) -> Call | None:
        found = self._quick(request.inputs, blobs) if self._quick is not None else None
        if found is None:
            return None
        if request.parameters is None and request.outputs is None and self._params is None:
            return Call(*found, None, _PLAIN if request.id is None else _Echo(request.id, None, binary=False))
        return self._finish(request, *found, [])

    def _read_binary(self, body: memoryview, json_bytes: int) -> Call:
        if json_bytes > len(body):
            raise InvalidArgument(
                f"Inference-Header-Content-Length is {json_bytes}, but the body has {len(body)} bytes."
            )
        if json_bytes == 0:
            return self._fit_raw(body)
        try:
            request = _DECODE(body[:json_bytes])
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as fault:
            request = _loose(body[:json_bytes], fault)
        if (call := self._quickly(request, body[json_bytes:])) is not None:
            return call
        at = json_bytes
        reads: list[Callable[[], Given]] = []
        for sent in request.inputs:
            count = sent.parameters.get("binary_data_size") if sent.parameters else None
            if count is None:
                reads.append(lambda sent=sent: tensors.given(sent))  # type: ignore[misc]
                continue
            if not isinstance(count, int) or isinstance(count, bool) or count < 0 or at + count > len(body):
                raise InvalidArgument(
                    f"Input {sent.name!r}: binary_data_size is {count!r}, but {len(body) - at} bytes of it are left."
                )
            data = body[at : at + count]
            reads.append(lambda sent=sent, data=data: tensors.given_binary(sent, data))  # type: ignore[misc]
            at += count
        if at < len(body):
            raise InvalidArgument(f"{len(body) - at} bytes at the end of the body belong to no input.")
        return self._call(request, reads)

    def _fit_raw(self, body: memoryview) -> Call:
        """Triton's raw request: nothing but the bytes of the model's only input; its outputs are sent as bytes."""
        data, rows = self._fit.raw(body)
        return Call(data, rows, enforce_params(None, self._params), _Echo(None, None, binary=True))

    def _call(self, request: tensors.Request, reads: Sequence[Callable[[], Given]]) -> Call:
        found: list[Given] = []
        faults: list[str] = []
        for sent, read in zip(request.inputs, reads, strict=True):
            try:
                _offered(sent)
                found.append(read())
            except InvalidArgument as fault:
                faults.append(f"{sent.name!r}: {fault.message}")
        content = str((request.parameters or {}).get("content_type") or "")
        data, rows = self._fit.data(found, content, faults, [each.name for each in request.inputs])
        return self._finish(request, data, rows, faults)

    def _finish(self, request: tensors.Request, data: Any, rows: int, faults: list[str]) -> Call:
        parameters = request.parameters or {}
        own = {each.name for each in self._params or ()}
        params = {name: value for name, value in parameters.items() if name in own or name not in _PROTOCOL}
        checked = None
        wanted = None
        try:
            checked = enforce_params(params, self._params)
        except InvalidArgument as fault:
            faults.append(fault.message.rstrip("."))
        if request.outputs:
            wanted, unknown = self._wanted(request.outputs)
            if unknown:
                known = ", ".join(repr(each.name) for each in self._outputs)
                faults.append(f"unknown outputs: {', '.join(map(repr, unknown))} (there are {known})")
        if faults:
            raise InvalidArgument(f"The request does not fit the model's signature. {'; '.join(faults)}.")
        return Call(data, rows, checked, _Echo(request.id, wanted, parameters.get("binary_data_output") is True))

    def _wanted(self, outputs: Sequence[tensors.Output]) -> tuple[dict[str, bool | None], list[str]]:
        wanted: dict[str, bool | None] = {}
        for each in outputs:
            parameters = each.parameters or {}
            for extension in ("classification", "shared_memory_region"):
                if extension in parameters:
                    raise InvalidArgument(f"Output {each.name!r} asks for {extension}, which is not offered here.")
            binary = parameters.get("binary_data")
            wanted[each.name] = binary if isinstance(binary, bool) else None
        known = {each.name for each in self._outputs}
        return wanted, [name for name in wanted if known and name not in known]

    # ---------------------------------------------------------------- writing

    def write(self, call: Call, output: Any) -> Answered:
        """The answer: one tensor for each column, array of a dictionary, or the one array that the model gave.

        Raises:
            ModelFailed: it holds something that tensors cannot.
        """
        echo: _Echo = call.echo or _PLAIN
        try:
            parts = self._told(output)
        except (InvalidArgument, ValueError, TypeError) as fault:
            raise ModelFailed(f"The model's answer cannot be sent as tensors: {fault}") from None
        rows = call.rows if call.rows >= 0 else parts[0].shape[0] if parts else 0
        if echo.wanted is not None:
            there = {each.name: each for each in parts}
            missing = [name for name in echo.wanted if name not in there]
            if missing:
                names = ", ".join(map(repr, missing))
                return self.refuse(
                    InvalidArgument(f"Unknown outputs: {names}; the model gives {', '.join(there)}."), 400
                )
            parts = [there[name] for name in echo.wanted]
        head = self._head if echo.id is None else {**self._head, "id": echo.id}
        if echo is _PLAIN or (not echo.binary and not any((echo.wanted or {}).values())):
            return Answered(200, encode({**head, "outputs": [each.to_json() for each in parts]}), rows=rows)
        entries, blobs = [], []
        for each in parts:
            asked = echo.wanted[each.name] if echo.wanted is not None else None
            if echo.binary if asked is None else asked:
                entry, data = each.to_binary()
                blobs.append(data)
            else:
                entry = each.to_json()
            entries.append(entry)
        text = encode({**head, "outputs": entries})
        if not blobs:
            return Answered(200, text, rows=rows)
        return Answered(200, b"".join((text, *blobs)), BINARY, len(text), rows)

    def _told(self, output: Any) -> list[Told]:
        column = self._column_outputs
        known = self._outputs
        if isinstance(output, Mapping):
            column = column or isinstance(output, Columns)
            names = [self._named(name, at) for at, name in enumerate(output)]
            if len(names) == len(known) == 1 and isinstance(output, Columns) and not output.named:
                names = [known[0].name]
            return [told(name, value, column=column) for name, value in zip(names, output.values(), strict=True)]
        if hasattr(output, "columns") and hasattr(output, "to_numpy"):  # a DataFrame
            names = [self._named(name, at) for at, name in enumerate(output.columns)]
            return [told(name, output.iloc[:, at], column=True) for at, name in enumerate(names)]
        if isinstance(output, list) and output and all(isinstance(each, Mapping) for each in output):
            names = list(dict.fromkeys(str(name) for each in output for name in each))
            return [told(name, [each.get(name) for each in output], column=column) for name in names]
        if len(known) > 1 and isinstance(output, tuple) and len(output) == len(known):
            return [told(each.name, value, column=column) for each, value in zip(known, output, strict=True)]
        if len(known) > 1 and getattr(output, "ndim", 0) == 2 and output.shape[1] == len(known):
            return [told(each.name, output[:, at], column=column) for at, each in enumerate(known)]
        name = known[0].name if len(known) == 1 else "output-0"
        return [told(name, output, column=column)]

    def _named(self, name: Any, at: int) -> str:
        return name if isinstance(name, str) else f"output-{at}" if name == at else str(name)

    def refuse(self, error: ModelyardError, status: int) -> Answered:
        """An error in the protocol's words."""
        return refuse(OPEN_INFERENCE, status, error.message, error.places)


def _readable(header: bytes) -> None:
    named = media_type(header)
    if named not in ("application/json", "application/octet-stream") and not named.endswith("+json"):
        raise WrongContentType(f"The body has to be application/json or application/octet-stream, not {named[:100]}.")


def _offered(sent: Input) -> None:
    if sent.parameters and "shared_memory_region" in sent.parameters:
        raise InvalidArgument(f"Input {sent.name!r} lies in shared memory, an extension that is not offered here.")


def _loose(body: bytes | memoryview, fault: Exception) -> tensors.Request:
    """The request of a body that holds NaN or Infinity, which Python's json writes and JSON does not know.

    Raises:
        InvalidArgument: that is not what is wrong with it.
    """
    text = bytes(body)
    if b"NaN" not in text and b"Infinity" not in text:
        raise InvalidArgument(f"The body is not an inference request: {fault}.") from None
    try:
        content = json.loads(text.decode())
        msgspec.json.encode(content)  # halves of surrogate pairs do not come back from here
        return msgspec.convert(content, tensors.LooseRequest)
    except (ValueError, RecursionError, msgspec.MsgspecError) as found:
        raise InvalidArgument(f"The body is not an inference request: {found}.") from None
