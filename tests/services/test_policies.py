"""Policies with a registry behind them: what they choose is moved, promoted past and undone in one step."""

from __future__ import annotations

import pytest

from modelyard.domain.errors import InvalidArgument, InvalidState, NotFound
from modelyard.domain.history import Change
from modelyard.domain.policies import Direction, Evaluation, Gate, Policy, Rule
from modelyard.domain.principals import Principal
from modelyard.domain.versions import NewVersion
from modelyard.services import environments, history, models, policies, references, versions

WHO = Principal("somebody")
BEST = Policy(rule=Rule.BEST, metric="f1", dataset="d1", direction=Direction.MAX)


def register(database, model, label=None, f1=None, tags=None):
    new = NewVersion(source="s3://bucket/model", label=label, tags=tags or {})
    made = database.write(versions.create, WHO, model, new)
    if f1 is not None:
        score(database, model, made.number, f1)
    return made.number


def score(database, model, version, f1, digest="d1"):
    database.write(policies.evaluate, WHO, model, version, [Evaluation(0, digest, "holdout", "f1", f1, 0, "")])


def pointer(database, model, environment="production"):
    found = {each.environment: each.version for each in database.read(environments.pointers, model)}
    return found.get(environment)


@pytest.fixture
def registry(database):
    database.write(models.create, WHO, "wine")
    return database


def test_a_better_retraining_replaces_and_a_worse_one_does_not(registry):
    registry.write(policies.put, WHO, "production", "wine", BEST)
    first = register(registry, "wine", "1.0", 0.80)
    assert [each[:2] for each in registry.write(policies.settle)] == [("production", "wine")]
    assert pointer(registry, "wine") == first
    register(registry, "wine", "1.0.1", 0.79)
    assert registry.write(policies.settle) == []
    better = register(registry, "wine", "1.0.2", 0.85)
    registry.write(policies.settle)
    assert pointer(registry, "wine") == better
    assert registry.read(references.get, "wine", better).stage == "Production"
    moved = next(each for each in registry.read(history.events, "wine") if each.kind is Change.ENVIRONMENT_MOVED)
    assert moved.principal == "system"
    assert moved.reason == "wine version 3 (1.0.2) has the best f1: 0.85, wine version 1 (1.0) has 0.8 on dataset d1."


def test_an_allowance_hides_a_better_version_until_it_is_raised(registry):
    registry.write(policies.put, WHO, "production", "wine", Policy(**{**policy_values(BEST), "allowance": "<=1.0"}))
    old = register(registry, "wine", "1.0", 0.80)
    new = register(registry, "wine", "2.0", 0.95)
    registry.write(policies.settle)
    assert pointer(registry, "wine") == old
    told = registry.read(policies.explain, "production", "wine")
    assert {each.candidate.version: each.reason for each in told.candidates}[new] == (
        "Its label 2.0 is outside the allowance <=1.0."
    )
    tried = registry.read(policies.explain, "production", "wine", instead=BEST)
    assert tried.chosen is not None
    assert tried.chosen.version == new
    assert pointer(registry, "wine") == old
    registry.write(policies.put, WHO, "production", "wine", BEST)
    registry.write(policies.settle)
    assert pointer(registry, "wine") == new


def policy_values(policy):
    return {name: getattr(policy, name) for name in policy.__dataclass_fields__}


def test_promoting_and_raising_the_allowance_is_one_step_with_an_undo(registry):
    old, new = register(registry, "wine", "1.0"), register(registry, "wine", "2.0")
    registry.write(policies.put, WHO, "production", "", Policy(allowance="<=1.0"))
    registry.write(policies.promote, WHO, "wine", old, "production")
    with pytest.raises(InvalidArgument, match=r"may not serve in production: .* Raise the allowance .* --allow"):
        registry.write(policies.promote, WHO, "wine", new, "production")
    assert pointer(registry, "wine") == old

    told = registry.write(policies.promote, WHO, "wine", new, "Production", allowance="<=2.0", reason="approved")
    assert told.chosen is not None
    assert pointer(registry, "wine") == new
    assert registry.read(policies.effective, "production", "wine").allowance == "<=2.0"

    assert registry.write(policies.undo, WHO, "wine", "production") == {"from": old, "to": new, "slot": "wine"}
    assert pointer(registry, "wine") == old
    assert registry.read(policies.effective, "production", "wine").allowance == "<=1.0"
    registry.write(policies.undo, WHO, "wine", "production")
    assert pointer(registry, "wine") is None
    with pytest.raises(NotFound, match="No promotion"):
        registry.write(policies.undo, WHO, "wine", "production")


def test_a_refused_promotion_changes_nothing(registry):
    version = register(registry, "wine", "1.0")
    with pytest.raises(InvalidArgument):
        registry.write(policies.promote, WHO, "wine", version, "production", allowance=">=2")
    assert registry.read(policies.listing) == []
    with pytest.raises(InvalidArgument, match="PEP 440"):
        registry.write(policies.promote, WHO, "wine", version, "production", allowance="about two")


def test_what_changed_since_is_not_undone(registry):
    first, second = register(registry, "wine", "1.0"), register(registry, "wine", "2.0")
    registry.write(policies.promote, WHO, "wine", first, "production")
    registry.write(environments.move, WHO, "wine", "production", second)
    with pytest.raises(InvalidState, match="it points to 2 now"):
        registry.write(policies.undo, WHO, "wine", "production")


def test_two_models_compete_for_a_slot(registry):
    registry.write(models.create, WHO, "challenger")
    slot = Policy(**{**policy_values(BEST), "models": ("wine", "challenger")})
    registry.write(policies.put, WHO, "production", "quality", slot)
    register(registry, "wine", "1.0", 0.8)
    registry.write(policies.settle)
    register(registry, "challenger", "1.0", 0.9)
    registry.write(policies.settle)
    chosen, reason = registry.read(policies.selected, "production", "quality")
    assert chosen is not None
    assert (chosen.model, chosen.number) == ("challenger", 1)
    assert "best f1: 0.9" in reason
    score(registry, "wine", 1, 0.95)
    registry.write(policies.settle)
    chosen, _ = registry.read(policies.selected, "production", "quality")
    assert chosen is not None
    assert chosen.model == "wine"


def test_gates_name_what_is_missing(registry):
    registry.write(policies.put, WHO, "production", "", Policy(gates=(Gate.OWNER, Gate.GOLDEN, Gate.LABEL)))
    bare = register(registry, "wine")
    full = register(registry, "wine", "1.0", tags={"owner": "ada", "modelyard.golden": "3"})
    told = registry.read(policies.explain, "production", "wine")
    reasons = {each.candidate.version: each.reason for each in told.candidates}
    assert reasons[bare] == "It lacks what is required: owner, golden, label."
    registry.write(policies.promote, WHO, "wine", full, "production")
    assert pointer(registry, "wine") == full


@pytest.mark.parametrize(
    ("slot", "policy", "said"),
    [
        ("wine", Policy(allowance="1.0 or so"), "PEP 440"),
        ("wine", Policy(rule=Rule.BEST), "needs a metric"),
        ("", Policy(models=("wine",)), "Models compete for a slot"),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(registry, slot, policy, said):
    with pytest.raises(InvalidArgument, match=said):
        registry.write(policies.put, WHO, "production", slot, policy)
    assert registry.read(policies.listing) == []


def test_unknown_names_are_told_apart(registry):
    with pytest.raises(NotFound, match="Environment 'moon'"):
        registry.write(policies.put, WHO, "moon", "wine", BEST)
    with pytest.raises(NotFound, match="beer"):
        registry.read(policies.explain, "production", "beer")
    with pytest.raises(NotFound, match="version=7"):
        registry.write(policies.promote, WHO, "wine", 7, "production")


def test_changes_of_policies_are_history(registry):
    registry.write(policies.put, WHO, "production", "wine", Policy(allowance="<=1.0"), reason="frozen")
    registry.write(policies.put, WHO, "production", "wine", Policy(allowance="<=1.0"))
    registry.write(policies.put, WHO, "production", "wine", None)
    found = [each for each in registry.read(history.events) if each.kind is Change.POLICY_SET]
    assert [(each.subject, each.old, each.new, each.reason) for each in found] == [
        ("production/wine", "allowance=<=1.0", None, None),
        ("production/wine", None, "allowance=<=1.0", "frozen"),
    ]
