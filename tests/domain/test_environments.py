import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.domain.environments import Environment, Placement, check_name, clear, point, remove, transition
from modelyard.domain.errors import InvalidArgument
from modelyard.domain.versions import Stage, parse_stage

STAGING = Environment("staging", 2, Stage.STAGING)
PRODUCTION = Environment("production", 3, Stage.PRODUCTION)
CANARY = Environment("canary", 1, None)
ALL = (CANARY, STAGING, PRODUCTION)


def placed(stages=None, **pointers):
    return Placement(ALL, stages or {}, pointers)


def after(before, moves):
    """The placement that the moves lead to."""
    stages = {**before.stages, **moves.stages}
    pointers = {**before.pointers, **moves.pointers}
    return Placement(
        before.environments, stages, {name: version for name, version in pointers.items() if version is not None}
    )


def test_a_stage_call_moves_the_pointer():
    moves = transition(placed(), 1, Stage.PRODUCTION)
    assert moves.stages == {1: Stage.PRODUCTION}
    assert moves.pointers == {"production": 1}


def test_the_pointer_is_the_version_moved_last_even_if_older():
    before = placed({2: Stage.PRODUCTION}, production=2)
    moves = transition(before, 1, Stage.PRODUCTION)
    assert moves.stages == {1: Stage.PRODUCTION}
    assert moves.pointers == {"production": 1}


def test_archiving_empties_the_stage():
    before = placed({2: Stage.PRODUCTION, 3: Stage.PRODUCTION, 4: Stage.STAGING}, production=3, staging=4)
    moves = transition(before, 1, Stage.PRODUCTION, archive=True)
    assert moves.stages == {1: Stage.PRODUCTION, 2: Stage.ARCHIVED, 3: Stage.ARCHIVED}
    assert moves.pointers == {"production": 1}


def test_a_stage_call_takes_the_version_out_of_the_other_environments():
    moves = transition(placed({1: Stage.STAGING}, staging=1, canary=1), 1, Stage.PRODUCTION)
    assert moves.pointers == {"production": 1, "staging": None}


def test_what_is_left_in_a_stage_takes_over():
    before = placed({1: Stage.PRODUCTION, 2: Stage.PRODUCTION, 3: Stage.PRODUCTION}, production=1)
    assert transition(before, 1, Stage.ARCHIVED).pointers == {"production": 3}
    assert remove(before, 1).pointers == {"production": 3}
    assert remove(placed({1: Stage.PRODUCTION}, production=1, canary=1), 1).pointers == {
        "production": None,
        "canary": None,
    }


def test_a_pointer_archives_what_it_leaves():
    moves = point(placed({1: Stage.PRODUCTION}, production=1), PRODUCTION, 2)
    assert moves.stages == {1: Stage.ARCHIVED, 2: Stage.PRODUCTION}
    assert moves.pointers == {"production": 2}


def test_two_environments_may_point_to_one_version_and_the_more_advanced_gives_the_stage():
    before = placed({1: Stage.STAGING}, staging=1)
    promoted = after(before, point(before, PRODUCTION, 1))
    assert promoted.pointers == {"staging": 1, "production": 1}
    assert promoted.stages == {1: Stage.PRODUCTION}
    back = after(promoted, clear(promoted, PRODUCTION))
    assert back.pointers == {"staging": 1}
    assert back.stages == {1: Stage.STAGING}


def test_an_environment_without_a_stage_changes_no_stage():
    before = placed({1: Stage.STAGING}, staging=1)
    assert point(before, CANARY, 1).stages == {}
    assert clear(placed({1: Stage.STAGING}, staging=1, canary=1), CANARY).stages == {}


def test_what_is_so_already_is_no_move():
    before = placed({1: Stage.STAGING}, staging=1)
    assert transition(before, 1, Stage.STAGING).stages == {}
    assert transition(before, 1, Stage.STAGING).pointers == {}
    assert point(before, STAGING, 1).pointers == {}


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("transition"), st.integers(1, 4), st.sampled_from(Stage), st.booleans()),
        st.tuples(st.just("point"), st.integers(1, 4), st.sampled_from(ALL)),
        st.tuples(st.just("clear"), st.sampled_from(ALL)),
        st.tuples(st.just("remove"), st.integers(1, 4)),
    ),
    max_size=20,
)


@given(STEPS)
def test_stages_and_pointers_always_agree(steps):
    state = placed(dict.fromkeys(range(1, 5), Stage.NONE))
    for name, *args in steps:
        if name in ("transition", "point", "remove") and args[0] not in state.stages:
            continue  # it was deleted
        if name == "transition":
            moves = transition(state, args[0], args[1], archive=args[2])
        elif name == "point":
            moves = point(state, args[1], args[0])
        elif name == "clear":
            moves = clear(state, args[0])
        else:
            moves = remove(state, args[0])
            del state.stages[args[0]]
        state = after(state, moves)
        for env in ALL:
            target = state.pointers.get(env.name)
            assert target is None or target in state.stages
            if env.stage is None:
                continue
            in_stage = {version for version, stage in state.stages.items() if stage is env.stage}
            assert not in_stage or target is not None
            if target is not None and not any(
                state.pointers.get(other.name) == target for other in ALL if other.position > env.position
            ):
                assert state.stages[target] is env.stage


@pytest.mark.parametrize("name", ["", "Prod", "1a", "latest", "v1", "none", "archived", "a b", "a/b", "é", "x" * 256])
def test_names_that_environments_cannot_have(name):
    with pytest.raises(InvalidArgument, match="Invalid environment name"):
        check_name(name)


def test_stages_are_matched_without_case():
    assert parse_stage("pRODUCTION") is Stage.PRODUCTION
    with pytest.raises(InvalidArgument, match="must be one of None, Staging, Production, Archived"):
        parse_stage("live")
