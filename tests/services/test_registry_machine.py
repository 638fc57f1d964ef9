"""Whatever old and new clients do to a model's stages and aliases, every view says the same, and history says how."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from modelyard.domain.errors import InvalidArgument, NotFound
from modelyard.domain.history import Change
from modelyard.domain.principals import Principal
from modelyard.domain.versions import NewVersion, Stage
from modelyard.services import environments, history, models, references, versions

WHO = Principal("somebody")
STAGES = {"staging": Stage.STAGING, "production": Stage.PRODUCTION}
ENVIRONMENTS = st.sampled_from(sorted(STAGES))
numbers = itertools.count()


class Registry(RuleBasedStateMachine):
    """One model. What is remembered here is only what the clients did last; the views must agree with it."""

    database = None

    def __init__(self):
        super().__init__()
        self.name = f"model-{next(numbers)}"
        self.known = []
        self.made = 0
        self.database.write(models.create, WHO, self.name)
        self.create()

    def read(self, work, *args, **kwargs):
        return self.database.read(work, *args, **kwargs)

    def write(self, work, *args, **kwargs):
        return self.database.write(work, WHO, self.name, *args, **kwargs)

    def pick(self, choice):
        return self.known[choice % len(self.known)]

    def pointer(self, env):
        try:
            return self.read(models.by_alias, self.name, env).number
        except InvalidArgument:
            return None

    @rule()
    def create(self):
        made = self.write(versions.create, NewVersion(source="s3://bucket/model"))
        self.made += 1
        assert made.number == self.made, "a number was given twice, or left out"
        self.known.append(made.number)

    @precondition(lambda self: self.known)
    @rule(choice=st.integers(0, 9), stage=st.sampled_from(Stage), archive=st.booleans())
    def transition(self, choice, stage, archive):
        number = self.pick(choice)
        archive = archive and stage in STAGES.values()
        moved = self.write(versions.transition, number, stage.lower(), archive=archive)
        assert moved.stage == stage
        for env, its_stage in STAGES.items():
            if its_stage is stage:
                assert self.pointer(env) == number
            else:
                assert self.pointer(env) != number
        if archive:
            assert {each for each in self.known if self.read(references.get, self.name, each).stage == stage} == {
                number
            }

    @precondition(lambda self: self.known)
    @rule(choice=st.integers(0, 9), env=ENVIRONMENTS, spelling=st.sampled_from([str.lower, str.title, str.upper]))
    def alias(self, choice, env, spelling):
        number = self.pick(choice)
        others = {other: self.pointer(other) for other in STAGES if other != env}
        self.write(models.set_alias, spelling(env), number)
        assert self.pointer(env) == number
        assert {other: self.pointer(other) for other in others} == others, "an alias moved another alias"
        assert spelling(env) in self.read(references.get, self.name, number).aliases

    @rule(env=ENVIRONMENTS)
    def unalias(self, env):
        self.write(models.delete_alias, env)
        assert self.pointer(env) is None

    @precondition(lambda self: self.known)
    @rule(choice=st.integers(0, 9), env=ENVIRONMENTS)
    def move(self, choice, env):
        number = self.pick(choice)
        self.write(environments.move, env, number)
        assert self.pointer(env) == number

    @precondition(lambda self: self.known)
    @rule(choice=st.integers(0, 9))
    def delete(self, choice):
        number = self.pick(choice)
        self.write(versions.delete, number)
        self.known.remove(number)

    @invariant()
    def views_agree(self):
        model = self.read(models.get, self.name)
        listed = {alias.environment: alias.version for alias in model.aliases if alias.environment}
        native = {each.environment: each.version for each in self.read(environments.pointers, self.name)}
        assert listed == native
        for env, stage in STAGES.items():
            target = self.pointer(env)
            assert native.get(env) == target
            assert [each.number for each in self.read(references.latest, self.name, [stage])] == (
                [] if target is None else [target]
            )
            if target is None:
                assert not any(self.read(references.get, self.name, each).stage == stage for each in self.known)
            else:
                assert self.read(references.resolve, self.name, stage).number == target
                assert target in self.known

    @invariant()
    def latest_is_one_for_each_stage(self):
        model = self.read(models.get, self.name)
        stages = {each: self.read(references.get, self.name, each).stage for each in self.known}
        for stage in (Stage.NONE, Stage.ARCHIVED):
            newest = max((each for each, its_stage in stages.items() if its_stage == stage), default=None)
            assert [each.number for each in model.latest if each.stage == stage] == ([] if newest is None else [newest])
        for env, stage in STAGES.items():
            if stage in stages.values():
                assert [each.number for each in model.latest if each.stage == stage] == [self.pointer(env)]

    @invariant()
    def history_leads_to_the_present(self):
        pointers, stages = dict.fromkeys(STAGES), {}
        for event in reversed(self.read(history.events, self.name, limit=1000)):
            if event.kind is Change.ENVIRONMENT_MOVED:
                assert str(pointers[event.subject]) == str(event.old)
                pointers[event.subject] = event.new
            elif event.kind is Change.VERSION_CREATED:
                stages[event.version] = "None"
            elif event.kind is Change.VERSION_STAGED:
                assert stages[event.version] == event.old
                stages[event.version] = event.new
            elif event.kind is Change.VERSION_DELETED:
                del stages[event.version]
        assert {env: str(self.pointer(env)) for env in STAGES} == {env: str(to) for env, to in pointers.items()}
        assert stages == {each: self.read(references.get, self.name, each).stage for each in self.known}


def test_stages_aliases_and_environments_agree(database):
    class Here(Registry):
        pass

    Here.database = database
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=25 if database.dialect == "sqlite" else 8,
            stateful_step_count=15,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_a_deleted_versions_environment_is_empty(database):
    database.write(models.create, WHO, "m")
    database.write(versions.create, WHO, "m", NewVersion(source="s3://b/m"))
    database.write(versions.transition, WHO, "m", 1, "Production")
    database.write(models.set_alias, WHO, "m", "champion", 1)
    database.write(versions.delete, WHO, "m", 1)
    with pytest.raises(NotFound, match=r"Model Version \(name=m, version=1\) not found"):
        database.read(models.by_alias, "m", "champion")
    assert [alias.name for alias in database.read(models.get, "m").aliases] == ["champion"]
