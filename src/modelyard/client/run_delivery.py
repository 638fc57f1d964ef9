"""Delivers what concerns runs as a whole: their beginning and end, tags taken away, inputs, outputs, artifacts."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from modelyard.domain.errors import AlreadyExists, InvalidArgument, InvalidState, ModelyardError, NotFound, NotSupported
from modelyard.domain.validation import MOST_METRICS

from .exchange import Line, Refused, Unreachable, ask, calling, mlflow
from .journal.journal import about, found
from .journal.ledger import KnownRun, Ledger
from .transport import NATIVE

if TYPE_CHECKING:
    from .journal.journal import Journal

PARENT_TAG: Final = "mlflow.parentRunId"
RUN_TAG: Final = "modelyard.run_id"
"""On a stock MLflow server, which makes its own ids: the id that the client made."""

T = TypeVar("T")


class RunDelivery:
    """The runs of one journal on one server.

    Args:
        journal: where they were recorded.
        line: to the server.
        unsure: whether something of it may have been delivered without our knowing.
    """

    def __init__(self, journal: Journal, line: Line, *, unsure: bool) -> None:
        self._journal = journal
        self._ledger = journal.ledger
        self._line = line
        self._unsure = unsure
        self._tried: set[str] = set()  # runs whose creation may have arrived
        self._refused: dict[str, ModelyardError] = {}
        self._experiments: dict[str, str] = {}
        self._folders: dict[str, Any] = {}

    @property
    def native(self) -> bool:
        """Whether the server is ours.

        Raises:
            Unreachable: nobody answers.
        """
        try:
            with calling():
                return self._line.transport.server.native
        except Refused as refused:  # whoever refuses to say its version is not a tracking server
            raise Unreachable(refused.error.message) from refused

    # -------------------------------------------------------------------------------- ids

    def refuse(self, run: str, error: ModelyardError) -> None:
        """Remember that a run was refused: what belongs to it will be, too."""
        self._refused[run] = error

    def refuses(self, run: str) -> bool:
        """Whether a run was refused."""
        return run in self._refused

    def server_id(self, run: str) -> str:
        """What the server calls a run.

        Raises:
            Refused: the run itself was.
            Unreachable: it is not there yet.
        """
        if error := self._refused.get(run):
            raise Refused(type(error)(f"The run itself was refused: {error.message}"))
        known = self._ledger.get(run)
        if known.server:
            return known.server
        if self.native:
            self._ledger.note(run, server=run)
            return run
        return self._look_up(known)

    def translated(self, tags: dict[str, str]) -> dict[str, str]:
        """Tags, of which one may name a run by an id that only this journal knows."""
        known = self._ledger.runs.get(tags.get(PARENT_TAG, ""))
        return {**tags, PARENT_TAG: known.server} if known is not None and known.server else tags

    def found(self, run: str, call: Callable[[], T]) -> T:
        """Call something about a run; that the server does not know the run may be because we know it by another id.

        Raises:
            Refused: it does not know it.
            Unreachable: it does not know it yet; another journal holds it.
        """
        try:
            return call()
        except Refused as refused:
            if isinstance(refused.error, NotFound) and self._pending_elsewhere(run):
                raise Unreachable(f"run {run} is in a journal that is not delivered yet") from refused
            raise

    def can_write(self, run: str) -> bool:
        """Whether the server takes something harmless for a run: that it failed before was not its general state.

        Raises:
            Unreachable: it does not.
        """
        try:
            message = {"run_id": self.server_id(run), "tags": [{"key": RUN_TAG, "value": run}]}
            mlflow(self._line, "POST", "runs/log-batch", message)
        except Refused:
            return False
        return True

    def is_gone(self, refused: Refused) -> bool:
        """Whether the server refused because of the run rather than what is logged to it."""
        return isinstance(refused.error, NotFound | InvalidState) or "must be in the 'active' state" in str(refused)

    def _look_up(self, known: KnownRun) -> str:
        """Find the run that carries our id as a tag."""
        server, experiment = self._find(known.id, known.experiment)
        if server:
            self._ledger.note(known.id, server=server, experiment=experiment)
            return server
        if self._pending_elsewhere(known.id):
            raise Unreachable(f"run {known.id} is in a journal that is not delivered yet")
        raise Refused(NotFound(f"Run with id={known.id} not found"))

    def _find(self, run: str, experiment: str) -> tuple[str, str]:
        import msgspec

        experiments = [experiment] if experiment else self._all_experiments()
        message = {"experiment_ids": experiments, "filter": f"tags.`{RUN_TAG}` = '{run}'", "max_results": 1}
        answer = msgspec.json.decode(mlflow(self._line, "POST", "runs/search", message))
        for each in answer.get("runs", []):
            return str(each["info"]["run_id"]), str(each["info"]["experiment_id"])
        return "", ""

    def _all_experiments(self) -> list[str]:
        import msgspec

        answer = msgspec.json.decode(mlflow(self._line, "POST", "experiments/search", {"max_results": 1000}))
        return [str(each["experiment_id"]) for each in answer.get("experiments", [])]

    def _pending_elsewhere(self, run: str) -> bool:
        """Whether another journal of this machine began the run and still has something to deliver."""
        return any(known.begun and not known.server for known in self._elsewhere(run))

    def lives_elsewhere(self, run: str) -> bool:
        """Whether another process of this machine has the run open."""
        return any(known.open for known in self._elsewhere(run))

    def _elsewhere(self, run: str) -> list[KnownRun]:
        others = [
            Ledger.read(folder / "runs.jsonl").runs.get(run)
            for folder in found()
            if folder != self._journal.folder and about(folder).get("uri") == self._journal.uri
        ]
        return [known for known in others if known is not None]

    # -------------------------------------------------------------------------------- records

    def deliver(self, kind: str, run: str, content: dict[str, Any]) -> None:
        """Deliver one record that is neither params nor tags.

        Raises:
            Unreachable: try again later.
            Refused: do not.
        """
        work = {
            "start": self._start, "resume": self._resume, "untag": self._untag, "inputs": self._inputs,
            "outputs": self._outputs, "model_metrics": self._model_metrics, "artifact": self._artifact,
            "update": self._update,
        }.get(kind)  # fmt: skip
        if work is None:
            raise Refused(InvalidArgument(f"A record of the unknown kind {kind!r}: it was written by a newer version."))
        self.found(run, lambda: work(run, content))

    def _start(self, run: str, content: dict[str, Any]) -> None:
        known = self._ledger.get(run)
        if known.server and known.experiment:
            return
        if self.native:
            server, experiment = self._start_native(run, content)
        else:
            server, experiment = self._start_stock(run, content)
        self._ledger.note(run, server=server, experiment=experiment)

    def _start_native(self, run: str, content: dict[str, Any]) -> tuple[str, str]:
        import msgspec

        message: dict[str, Any] = {"run_id": run, "start_ms": content["start_ms"], "tags": content["tags"]}
        if content.get("experiment_id"):
            message["experiment_id"] = _number(content["experiment_id"])
        else:
            message["experiment_name"] = content["experiment_name"]
        for theirs, ours in (("name", "name"), ("user", "user")):
            if content.get(ours):
                message[theirs] = content[ours]
        body = msgspec.json.encode(message)
        try:
            answer = msgspec.json.decode(ask(self._line, "POST", f"{NATIVE}runs", body))
        except Refused as refused:
            if isinstance(refused.error, AlreadyExists):  # ours, changed since: renamed, moved
                return run, self._experiment_of(run)
            raise
        return str(answer["run_id"]), str(answer["experiment_id"])

    def _start_stock(self, run: str, content: dict[str, Any]) -> tuple[str, str]:
        import msgspec

        experiment = str(content.get("experiment_id") or "") or self._experiment(content["experiment_name"])
        if self._unsure or run in self._tried:
            server, where = self._find(run, experiment)
            if server:
                return server, where
        self._tried.add(run)
        tags = {**self.translated(content["tags"]), RUN_TAG: run}
        message = {
            "experiment_id": experiment, "start_time": content["start_ms"], "user_id": content.get("user", ""),
            "run_name": content.get("name", ""), "tags": [{"key": key, "value": tags[key]} for key in tags],
        }  # fmt: skip
        answer = msgspec.json.decode(mlflow(self._line, "POST", "runs/create", message))
        return str(answer["run"]["info"]["run_id"]), str(answer["run"]["info"]["experiment_id"])

    def _experiment(self, name: str) -> str:
        """The id of an experiment, which is made if there is none of this name."""
        import msgspec

        known = self._experiments.get(name)
        if known:
            return known
        for _ in range(2):
            try:
                answer = msgspec.json.decode(
                    mlflow(self._line, "GET", "experiments/get-by-name", {"experiment_name": name})
                )
            except Refused as refused:
                if not isinstance(refused.error, NotFound):
                    raise
            else:
                experiment = answer["experiment"]
                if experiment.get("lifecycle_stage") == "deleted":
                    raise Refused(
                        InvalidState(f"The experiment {name!r} is in the trash; restore it, or take another name.")
                    )
                self._experiments[name] = str(experiment["experiment_id"])
                return self._experiments[name]
            with contextlib.suppress(Refused):  # somebody else made it meanwhile, or the next look says what is wrong
                answer = msgspec.json.decode(mlflow(self._line, "POST", "experiments/create", {"name": name}))
                self._experiments[name] = str(answer["experiment_id"])
                return self._experiments[name]
        mlflow(self._line, "POST", "experiments/create", {"name": name})
        return self._experiment(name)

    def _resume(self, run: str, content: dict[str, Any]) -> None:
        server = self.server_id(run)
        experiment = self._experiment_of(server)
        mlflow(self._line, "POST", "runs/update", {"run_id": server, "status": "RUNNING"})
        self._ledger.note(run, server=server, experiment=experiment)
        del content

    def _info(self, server: str) -> dict[str, Any]:
        import msgspec

        info: dict[str, Any] = msgspec.json.decode(mlflow(self._line, "GET", "runs/get", {"run_id": server}))["run"][
            "info"
        ]
        return info

    def _experiment_of(self, server: str) -> str:
        return str(self._info(server)["experiment_id"])

    def _untag(self, run: str, content: dict[str, Any]) -> None:
        message = {"run_id": self.server_id(run), "key": content["key"]}
        try:
            mlflow(self._line, "POST", "runs/delete-tag", message)
        except Refused as refused:
            if not (isinstance(refused.error, NotFound) and self._again(content)):
                raise
        except Unreachable:
            content["again"] = True
            raise

    def _again(self, content: dict[str, Any]) -> bool:
        return self._unsure or bool(content.get("again"))

    def _inputs(self, run: str, content: dict[str, Any]) -> None:
        message = {"run_id": self.server_id(run), "datasets": content["datasets"]}
        mlflow(self._line, "POST", "runs/log-inputs", message, optional=True)

    def _outputs(self, run: str, content: dict[str, Any]) -> None:
        message = {"run_id": self.server_id(run), "models": content["models"]}
        try:
            mlflow(self._line, "POST", "runs/outputs", message, optional=True)
        except Refused as refused:
            if not isinstance(refused.error, NotSupported):  # MLflow 2.x has no logged models to link to
                raise

    def _model_metrics(self, run: str, content: dict[str, Any]) -> None:
        """Points of a logged model; the run gets them in any case."""
        linked = content["metrics"]
        alone = [{key: point[key] for key in ("key", "value", "timestamp", "step")} for point in linked]
        why: Refused | None = None
        if self.native or self._line.transport.server.version >= (3,):
            try:
                self._log_metrics(run, linked)
            except Refused as refused:
                if self.is_gone(refused) and not _about_model(refused, linked):
                    raise
                why = refused
            else:
                return
        self._log_metrics(run, alone)
        if why is not None:
            raise why

    def _log_metrics(self, run: str, metrics: list[dict[str, Any]]) -> None:
        for at in range(0, len(metrics), MOST_METRICS):
            message = {"run_id": self.server_id(run), "metrics": metrics[at : at + MOST_METRICS]}
            mlflow(self._line, "POST", "runs/log-batch", message)

    def _update(self, run: str, content: dict[str, Any]) -> None:
        message = {"run_id": self.server_id(run)}
        for theirs, ours in (("status", "status"), ("end_time", "end_ms"), ("run_name", "name")):
            if content.get(ours) is not None:
                message[theirs] = content[ours]
        mlflow(self._line, "POST", "runs/update", message)

    def kill(self, known: KnownRun, end_ms: int) -> None:
        """End a run whose process died, unless somebody ended it meanwhile."""
        if self._info(known.server)["status"] in ("RUNNING", "SCHEDULED"):
            message = {"run_id": known.server, "status": "KILLED", "end_time": end_ms or time.time_ns() // 1_000_000}
            mlflow(self._line, "POST", "runs/update", message)

    # -------------------------------------------------------------------------------- artifacts

    def folder(self, run: str) -> Any:
        """The folder of a run's artifacts.

        Raises:
            Unreachable: try again later.
            Refused: there is no such run, or no way to its artifacts from here.
        """
        server = self.server_id(run)
        folder = self._folders.get(server)
        if folder is None:
            from .folders import folder_at

            with calling():
                folder = self._folders[server] = folder_at(self._line.transport, self._info(server)["artifact_uri"])
        return folder

    def _artifact(self, run: str, content: dict[str, Any]) -> None:
        from .transfers import upload_file

        try:
            source = self._journal.file(content["file"])
        except OSError as error:
            raise Refused(InvalidArgument(f"Artifact {content['path']}: {error}")) from error
        if not source.is_file():
            raise Refused(InvalidArgument(f"Artifact {content['path']}: its copy in the journal is missing."))
        folder = self.folder(run)
        with calling():
            upload_file(folder, content["path"], source)

    def forget_file(self, content: dict[str, Any]) -> None:
        """Delete the journal's copy of an artifact."""
        with contextlib.suppress(OSError):
            self._journal.file(content["file"]).unlink()


def _number(experiment_id: str) -> int:
    try:
        return int(experiment_id)
    except ValueError:
        raise Refused(
            InvalidArgument(f"Invalid experiment ID {experiment_id!r}. Experiment ID must be a valid integer.")
        ) from None


def _about_model(refused: Refused, metrics: list[dict[str, Any]]) -> bool:
    """Whether it is the logged model that the server does not know, and not the run."""
    return isinstance(refused.error, NotFound) and any(point["model_id"] in str(refused) for point in metrics)
