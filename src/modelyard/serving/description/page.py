"""The page of a model at `/docs`, and that of a server with several: whole in themselves, they load nothing.

What is in them works without JavaScript but for trying the model out.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from html import escape
from importlib import resources
from typing import Any, Final

from modelyard import __version__
from modelyard.packaging import example
from modelyard.packaging.schema import Array, ColSpec, DataType, Schema, TensorSpec
from modelyard.serving import refusals

from . import examples, schemas
from .examples import Examples
from .facts import Facts

CONTENT_TYPE: Final = b"text/html; charset=utf-8"
_MOST_FIELDS: Final = 60
"""A form with more is no help; such a model is asked in JSON."""


# Places in the calls that the script fills in; the characters are of no language, so no example holds them.
_ROOT, _QUOTED, _PYTHON = "\ue000", "\ue001", "\ue002"


@cache
def _text(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


@cache
def policy() -> bytes:
    """The page's Content-Security-Policy: its own style and script by their digests, and calls to its own server."""
    style, script = (
        b64encode(hashlib.sha256(_text(name).encode()).digest()).decode() for name in ("page.css", "page.js")
    )
    return (
        f"default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; connect-src 'self'; "
        "img-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ).encode()


def page(facts: Facts, *, nested: bool = False) -> bytes:
    """The page of one model.

    Args:
        facts: about it.
        nested: whether it lies at `/docs/{name}` rather than at `/docs`.
    """
    root = facts.base_url or (".." if nested else ".")
    if facts.manifest is None:
        return _whole(facts.name, _head(facts, root, nested=nested) + "</header>", {"root": root})
    shown = examples.of_model(facts.manifest, facts.folder)
    signature = facts.manifest.signature
    inputs, outputs = (signature.inputs, signature.outputs) if signature else (None, None)
    parts = [_head(facts, root, nested=nested), _links(facts, root, nested=nested), "</header><main>"]
    parts.append(_try(inputs, shown))
    parts.append(_calls(facts, inputs, shown))
    parts.append('<div class="two">')
    parts.append(_side("Input", inputs, shown.rows[0] if shown.rows else None, "Whatever the model takes."))
    parts.append(_side("Output", outputs, shown.answer, "Whatever the model answers."))
    parts.append("</div>")
    if signature is not None and signature.params:
        rows = [
            (
                each.name,
                schemas.words(Array(each.dtype) if each.shape else each.dtype),
                True,
                example.plain(each.default),
            )
            for each in signature.params
        ]
        parts.append(f"<section><h2>Params</h2>{_table(rows, last='Default')}</section>")
    parts.append(_errors())
    parts.append("</main>")
    title = f"{facts.name} {facts.version}".strip()
    return _whole(title, "".join(parts), {"root": root, **_form(facts, inputs, shown)})


def pages(served: Sequence[Facts], *, base_url: str = "") -> bytes:
    """The page of a server with several models: a list to search.

    Args:
        served: the models.
        base_url: of the server, as in `Facts`.
    """
    root = base_url or "."
    items = []
    for each in sorted(served, key=lambda facts: facts.name):
        signature = each.manifest.signature if each.manifest else None
        said = each.reason or (_summary(signature.inputs) if signature and signature.inputs else "")
        version = f" <small>version {escape(each.version)}</small>" if each.version else ""
        items.append(
            f'<li><a href="{escape(root)}/docs/{each.quoted}"><b>{escape(each.name)}</b>{version}'
            f"<small>{_state(each)}</small><small>{escape(said)}</small></a></li>"
        )
    links = [("openapi.json", "OpenAPI"), ("models", "All about them"), ("ready", "Readiness"), ("metrics", "Metrics")]
    listed = "".join(f'<li><a href="{escape(root)}/{path}">{text}</a></li>' for path, text in links)
    content = (
        f'<header><h1>Models</h1><ul class="links">{listed}</ul></header><main>'
        '<div class="search"><input type="search" id="search" placeholder="Search" aria-label="Search models">'
        f'<p class="soft" id="count">{len(items)} models</p></div>'
        f'<ul class="models">{"".join(items)}</ul>{_errors()}</main>'
    )
    return _whole("Models", content, {"root": root})


def _whole(title: str, content: str, facts: dict[str, Any]) -> bytes:
    parts = {
        "title": escape(title),
        "style": _text("page.css"),
        "script": _text("page.js"),
        "release": escape(__version__),
        # in a script element, only what would end it needs care
        "facts": json.dumps(facts, ensure_ascii=False).replace("<", "\\u003c"),
        "content": content,
    }
    found = []
    for at, part in enumerate(_text("page.html").split("@@")):
        found.append(parts[part] if at % 2 else part)
    return "".join(found).encode("utf-8", "replace")


# ---------------------------------------------------------------- parts


def _head(facts: Facts, root: str, *, nested: bool) -> str:
    up = f'<p class="up"><a href="{escape(root)}/docs">All models</a></p>' if nested else ""
    version = f" <small>version {escape(facts.version)}</small>" if facts.version else ""
    told = [_state(facts)]
    if facts.manifest is not None:
        flavors = [name for name in facts.manifest.flavors if name != "python_function"] or ["python_function"]
        told.append(f"<b>{escape(', '.join(flavors))}</b>")
        if facts.manifest.utc_time_created:
            told.append(f"saved {escape(facts.manifest.utc_time_created[:16])} UTC")
    if facts.digest:
        told.append(f'<code title="{escape(facts.digest)}">{escape(facts.digest[:19])}…</code>')
    listed = "".join(f"<li>{each}</li>" for each in told)
    reason = f'<p class="none">{escape(facts.reason)}</p>' if facts.reason else ""
    return f'<header>{up}<h1>{escape(facts.name)}{version}</h1><ul class="facts">{listed}</ul>{reason}'


def _state(facts: Facts) -> str:
    """Whether it is ready; on the page of one model, the script asks how it is now."""
    word = "ready" if facts.ready else "not ready"
    return (
        f'<span class="state {"ready" if facts.ready else "waiting"}" data-path="{escape(facts.models)}" '
        f'title="{escape(facts.reason)}">{word}</span>'
    )


def _links(facts: Facts, root: str, *, nested: bool) -> str:
    own = f"{facts.models}/openapi.json" if nested else "/openapi.json"
    links = [(own, "OpenAPI"), (facts.models, "All about it"), ("/ready", "Readiness"), ("/metrics", "Metrics")]
    return '<ul class="links">' + "".join(
        f'<li><a href="{escape(root + path)}">{text}</a></li>' for path, text in links
    ) + "</ul>"  # fmt: skip


def _try(inputs: Schema | None, shown: Examples) -> str:
    """The form; its fields are made by the script."""
    fields = _fields(inputs)
    params = bool(shown.params and fields)
    asked = examples.question(shown)
    if shown.params and not fields and asked is not None:
        asked = {"inputs": asked, "params": shown.params}
    body = "" if asked is None else _laid_out(asked)
    tabs, hidden = "", ""
    if fields:
        tabs = (
            '<div role="tablist" id="kinds" aria-label="How to fill it in">'
            '<button type="button" role="tab" aria-selected="true" aria-controls="as-form">Form</button>'
            '<button type="button" role="tab" aria-selected="false" aria-controls="as-json">JSON</button></div>'
        )
        hidden = " hidden"
    given = '<h3>Params</h3><div class="fields" id="params"></div>' if params else '<div id="params" hidden></div>'
    source = (
        "" if shown.real or not body else '<p class="soft">The model brings no example; these values are made up.</p>'
    )
    return (
        f'<section class="try"><div class="head"><h2>Try it</h2>{tabs}</div>{source}<form id="try" autocomplete="off">'
        f'<div id="as-form"><div class="fields" id="fields"></div>{given}</div>'
        f'<div id="as-json"{hidden}><textarea id="body" rows="{min(16, max(4, body.count(chr(10)) + 2))}" '
        'spellcheck="false" aria-label="Body as JSON">'
        f"{escape(body)}</textarea></div>"
        '<div class="row"><button class="send">Predict</button><button type="reset">Reset</button>'
        '<output id="status" aria-live="polite"></output></div>'
        '<div class="answer copied" id="answer" hidden><pre class="call"><code></code></pre>'
        '<button type="button">Copy</button></div></form>'
        "<noscript><p>Without JavaScript there is no form; make the call below.</p></noscript></section>"
    )


def _laid_out(question: Any) -> str:
    """A line for each column."""
    if not isinstance(question, dict):
        return json.dumps(question, ensure_ascii=False)
    lines = [f"  {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in question.items()]
    return "{\n" + ",\n".join(lines) + "\n}"


def _calls(facts: Facts, inputs: Schema | None, shown: Examples) -> str:
    """The same question in four ways; the script keeps the first two at what the form holds."""
    host = facts.base_url if "://" in facts.base_url else f"http://127.0.0.1:8000{facts.base_url}"
    asked = examples.question(shown)
    question = "..." if asked is None else json.dumps(asked, ensure_ascii=False)
    kind = "-H 'content-type: application/json'"
    natural = f"curl {_ROOT}{facts.prefix}/predict \\\n  {kind} \\\n  -d {_QUOTED}"
    python = (
        "import json, urllib.request\n\n"
        f"question = {_PYTHON}\n"
        "request = urllib.request.Request(\n"
        f'    "{_ROOT}{facts.prefix}/predict",\n'
        "    json.dumps(question).encode(),\n"
        '    {"content-type": "application/json"},\n'
        ")\n"
        "print(json.load(urllib.request.urlopen(request)))"
    )
    ways = [("curl", natural, ""), ("Python", python, "")]
    few = Examples(shown.rows[:1], shown.params, shown.answer, shown.real, shown.free)
    forms = examples.invocations(few, inputs)
    if forms:
        path = f"curl {_ROOT}{facts.prefix}/invocations \\\n  {kind} \\\n  -d "
        sent = [path + _quoted(json.dumps(form, ensure_ascii=False)) for form in forms.values()]
        ways.append(("MLflow", "\n\n".join(sent), "What MLflow's scoring server takes, and its clients send."))
    infer = examples.infer(few, inputs)
    if infer is not None:
        text = _quoted(json.dumps(infer, ensure_ascii=False))
        ways.append(
            (
                "Open Inference",
                f"curl {_ROOT}{facts.open_inference}/infer \\\n  {kind} \\\n  -d {text}",
                "For clients of KServe, MLServer and Triton; binary tensors are understood too.",
            )
        )
    tabs = "".join(
        f'<button type="button" role="tab" aria-selected="{"false" if at else "true"}" aria-controls="call-{at}">{name}'
        "</button>"
        for at, (name, _, _) in enumerate(ways)
    )
    panels = []
    for at, (_, template, said) in enumerate(ways):
        first = template.replace(_ROOT, host).replace(_QUOTED, _quoted(question))
        first = first.replace(_PYTHON, repr(json.loads(question)) if question != "..." else "...")
        note = f'<p class="soft">{said}</p>' if said else ""
        panels.append(
            f'<div id="call-{at}" role="tabpanel"{" hidden" if at else ""}>{note}<div class="copied"><pre class="call">'
            f'<code data-template="{escape(template)}">{escape(first)}</code></pre>'
            '<button type="button">Copy</button></div></div>'
        )
    return (
        '<section><div class="head"><h2>Call it</h2>'
        f'<div role="tablist" aria-label="Ways to call it">{tabs}</div></div>{"".join(panels)}</section>'
    )


def _quoted(text: str) -> str:
    """For a shell."""
    return "'" + text.replace("'", "'\\''") + "'"


def _side(title: str, schema: Schema | None, shown: Any, without: str) -> str:
    if schema is None:
        said = "The model was saved without a signature, so nothing is known of it."
        return f'<section><h2>{title}</h2><p>{without}</p><p class="none">{said}</p></section>'
    rows = []
    for at, each in enumerate(schema):
        name = str(each.name) if each.name is not None else f"column {at}" if len(schema) > 1 else "—"
        kind = schemas.words(each.type, each.shape if isinstance(each, TensorSpec) else None)
        rows.append((name, kind, each.required or title == "Output", _value(shown, each.name, at, len(schema))))
    return f"<section><h2>{title}</h2>{_table(rows)}</section>"


def _value(shown: Any, name: str | None, at: int, width: int) -> Any:
    if isinstance(shown, dict):
        return shown.get(name)
    if name is None and width == 1:
        return shown
    return shown[at] if isinstance(shown, list) and at < len(shown) and name is None else None


def _table(rows: Sequence[tuple[str, str, bool, Any]], last: str = "Example") -> str:
    known = any(value is not None for _, _, _, value in rows)
    body = []
    for name, kind, required, value in rows:
        optional = "" if required else " <small>optional</small>"
        cells = [f"<code>{escape(name)}</code>", f'<span class="kind">{escape(kind)}{optional}</span>']
        if known:
            text = "" if value is None else json.dumps(value, ensure_ascii=False)
            cells.append(f'<code class="cut" title="{escape(text[:1000])}">{escape(text[:200])}</code>')
        body.append("<tr>" + "".join(f"<td>{each}</td>" for each in cells) + "</tr>")
    head = "".join(f"<th>{each}</th>" for each in ("Name", "Type", *([last] if known else [])))
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'


def _summary(schema: Schema) -> str:
    if schema.is_tensor_spec():
        return ", ".join(schemas.words(each.type, each.shape) for each in schema if isinstance(each, TensorSpec))
    return ", ".join(schemas.words(each.type) if each.name is None else each.name for each in schema)


_ADVICE: Final = {
    400: "Read <code>detail</code>: it names every column that is missing, unknown or of another type.",
    404: "Check the name; /models lists what is served.",
    405: "Predictions are asked for with POST.",
    408: "Send the body faster, or in smaller parts.",
    413: "Send the rows in several requests.",
    415: "Send <code>Content-Type: application/json</code>.",
    500: "The model raised; the server's log has its words, under the request's id.",
    503: "Wait as long as <code>Retry-After</code> says; /ready names what is missing.",
    504: "Send fewer rows, or allow more time.",
}


def _errors() -> str:
    rows = "".join(
        f'<tr id="{kind.code}"><td>{kind.status}</td><td><code>{kind.code}</code></td>'
        f"<td>{escape(kind.title)}. {_ADVICE.get(kind.status, '')}</td></tr>"
        for kind in sorted(refusals.KINDS.values(), key=lambda kind: kind.status)
    )
    return (
        '<section><details id="errors"><summary><h2>Errors</h2></summary>'
        "<p>Natural JSON answers <code>application/problem+json</code>, MLflow's path "
        "<code>{&quot;error_code&quot;, &quot;message&quot;}</code>, Open Inference <code>{&quot;error&quot;}</code>; "
        "the status is the same.</p>"
        '<div class="wide"><table><thead><tr><th>Status</th><th>Code</th><th>What it means</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div></details></section>"
    )


# ---------------------------------------------------------------- form

_INPUTS: Final = {
    DataType.boolean: "boolean",
    DataType.integer: "integer",
    DataType.long: "integer",
    DataType.float: "number",
    DataType.double: "number",
    DataType.string: "text",
    DataType.binary: "line",
    DataType.datetime: "line",
}


def _field(name: str, kind: Any, *, required: bool, many: bool = False) -> dict[str, Any]:
    control = _INPUTS.get(kind, "json") if isinstance(kind, DataType) and not many else "json"
    words = schemas.words(Array(kind) if many else kind)
    return {"name": name, "kind": words, "input": control, "required": required}


def _fields(inputs: Schema | None) -> list[dict[str, Any]]:
    """The form's fields; none if the model is better asked in JSON."""
    columns = [each for each in inputs or () if isinstance(each, ColSpec)]
    if not columns or len(columns) > _MOST_FIELDS or (columns[0].name is None and len(columns) > 1):
        return []
    return [_field(str(each.name or "value"), each.type, required=each.required) for each in columns]


def _form(facts: Facts, inputs: Schema | None, shown: Examples) -> dict[str, Any]:
    """What the script needs to know."""
    found: dict[str, Any] = {"predict": f"{facts.prefix}/predict"}
    fields = _fields(inputs)
    if fields and inputs is not None:
        found["fields"] = fields
        found["bare"] = not inputs.has_input_names()
        found["example"] = shown.rows[0] if shown.rows else None
        signature = facts.manifest.signature if facts.manifest else None
        if shown.params and signature is not None and signature.params:
            found["params"] = [
                _field(each.name, each.dtype, required=False, many=each.shape is not None) for each in signature.params
            ]
            found["defaults"] = shown.params
    return found
