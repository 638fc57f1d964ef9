"""What versions' directories say about themselves, over the native API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from modelyard.packaging.schema import AnyType, Array, Map, Object, ParamSpec, TensorSpec
from modelyard.server import packages
from modelyard.wire import packages as wire

from .versions import resolve

if TYPE_CHECKING:
    from modelyard.packaging.schema import Input
    from modelyard.packaging.signature import ModelSignature
    from modelyard.server.call import Call

MOST_CASES: Final = 50


async def get(call: Call) -> wire.Package:
    version = await call.read(resolve, call.path["name"], call.path["version"])
    found = await packages.content(call.state.artifacts, version.location)
    manifest = found.manifest
    flavors = manifest.flavors if manifest else {}
    baseline = found.profile if isinstance(found.profile, Mapping) else {}
    return wire.Package(
        flavors=list(flavors),
        signature=_signature(manifest.signature if manifest else None),
        golden=_golden(found.golden),
        example=found.example,
        features=baseline.get("inputs"),
        answers=baseline.get("outputs"),
        requirements=found.requirements,
        python=next((str(each["python_version"]) for each in flavors.values() if "python_version" in each), None),
        bytes=_whole(manifest.model_size_bytes) if manifest else None,
        saved=(manifest.utc_time_created or None) if manifest else None,
        metadata=manifest.metadata if manifest and isinstance(manifest.metadata, dict) else None,
        notes=found.notes,
    )


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _signature(of: ModelSignature | None) -> wire.Signature | None:
    if of is None:
        return None
    return wire.Signature(inputs=_columns(of.inputs), outputs=_columns(of.outputs), params=_columns(of.params))


def _columns(of: Iterable[Input | ParamSpec] | None) -> list[wire.SignatureColumn] | None:
    return None if of is None else [_column(each) for each in of]


def _column(of: Input | ParamSpec) -> wire.SignatureColumn:
    if isinstance(of, ParamSpec):
        shape = None if of.shape is None else list(of.shape)
        return wire.SignatureColumn(
            name=of.name, type=shown(of.dtype), shape=shape, required=False, default=_told(of.default)
        )
    shape = list(of.shape) if isinstance(of, TensorSpec) else None
    return wire.SignatureColumn(name=of.name, type=shown(of.type), shape=shape, required=of.required, default=None)


def _told(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | list | dict | None) else str(value)


def shown(kind: object) -> str:
    """A type of a signature for people: `double`, `list of long`, `{name: string, age?: long}`."""
    if isinstance(kind, Array):
        return f"list of {shown(kind.dtype)}"
    if isinstance(kind, Map):
        return f"map of {shown(kind.value_type)}"
    if isinstance(kind, AnyType):
        return "any"
    if isinstance(kind, Object):
        told = (f"{each.name}{'' if each.required else '?'}: {shown(each.dtype)}" for each in kind.properties)
        return f"{{{', '.join(told)}}}"
    return str(kind)


def _golden(of: Any) -> wire.GoldenTests | None:
    if not isinstance(of, Mapping) or not isinstance(of.get("cases"), list):
        return None
    limits: Any = of.get("tolerance")
    tolerance = limits if isinstance(limits, Mapping) else {}
    cases = [each for each in of["cases"] if isinstance(each, Mapping)]
    return wire.GoldenTests(
        relative=_number(tolerance.get("relative")),
        absolute=_number(tolerance.get("absolute")),
        whole=tolerance.get("whole") is True,
        cases=[
            wire.GoldenCase(
                name=str(each.get("name", "")),
                kind=str(each.get("kind", "")),
                inputs=each.get("inputs"),
                params=each.get("params"),
                expected=each.get("expected"),
            )
            for each in cases[:MOST_CASES]
        ],
        total=len(cases),
    )


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
