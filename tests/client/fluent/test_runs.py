"""Runs begin, nest, go on and end as in MLflow, on our server and on a stock one."""

import threading

import pytest

from modelyard.domain.errors import InvalidArgument, InvalidState, NotFound


def test_a_run_is_what_was_said(mlflow) -> None:
    with mlflow.start_run(run_name="first", tags={"team": "risk", "n": 1}, description="a try") as run:
        assert mlflow.active_run() is run
    found = mlflow.get_run(run.info.run_id)

    assert (found.info.run_name, found.info.status) == ("first", "FINISHED")
    assert found.info.experiment_id == run.info.experiment_id
    assert found.info.end_time >= found.info.start_time > 0
    assert found.info.artifact_uri == run.info.artifact_uri
    assert dict(run.info) == dict(found.info)
    assert run.to_dictionary()["info"]["run_name"] == "first"
    tags = found.data.tags
    assert (tags["team"], tags["n"], tags["mlflow.note.content"]) == ("risk", "1", "a try")
    assert tags["mlflow.runName"] == "first"
    assert tags["mlflow.user"] == found.info.user_id
    assert tags["mlflow.source.type"] == "LOCAL"
    assert tags["mlflow.source.name"]
    assert mlflow.active_run() is None


def test_an_exception_fails_the_run_and_passes(mlflow) -> None:
    with pytest.raises(ZeroDivisionError), mlflow.start_run() as run:
        1 / 0  # noqa: B018
    assert mlflow.get_run(run.info.run_id).info.status == "FAILED"
    assert mlflow.last_active_run().info.run_id == run.info.run_id


def test_a_run_without_a_name_gets_one(mlflow) -> None:
    with mlflow.start_run() as run:
        pass
    found = mlflow.get_run(run.info.run_id)
    assert found.info.run_name == run.info.run_name == found.data.tags["mlflow.runName"]
    assert len(found.info.run_name.split("-")) == 3


def test_children_know_their_parent(mlflow) -> None:
    with mlflow.start_run() as parent:
        with pytest.raises(InvalidState, match="already active"):
            mlflow.start_run()
        with mlflow.start_run(nested=True) as child:
            mlflow.log_param("where", "child")
        mlflow.log_param("where", "parent")
    with mlflow.start_run(parent_run_id=parent.info.run_id) as later:
        pass

    for run in (child, later):
        assert mlflow.get_parent_run(run.info.run_id).info.run_id == parent.info.run_id
    assert mlflow.get_parent_run(parent.info.run_id) is None
    assert mlflow.get_run(child.info.run_id).data.params == {"where": "child"}
    assert mlflow.get_run(parent.info.run_id).data.params == {"where": "parent"}


def test_the_end_of_a_parent_ends_what_began_inside(ours) -> None:
    with ours.start_run() as parent:
        child = ours.start_run(nested=True)
    assert ours.active_run() is None
    assert ours.get_run(child.info.run_id).info.status == ours.get_run(parent.info.run_id).info.status == "FINISHED"


def test_a_run_goes_on(mlflow) -> None:
    with mlflow.start_run(run_name="day one") as run:
        mlflow.log_metric("loss", 1.0, step=0)
    with mlflow.start_run(run_id=run.info.run_id, tags={"day": 2}) as again:
        assert mlflow.get_run(run.info.run_id).info.status == "RUNNING"
        assert again.info.run_name == "day one"
        mlflow.log_metric("loss", 0.5, step=1)
    found = mlflow.get_run(run.info.run_id)

    assert again.info.run_id == run.info.run_id
    assert found.info.status == "FINISHED"
    assert found.data.metrics == {"loss": 0.5}
    assert found.data.tags["day"] == "2"


@pytest.mark.parametrize("variable", ["MLFLOW_RUN_ID", "MODELYARD_RUN_ID"])
def test_the_environment_names_the_run(ours, monkeypatch, variable) -> None:
    with ours.start_run() as run:
        pass
    monkeypatch.setenv(variable, run.info.run_id)

    with ours.start_run() as again:
        pass
    with ours.start_run() as other:
        pass

    assert again.info.run_id == run.info.run_id
    assert other.info.run_id != run.info.run_id


def test_a_run_that_does_not_exist_is_not_resumed(mlflow) -> None:
    with pytest.raises(NotFound):
        mlflow.start_run(run_id="f" * 32)
    with pytest.raises(InvalidArgument):
        mlflow.start_run(run_id="../x")
    assert mlflow.active_run() is None


def test_runs_go_to_the_trash_and_back(mlflow) -> None:
    with mlflow.start_run() as run:
        pass
    mlflow.delete_run(run.info.run_id)
    assert mlflow.search_runs(output_format="list") == []
    mlflow.restore_run(run.info.run_id)
    assert [each.info.run_id for each in mlflow.search_runs(output_format="list")] == [run.info.run_id]


def test_end_run_takes_a_status(mlflow) -> None:
    run = mlflow.start_run()
    mlflow.end_run("KILLED")
    mlflow.end_run()  # nothing is active: nothing happens
    assert mlflow.get_run(run.info.run_id).info.status == "KILLED"
    mlflow.start_run()
    with pytest.raises(InvalidArgument, match="DONE"):
        mlflow.end_run("DONE")
    assert mlflow.active_run() is not None


# ------------------------------------------------------------------------------------ threads


def in_thread(work) -> None:
    failed: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    if failed:
        raise failed[0]


def test_a_thread_without_a_run_logs_to_the_process_s(ours) -> None:
    with ours.start_run() as run:
        in_thread(lambda: ours.log_metric("from thread", 1.0))
        in_thread(ours.end_run)  # not its run: it stays
        assert ours.active_run() is run
    assert ours.get_run(run.info.run_id).data.metrics == {"from thread": 1.0}


def test_threads_that_train_side_by_side_keep_apart(ours) -> None:
    barrier = threading.Barrier(2)
    children = {}

    def train(name: str) -> None:
        with ours.start_run(run_name=name, nested=True) as child:
            children[name] = child.info.run_id
            barrier.wait(10)
            ours.log_param("name", name)
            barrier.wait(10)

    with ours.start_run() as parent:
        threads = [threading.Thread(target=train, args=(name,)) for name in ("a", "b")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        ours.log_param("name", "parent")

    for name, run_id in children.items():
        found = ours.get_run(run_id)
        assert found.data.params == {"name": name}
        assert found.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert ours.get_run(parent.info.run_id).data.params == {"name": "parent"}


# ------------------------------------------------------------------------------------ experiments


def test_experiments(mlflow, name) -> None:
    made = mlflow.create_experiment(f"{name}/made", tags={"kind": "a"})
    assert mlflow.get_experiment(made).tags["kind"] == "a"
    assert mlflow.get_experiment_by_name(f"{name}/made").experiment_id == made
    assert mlflow.get_experiment_by_name(f"{name}/none") is None
    assert [each.name for each in mlflow.search_experiments(filter_string=f"name = '{name}/made'")] == [f"{name}/made"]

    mlflow.set_experiment(experiment_id=made)
    mlflow.set_experiment_tags({"owner": "ada", "n": 2})
    with mlflow.start_run() as run:
        pass
    assert run.info.experiment_id == made
    assert mlflow.get_experiment(made).tags["owner"] == "ada"

    mlflow.delete_experiment(made)
    with pytest.raises(InvalidState, match="deleted"):
        mlflow.set_experiment(f"{name}/made")
    mlflow.restore_experiment(made)
    assert mlflow.set_experiment(f"{name}/made").experiment_id == made
    with pytest.raises(InvalidArgument, match="exactly one"):
        mlflow.set_experiment()


def test_a_run_in_a_deleted_experiment_is_refused(mlflow, name) -> None:
    made = mlflow.create_experiment(f"{name}/gone")
    mlflow.delete_experiment(made)
    with pytest.raises((InvalidArgument, InvalidState), match="active"):
        mlflow.start_run(experiment_id=made)
    assert mlflow.active_run() is None


def test_the_environment_names_the_experiment(ours, name, monkeypatch) -> None:
    from modelyard.client.active import state

    state.experiment = None
    monkeypatch.delenv("MLFLOW_EXPERIMENT_ID", raising=False)
    with ours.start_run() as run:
        assert run.info.experiment_id == "0"
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", f"{name}/env")
    with ours.start_run() as run:
        pass
    assert ours.get_experiment(ours.get_run(run.info.run_id).info.experiment_id).name == f"{name}/env"
    monkeypatch.setenv("MODELYARD_EXPERIMENT_NAME", f"{name}/ours first")
    with ours.start_run() as run:
        pass
    assert ours.get_experiment(ours.get_run(run.info.run_id).info.experiment_id).name == f"{name}/ours first"
