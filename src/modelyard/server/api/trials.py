"""Trying a deployment over the native API: pages may ask this server alone."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from modelyard.domain.errors import Unavailable
from modelyard.packaging.schema import TensorSpec
from modelyard.server.signatures import asked_of
from modelyard.services import specs, standing, trials
from modelyard.services.clock import now_ms
from modelyard.wire import trials as wire

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from modelyard.domain.deployments import Spec
    from modelyard.domain.versions import ModelVersion
    from modelyard.packaging.schema import Input
    from modelyard.server.call import Call

_AT_ONCE: Final = 8
_threads: Final = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="trial")
_asking: set[asyncio.Future[Any]] = set()


async def ask(call: Call, body: wire.Trial) -> wire.TrialAnswer:
    name = call.path["name"]
    places = await call.read(trials.places, name, body.protocol, now_ms())
    headers = await call.read(trials.admitted, name, body.headers)
    if len(_asking) >= _AT_ONCE:
        raise Unavailable("Too many are trying something at the same time; try again in a moment.")
    asked = asyncio.get_running_loop().run_in_executor(
        _threads, partial(trials.ask, places, body.body.encode(), headers)
    )
    _asking.add(asked)
    asked.add_done_callback(_asking.discard)
    answer = await asked
    told = answer.headers
    return wire.TrialAnswer(
        by=answer.place.by,
        url=answer.place.url,
        status=answer.status,
        prediction=told.get("modelyard-prediction", ""),
        model=told.get("modelyard-model", ""),
        version=told.get("modelyard-version", ""),
        revision=told.get("modelyard-revision", ""),
        role=told.get("modelyard-role", ""),
        latency_ms=answer.latency_ms,
        content_type=told.get("content-type", ""),
        body=answer.body.decode(errors="replace"),
        cut=answer.cut,
    )


async def form(call: Call) -> wire.TrialForm:
    stands = await call.read(standing.get, call.path["name"], elsewhere=call.state.settings.followed_registry)
    spec = stands.row.spec
    revision = stands.stable or stands.canary
    version, told = None, ""
    if revision is not None and not revision.target.model:
        told = "Somebody else's URL answers: nobody knows what it takes."
    elif call.state.settings.followed_registry:
        told = "The version is in another registry."
    elif revision is not None:
        version = await call.read(trials.version, revision.target)
        told = "" if version is not None else "The version that answers is not in the registry any more."
    else:
        found = await call.read(specs.candidates, spec)
        version, told = (found[0], "") if found else (None, "Nothing answers yet, and nothing is to.")
    return await _form(call, spec, version, told)


async def _form(call: Call, spec: Spec, version: ModelVersion | None, told: str) -> wire.TrialForm:
    fields: list[wire.FormField] = []
    params: list[wire.FormField] = []
    example: Any = None
    if version is not None:
        asked = await asked_of(call.state.artifacts, version.location)
        told, example = asked.told, asked.example
        row = _first(example)
        signature = asked.signature
        renamed = dict(spec.defaults.inputs)
        if isinstance(example, dict):
            example = {renamed.get(name, name): value for name, value in example.items()}
        if signature is not None and signature.inputs is not None:
            fields = _fields(signature.inputs, row, renamed)
        if signature is not None and signature.params is not None:
            params = [
                wire.FormField(
                    name=each.name,
                    type=each.to_dict()["type"],
                    required=False,
                    shape=None if each.shape is None else list(each.shape),
                    default=each.to_dict()["default"],
                )
                for each in signature.params
            ]
    return wire.TrialForm(
        model=version.model if version is not None else "",
        version=str(version.number) if version is not None else "",
        fields=fields,
        params=params,
        more=[each for each in trials.fields_of(spec) if each not in {field.name for field in fields}],
        headers=trials.headers_of(spec),
        example=example,
        told=told,
    )


def _first(example: Any) -> Mapping[str, Any]:
    row = example[0] if isinstance(example, list) and example else example
    return row if isinstance(row, dict) else {}


def _fields(inputs: Iterable[Input], row: Mapping[str, Any], renamed: Mapping[str, str]) -> list[wire.FormField]:
    found = []
    for each in inputs:
        name = each.name or ""
        tensor = isinstance(each, TensorSpec)
        found.append(
            wire.FormField(
                name=renamed.get(name, name),
                type=each.type if isinstance(each, TensorSpec) else each.to_dict()["type"],
                required=each.required,
                shape=list(each.shape) if isinstance(each, TensorSpec) else None,
                default=row.get(name) if not tensor or name else None,
            )
        )
    return found
