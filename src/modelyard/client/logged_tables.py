"""Tables of the active run: rows that are added to over time, as JSON (or Parquet) among its artifacts.

The form is MLflow's: `{"columns": [...], "data": [[...], ...]}`, and the run's tag `mlflow.loggedArtifacts` that lists
the tables. What this process has logged to a table it remembers until the run ends, so that adding rows needs no
server.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from modelyard.domain.errors import NotFound

from . import renderings
from .active import state
from .lifecycle import recorder_of, recorder_uri
from .logged_files import missed, store

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .active import ActiveRun
    from .recorder import RunRecorder

_FORBIDDEN: Final = "\"',:[]{}"


def log_table(data: Mapping[str, Any] | Any, artifact_file: str, run_id: str | None = None) -> None:
    """Add rows to a table of the active run; the first time, that makes the table.

    Args:
        data: a DataFrame, or a dict of columns (or of one row's values). Images in it (Pillow's or `Image`) become
            files.
        artifact_file: the table's path among the run's artifacts; ends with `.json` or `.parquet`.
        run_id: another run than the active one.

    Raises:
        ValueError: the path has another end, or one of `" ' , : [ ] { }`.
    """
    _check(artifact_file)
    recorder = recorder_of(run_id)
    run = next((run for run in state.newest_first() if run.recorder is recorder), None)
    try:
        files = renderings.table(data, artifact_file, _before(recorder, run, artifact_file))
        for path, body in files.items():
            store(recorder, path, body)
        if run is not None:
            run.tables[artifact_file] = files[artifact_file]
        _list(recorder, run, artifact_file)
    except Exception as error:  # noqa: BLE001 - cells of any type, with their own ways to fail
        missed(recorder, artifact_file, error)


def load_table(
    artifact_file: str, run_ids: Sequence[str] | None = None, extra_columns: Sequence[str] | None = None
) -> Any:
    """Read a table from all runs of the current experiment that have it, one below the other.

    Args:
        artifact_file: the table's path among each run's artifacts.
        run_ids: only from these runs.
        extra_columns: what tells the runs apart, to be added as columns: such as `run_id` or `params.rate`.

    Returns:
        A DataFrame.

    Raises:
        NotFound: no run has such a table.
    """
    from .client import Client
    from .current_experiment import current_experiment_id

    _check(artifact_file)
    return Client().load_table(current_experiment_id(), artifact_file, run_ids, extra_columns)


def _check(artifact_file: str) -> None:
    if wrong := sorted(set(artifact_file) & set(_FORBIDDEN)):
        raise ValueError(f"The artifact_file contains forbidden character: {wrong[0]}")
    if not artifact_file.endswith((".json", ".parquet")):
        raise ValueError(f"Invalid artifact file path {artifact_file!r}: a table ends with .json or .parquet.")


def _before(recorder: RunRecorder, run: ActiveRun | None, artifact_file: str) -> bytes | None:
    """The table as it is: as we know it, or as the server does. A run that began here has none that we do not know."""
    import tempfile
    from pathlib import Path

    from .client import Client

    if run is not None and (artifact_file in run.tables or not run.resumed):
        known: bytes | None = run.tables.get(artifact_file)
        return known
    try:
        with tempfile.TemporaryDirectory(prefix="modelyard-") as folder:
            client = Client(recorder_uri(recorder))
            return Path(client.download_artifacts(recorder.run_id, artifact_file, folder)).read_bytes()
    except NotFound:
        return None


def _list(recorder: RunRecorder, run: ActiveRun | None, artifact_file: str) -> None:
    """Note the table in the run's list of tables."""
    if run is not None:
        tags = run.data.tags
    else:
        from .client import Client

        tags = Client(recorder_uri(recorder)).get_run(recorder.run_id).data.tags
    listed = json.loads(tags.get(renderings.TABLES_TAG, "[]"))
    entry = {"path": artifact_file, "type": "table"}
    if entry not in listed:
        tags[renderings.TABLES_TAG] = json.dumps([*listed, entry])
        recorder.set_tags({renderings.TABLES_TAG: tags[renderings.TABLES_TAG]})
