"""What one can do with policies: set them, ask what they choose and why, promote past them in one step, and undo that.

`selected` is what the deployments of an environment follow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from modelyard.db import environments as places
from modelyard.db import models, versions
from modelyard.db import policies as db
from modelyard.domain import policies as rule
from modelyard.domain.errors import InvalidArgument, InvalidState, NotFound
from modelyard.domain.history import Change
from modelyard.domain.policies import Candidate, Evaluation, Explanation, Gate, Policy, Rule
from modelyard.domain.principals import SYSTEM
from modelyard.domain.search import Comparison, Field, Op
from modelyard.domain.validation import check_model_name
from modelyard.domain.versions import DIGEST_TAG, GOLDEN_TAG, SIGNATURE_TAG

from . import environments
from .history import Recorder
from .models import not_found as no_model
from .references import not_found

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelyard.db.transaction import Transaction
    from modelyard.domain.models import RegisteredModel
    from modelyard.domain.principals import Principal
    from modelyard.domain.versions import ModelVersion

OWNER_TAG: Final = "owner"
MOST_CANDIDATES: Final = 10_000
"""Versions of a slot's models that are looked at, the newest first."""


def admits(allowance: str, label: str) -> bool:
    """Whether PEP 440 specifiers admit a label; a pre-release too, since somebody labelled it so."""
    try:
        return SpecifierSet(allowance).contains(Version(label), prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return False


def listing(tx: Transaction, environment: str | None = None) -> list[tuple[str, str, Policy]]:
    """All policies: environment, slot (empty: all of it), policy.

    Raises:
        NotFound: there is no such environment.
    """
    wanted = None if environment is None else environments.get(tx, environment).name
    return [each for each in db.listing(tx) if wanted in (None, each[0])]


def effective(tx: Transaction, environment: str, slot: str) -> Policy:
    """What holds for a slot, with everything inherited.

    Raises:
        NotFound: there is no such environment.
    """
    env = environments.get(tx, environment).name
    own, general = db.get(tx, env, slot) or Policy(), db.get(tx, env, "") or Policy()
    found = own.over(general)
    return found if found.models else replace(found, models=(slot,))


def put(
    tx: Transaction, principal: Principal, environment: str, slot: str, new: Policy | None, *, reason: str | None = None
) -> Policy | None:
    """Replace what is said for a slot, or with the empty slot for the environment; None removes it.

    Raises:
        NotFound: there is no such environment, or no model that is to compete.
        InvalidArgument: the policy cannot be meant.
    """
    env = environments.get(tx, environment).name
    if slot:
        check_model_name(slot)
    if new is not None:
        _check(tx, slot, new)
    recorder = Recorder(tx, principal, reason)
    _write(tx, recorder, principal, env, slot, new)
    return new


def _write(tx: Transaction, recorder: Recorder, principal: Principal, env: str, slot: str, new: Policy | None) -> None:
    old = db.get(tx, env, slot)
    if old == new:
        return
    db.put(tx, env, slot, new, recorder.now, principal.name)
    subject = f"{env}/{slot}" if slot else env
    recorder.note(Change.POLICY_SET, 0, "", subject=subject, old=_told(old), new=_told(new))


def _check(tx: Transaction, slot: str, new: Policy) -> None:
    rule.check(new)
    if new.allowance:
        try:
            SpecifierSet(new.allowance)
        except InvalidSpecifier:
            raise InvalidArgument(
                f"Invalid allowance {new.allowance[:100]!r}: expected PEP 440 specifiers, such as `<=1.0`, `==2.0` or "
                "`>=1.0,<=2.0`.",
                [("/allowance", "is no set of specifiers")],
            ) from None
    if new.models is not None and not slot:
        raise InvalidArgument("Models compete for a slot: say which.", [("/models", "needs a slot")])
    for name in new.models or ():
        if models.bare(tx, name) is None:
            raise no_model(name)


def _told(of: Policy | None) -> str | None:
    if of is None:
        return None
    said = (f"{name}={value}" for name, value in db.document(of).items() if value not in (None, ""))
    return ", ".join(said) or "nothing"


# ------------------------------------------------------------------------------------ choosing


def explain(tx: Transaction, environment: str, slot: str, *, instead: Policy | None = None) -> Explanation:
    """Which version a slot of an environment stands for, and why the others do not. Nothing is moved.

    Args:
        tx: the transaction.
        environment: its name.
        slot: a model's name, or one for which several compete.
        instead: a policy of the slot to try, in place of the one that is there.

    Raises:
        NotFound: there is no such environment or model.
        InvalidArgument: the policy to try cannot be meant.
    """
    env = environments.get(tx, environment).name
    if instead is None:
        chosen = effective(tx, env, slot)
    else:
        _check(tx, slot, instead)
        chosen = instead.over(db.get(tx, env, "") or Policy())
        chosen = chosen if chosen.models else replace(chosen, models=(slot,))
    return _explain(tx, env, slot, chosen)


def _explain(tx: Transaction, env: str, slot: str, policy: Policy) -> Explanation:
    competing = []
    for name in policy.models or (slot,):
        found = models.get(tx, name)
        if found is None:
            raise no_model(name)
        competing.append(found)
    candidates = [each for model in competing for each in _candidates(tx, model, policy)]
    if policy.selection is Rule.BEST:
        last = db.selected(tx, env, slot)
        current = (last.model, last.version) if last else None
    else:
        current = None
    return rule.explain(policy, candidates, current or _pointer(competing, env), admits)


def _pointer(among: Sequence[RegisteredModel], env: str) -> tuple[str, int] | None:
    """What the environment points to; of several models the one that was pointed to last."""
    found = [
        (alias.moved_ms, model.name, alias.version)
        for model in among
        for alias in model.aliases
        if alias.environment == env
    ]
    return max(found)[1:] if found else None


def _candidates(tx: Transaction, model: RegisteredModel, policy: Policy) -> list[Candidate]:
    where = Comparison(Field("attribute", "name"), Op.EQ, model.name)
    found, _ = versions.search(tx, where, (), limit=MOST_CANDIDATES)
    metrics: dict[int, dict[tuple[str, str], float]] = {}
    for each in db.evaluations(tx, model.id):
        metrics.setdefault(each.version, {})[each.metric, each.dataset_digest] = each.value
    return [
        Candidate(
            model=model.name,
            version=each.number,
            label=each.label,
            tags=each.tags,
            status=each.status,
            gates=_gates(model, each, metrics.get(each.number, {}), policy),
            metrics=metrics.get(each.number, {}),
        )
        for each in found
    ]


def _gates(
    model: RegisteredModel, version: ModelVersion, metrics: dict[tuple[str, str], float], policy: Policy
) -> frozenset[Gate]:
    measured = any(
        name == policy.metric and (not policy.dataset or digest == policy.dataset) for name, digest in metrics
    )
    has = {
        Gate.LABEL: version.label,
        Gate.DESCRIPTION: version.description or model.description,
        Gate.OWNER: version.tags.get(OWNER_TAG) or model.tags.get(OWNER_TAG),
        Gate.RUN: version.run_id,
        Gate.DIGEST: version.tags.get(DIGEST_TAG),
        Gate.SIGNATURE: version.tags.get(SIGNATURE_TAG),
        Gate.GOLDEN: version.tags.get(GOLDEN_TAG, "0") != "0",
        Gate.EVALUATION: measured if policy.metric else bool(metrics),
    }
    return frozenset(gate for gate, value in has.items() if value)


def settle(tx: Transaction) -> list[tuple[str, str, Explanation]]:
    """Move what policies of the rule `best` choose otherwise now; for the controller, after every change.

    Returns:
        What moved: environment, slot, why.
    """
    moved = []
    known = {env.name for env in environments.listing(tx)}
    for env, slot, _ in db.listing(tx):
        if not slot or env not in known:
            continue
        policy = effective(tx, env, slot)
        if policy.selection is not Rule.BEST:
            continue
        try:
            found = _explain(tx, env, slot, policy)
        except NotFound:  # a model was deleted or renamed: whoever asks is told
            continue
        if _settle(tx, env, slot, found):
            moved.append((env, slot, found))
    return moved


def _settle(tx: Transaction, env: str, slot: str, found: Explanation) -> bool:
    chosen, last = found.chosen, db.selected(tx, env, slot)
    before = (last.model, last.version) if last else None
    now = (chosen.model, chosen.version) if chosen else None
    pointed = None
    if chosen is not None and (model := models.get(tx, chosen.model)) is not None:
        pointed = _pointer([model], env)
    if before == now and (chosen is None or pointed == now):
        return False
    recorder = Recorder(tx, SYSTEM, found.reason)
    db.select_version(tx, env, slot, chosen, found.reason, recorder.now)
    if chosen is not None and pointed != now:
        environments.move(tx, SYSTEM, chosen.model, env, chosen.version, reason=found.reason)
    return True


def selected(tx: Transaction, environment: str, slot: str) -> tuple[ModelVersion | None, str]:
    """The version that a slot of an environment stands for, and why; None: nothing may serve.

    Raises:
        NotFound: there is no such environment or model.
    """
    found = explain(tx, environment, slot)
    if found.chosen is None:
        return None, found.reason
    return versions.find(tx, found.chosen.model, found.chosen.version), found.reason


# ------------------------------------------------------------------------------------ promoting


def promote(
    tx: Transaction,
    principal: Principal,
    model: str,
    version: int,
    environment: str,
    *,
    allowance: str | None = None,
    slot: str | None = None,
    reason: str | None = None,
) -> Explanation:
    """Point an environment to a version and, if told, raise the allowance with it: all of it or nothing.

    Args:
        tx: the transaction.
        principal: who does it.
        model: its name.
        version: its number.
        environment: its name.
        allowance: what the slot's labels may be from now on; None: as before.
        slot: whose policy is changed; None: the model's.
        reason: why.

    Raises:
        NotFound: there is no such environment or version.
        InvalidArgument: the version may not serve there; the message says why.
    """
    env, name = environments.get(tx, environment).name, slot or model
    found = versions.bare(tx, model, version)
    if found is None:
        raise not_found(model, version)
    recorder = Recorder(tx, principal, reason)
    before = db.get(tx, env, name)
    after = before
    if allowance is not None:
        after = replace(before or Policy(), allowance=allowance)
        _check(tx, name, after)
        _write(tx, recorder, principal, env, name, after)
    placed = places.placement(tx, found.model_id).pointers.get(env)
    chosen = effective(tx, env, name)
    told = next(
        each for each in _explain(tx, env, name, replace(chosen, rule=Rule.MANUAL)).candidates
        if (each.candidate.model, each.candidate.version) == (model, version)
    )  # fmt: skip
    if not told.admitted:
        hint = " Raise the allowance in the same step with --allow." if "allowance" in told.reason else ""
        raise InvalidArgument(f"{told.candidate} may not serve in {env}: {told.reason}{hint}")
    environments.move(tx, principal, model, env, version, reason=reason)
    last = db.selected(tx, env, name)
    db.select_version(tx, env, name, told.candidate, reason or "Promoted.", recorder.now)
    what = {
        "slot": name, "from": placed, "to": version, "policy": db.document(before) if before else None,
        "raised": db.document(after) if after else None,
        "selected": [last.model, last.version, last.reason] if last else None,
    }  # fmt: skip
    db.note_promotion(tx, env, found.model_id, what, recorder.now, principal.name)
    return _explain(tx, env, name, chosen)


@dataclass(frozen=True, slots=True)
class Promoted:
    """The last promotion of a model in an environment.

    Attributes:
        number: its own.
        environment: its name.
        what: what it did: `slot`, the versions `from` and `to`, the policies before (`policy`) and after (`raised`).
        at_ms: when, ms since the epoch.
        principal: who.
        obstacle: why it cannot be undone; empty: it can.
    """

    number: int
    environment: str
    what: dict[str, Any]
    at_ms: int
    principal: str
    obstacle: str


def last_promotion(tx: Transaction, model: str, environment: str) -> Promoted:
    """The last promotion of a model in an environment that was not undone, and whether it can be.

    Raises:
        NotFound: there is no such environment or model, or no such promotion.
    """
    env = environments.get(tx, environment).name
    found = models.bare(tx, model)
    if found is None:
        raise no_model(model)
    last = db.last_promotion(tx, env, found.id)
    if last is None:
        raise NotFound(f"No promotion of {model!r} in {env!r} can be undone.")
    number, what, at_ms, who = last
    placed = places.placement(tx, found.id).pointers.get(env)
    raised = db.read(what["raised"]) if what["raised"] else None
    obstacle = ""
    if placed != what["to"]:
        obstacle = f"it points to {placed} now"
    elif db.get(tx, env, what["slot"]) != raised:
        obstacle = "the policy was changed"
    return Promoted(number, env, what, at_ms, who, obstacle)


def undo(
    tx: Transaction, principal: Principal, model: str, environment: str, *, reason: str | None = None
) -> dict[str, Any]:
    """Take back the last promotion of a model in an environment: pointer and policy together.

    Returns:
        What it had been: `from`, `to`, `slot`.

    Raises:
        NotFound: there is no such environment or model, or nothing to undo.
        InvalidState: pointer or policy changed since.
    """
    last = last_promotion(tx, model, environment)
    env, what = last.environment, last.what
    if last.obstacle:
        raise InvalidState(f"The promotion of {model!r} in {env!r} cannot be undone: {last.obstacle}.")
    recorder = Recorder(tx, principal, reason or f"Promotion of version {what['to']} undone.")
    _write(tx, recorder, principal, env, what["slot"], db.read(what["policy"]) if what["policy"] else None)
    if what["from"] is None:
        environments.clear(tx, principal, model, env, reason=reason)
    else:
        environments.move(tx, principal, model, env, what["from"], reason=reason)
    before = what["selected"]
    chosen = Candidate(model=before[0], version=before[1]) if before else None
    db.select_version(tx, env, what["slot"], chosen, before[2] if before else "", recorder.now)
    db.mark_undone(tx, last.number, recorder.now)
    return {"from": what["from"], "to": what["to"], "slot": what["slot"]}


# ------------------------------------------------------------------------------------ evaluations


def evaluate(
    tx: Transaction, principal: Principal, model: str, version: int, measured: Sequence[Evaluation]
) -> list[Evaluation]:
    """Store metrics of a version on a dataset.

    Args:
        tx: the transaction.
        principal: who measured.
        model: its name.
        version: its number.
        measured: the metrics; version, time and principal are filled in.

    Raises:
        NotFound: there is no such version.
        InvalidArgument: a metric or a dataset has no name.
    """
    found = versions.bare(tx, model, version)
    if found is None:
        raise not_found(model, version)
    for each in measured:
        if not each.metric or not each.dataset_digest:
            raise InvalidArgument("An evaluation names its metric, and the digest of its dataset.")
    recorder = Recorder(tx, principal)
    rows = [replace(each, version=version, at_ms=recorder.now, principal=principal.name) for each in measured]
    db.evaluate(tx, found.model_id, rows)
    for each in rows:
        subject = f"{each.metric} on {each.dataset_name or each.dataset_digest}"
        recorder.note(
            Change.VERSION_EVALUATED, found.model_id, model, version, subject=subject, new=f"{each.value:.6g}"
        )
    return rows


def evaluations(tx: Transaction, model: str, version: int | None = None) -> list[Evaluation]:
    """Metrics of a model's versions on datasets, the newest version first.

    Raises:
        NotFound: there is no such model.
    """
    found = models.bare(tx, model)
    if found is None:
        raise no_model(model)
    return [each for each in db.evaluations(tx, found.id) if version in (None, each.version)]
