"""What is told about changes is never longer than a message may be, and never says less than what changed."""

from hypothesis import given
from hypothesis import strategies as st

from modelyard.domain.changes import MOST_NAMED, Changed

NAMES = st.sets(st.text("ab", max_size=3), max_size=5) | st.just({str(at) for at in range(MOST_NAMED + 1)})
ANY = st.builds(
    Changed,
    runs=NAMES,
    every_run=st.booleans(),
    experiments=st.sets(st.integers(0, 9)),
    models=NAMES,
    deployments=NAMES,
    predictions=NAMES,
    environments=st.booleans(),
    all=st.booleans(),
)


def says(told: Changed, changed: Changed) -> bool:
    return told.all or (
        (told.runs >= changed.runs or told.every_run)
        and told.every_run >= changed.every_run
        and told.experiments >= changed.experiments
        and told.models >= changed.models
        and told.deployments >= changed.deployments
        and told.predictions >= changed.predictions
        and told.environments >= changed.environments
        and not changed.all
    )


@given(ANY, ANY)
def test_both_together_say_what_each_says(one, other) -> None:
    together = one | other
    assert says(together, one)
    assert says(together, other)
    for named in (together.runs, together.experiments, together.models, together.deployments, together.predictions):
        assert len(named) <= MOST_NAMED
    assert bool(together) == (bool(one) or bool(other))


def test_nothing_is_nothing() -> None:
    assert not Changed()
    assert not (Changed() | Changed())
