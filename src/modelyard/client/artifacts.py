"""`Client`: files of runs and of logged models."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelyard.domain.errors import InvalidArgument, NotFound

from . import messages
from .entities import FileInfo
from .logged_models import LoggedModels
from .runs import Runs, now

if TYPE_CHECKING:
    from .folders import Folder
    from .progress import Progress

Report = Callable[["Progress"], None]


class Artifacts(Runs, LoggedModels):
    """Artifacts: files below a run's or a logged model's own root."""

    def log_artifact(
        self,
        run_id: str,
        local_path: str | os.PathLike[str],
        artifact_path: str | None = None,
        report: Report | None = None,
    ) -> None:
        """Upload a file, or a directory under its own name.

        Args:
            run_id: which run.
            local_path: the file or directory.
            artifact_path: the folder among the run's artifacts that it is put into; None: their root.
            report: told how far it is.

        Raises:
            InvalidArgument: there is no such file.
            NotFound: there is no such run.
        """
        self._upload(self.run_folder(run_id), Path(local_path), artifact_path, report)

    def log_artifacts(
        self,
        run_id: str,
        local_dir: str | os.PathLike[str],
        artifact_path: str | None = None,
        report: Report | None = None,
    ) -> None:
        """Upload all files below a directory; arguments as of `log_artifact`."""
        self._upload_tree(self.run_folder(run_id), Path(local_dir), artifact_path, report)

    def list_artifacts(self, run_id: str, path: str | None = None) -> list[FileInfo]:
        """One folder of a run's artifacts; nothing if it is a file, or missing.

        Args:
            run_id: which run.
            path: the folder; None: the root.
        """
        return self._list("artifacts/list", {"run_id": run_id, "path": path or None})

    def download_artifacts(
        self, run_id: str, path: str, dst_path: str | os.PathLike[str] | None = None, report: Report | None = None
    ) -> str:
        """Download a file or a folder.

        Args:
            run_id: which run.
            path: the file or folder among its artifacts; empty: all.
            dst_path: a directory, made if it is missing; None: a new temporary one, which is the caller's.
            report: told how far it is.

        Returns:
            Where it is now: `dst_path` and `path` together.

        Raises:
            NotFound: the run has nothing of this path.
        """
        return fetch(self.run_folder(run_id), path, dst_path, report)

    def log_text(self, run_id: str, text: str, artifact_file: str) -> None:
        """Log a text as a file, in UTF-8."""
        self._put(run_id, {artifact_file: text.encode()})

    def log_dict(self, run_id: str, dictionary: Any, artifact_file: str) -> None:
        """Log a dict as a JSON file, or as YAML if the file is named so."""
        from . import renderings

        self._put(run_id, {artifact_file: renderings.dictionary(dictionary, artifact_file)})

    def log_stream(self, run_id: str, stream: Any, artifact_file: str) -> None:
        """Log what a binary file object holds, read from where it stands, as a file."""
        with tempfile.TemporaryDirectory(prefix="modelyard-") as folder:
            path = Path(folder) / "stream"
            with path.open("wb") as file:
                while block := stream.read(2**20):
                    file.write(block)
            self._put(run_id, {artifact_file: path})

    def log_figure(
        self, run_id: str, figure: Any, artifact_file: str, *, save_kwargs: Mapping[str, Any] | None = None
    ) -> None:
        """Log a figure of Matplotlib or Plotly, in the format that the file's name says.

        Args:
            run_id: which run.
            figure: the figure.
            artifact_file: such as `plots/loss.png`, or `loss.html` for Plotly.
            save_kwargs: passed on to the library.
        """
        from . import renderings

        self._put(run_id, {artifact_file: renderings.figure(figure, artifact_file, save_kwargs)})

    def log_image(
        self,
        run_id: str,
        image: Any,
        artifact_file: str | None = None,
        key: str | None = None,
        step: int | None = None,
        timestamp: int | None = None,
        synchronous: bool | None = None,  # noqa: ARG002, FBT001 - MLflow's signature
    ) -> None:
        """Log an image, as a file of its own or as one of a series.

        Args:
            run_id: which run.
            image: an image of Pillow, or an array; see `renderings.image`.
            artifact_file: the file; then nothing of the rest.
            key: the series' name.
            step: where it belongs in the series; None: 0.
            timestamp: ms since the epoch; None: now.
            synchronous: as in MLflow; it is uploaded at once in any case.

        Raises:
            InvalidArgument: both a file and a key are given, or neither.
        """
        from . import renderings

        if (artifact_file is None) == (key is None) or (artifact_file and (step, timestamp) != (None, None)):
            raise InvalidArgument("Either artifact_file or key, perhaps with step and timestamp, is expected.")
        if artifact_file is not None:
            self._put(run_id, {artifact_file: renderings.image(image, artifact_file)})
            return
        stamp = timestamp if timestamp is not None else now()
        self._put(run_id, renderings.keyed_image(image, str(key), step or 0, stamp))
        self.set_tag(run_id, renderings.IMAGES_TAG, value=True)

    def log_table(self, run_id: str, data: Any, artifact_file: str) -> None:
        """Log a table; rows are added to those that are in the file already.

        Args:
            run_id: which run.
            data: a DataFrame, or a dict of columns.
            artifact_file: such as `table.json`; `.parquet` needs pandas and pyarrow.
        """
        from . import renderings

        self._put(run_id, renderings.table(data, artifact_file, self._bytes(run_id, artifact_file)))
        tables = json.loads(self.get_run(run_id).data.tags.get(renderings.TABLES_TAG, "[]"))
        entry = {"path": artifact_file, "type": "table"}
        if entry not in tables:
            self.set_tag(run_id, renderings.TABLES_TAG, json.dumps([*tables, entry]))

    def load_table(
        self,
        experiment_id: str,
        artifact_file: str,
        run_ids: Sequence[str] | None = None,
        extra_columns: Sequence[str] | None = None,
    ) -> Any:
        """Read a table of several runs as one DataFrame.

        Args:
            experiment_id: where the runs are.
            artifact_file: the table's file.
            run_ids: only of these runs; None: of all that have it.
            extra_columns: columns to add that tell the runs apart: `run_id`, `run_name`, `status`, `start_time`, or
                `params.x`, `metrics.x`, `tags.x`.

        Raises:
            NotFound: no run has such a table.
        """
        import pandas as pd

        from . import renderings

        frames = []
        for run in self.search_runs([experiment_id], f"tags.`{renderings.TABLES_TAG}` LIKE '%{artifact_file}%'"):
            data = self._bytes(run.info.run_id, artifact_file) if not run_ids or run.info.run_id in run_ids else None
            if data is None:
                continue
            frame = renderings.read_table(data, artifact_file)
            for column in extra_columns or ():
                kind, _, key = column.partition(".")
                value = getattr(run.data, kind, {}).get(key) if key else getattr(run.info, column, None)
                frame[f"{column}_" if column in frame else column] = value
            frames.append(frame)
        if not frames:
            raise NotFound(f"No run of experiment {experiment_id} has the table {artifact_file!r}.")
        return pd.concat(frames, ignore_index=True)

    # -------------------------------------------------------------------------------- logged models

    def log_model_artifact(
        self,
        model_id: str,
        local_path: str | os.PathLike[str],
        artifact_path: str | None = None,
        report: Report | None = None,
    ) -> None:
        """Upload a file of a logged model; arguments as of `log_artifact`."""
        self._upload(self.model_folder(model_id), Path(local_path), artifact_path, report)

    def log_model_artifacts(
        self,
        model_id: str,
        local_dir: str | os.PathLike[str],
        artifact_path: str | None = None,
        report: Report | None = None,
    ) -> None:
        """Upload all files below a directory as files of a logged model; arguments as of `log_artifact`."""
        self._upload_tree(self.model_folder(model_id), Path(local_dir), artifact_path, report)

    def list_logged_model_artifacts(self, model_id: str, path: str | None = None) -> list[FileInfo]:
        """One folder of a logged model's files; arguments as of `list_artifacts`."""
        from urllib.parse import quote

        place = f"logged-models/{quote(model_id, safe='')}/artifacts/directories"
        return self._list(place, {"artifact_directory_path": path or None})

    # -------------------------------------------------------------------------------- inside

    def run_folder(self, run_id: str) -> Folder:
        """Where a run's artifacts are. Modelyard's own."""
        from .folders import folder_at

        return folder_at(self.tracking, self.get_run(run_id).info.artifact_uri)

    def model_folder(self, model_id: str) -> Folder:
        """Where a logged model's files are. Modelyard's own."""
        from .folders import folder_at

        return folder_at(self.tracking, self.get_logged_model(model_id).artifact_location)

    def _list(self, place: str, message: dict[str, Any]) -> list[FileInfo]:
        found: list[FileInfo] = []
        token = ""
        while True:
            asked = {**message, "page_token": token or None}
            answer = self._track("GET", place, asked, messages.FilesAnswer)
            found += answer.files
            token = answer.next_page_token
            if not token:
                return found

    def _put(self, run_id: str, files: Mapping[str, bytes | Path]) -> None:
        from . import transfers

        folder = self.run_folder(run_id)
        for path, content in files.items():
            transfers.upload_file(folder, path, content)

    def _bytes(self, run_id: str, path: str) -> bytes | None:
        """The content of a file; None if there is none."""
        from . import transfers

        folder = self.run_folder(run_id)
        if transfers.find_file(folder, path) is None:
            return None
        with tempfile.TemporaryDirectory(prefix="modelyard-") as directory:
            target = Path(directory) / "file"
            transfers.download_file(folder, path, target, summed=False)
            return target.read_bytes()

    def _upload(self, folder: Folder, source: Path, path: str | None, report: Report | None) -> None:
        from . import transfers

        prefix = path.rstrip("/") + "/" if path else ""
        if source.is_dir():
            self._upload_tree(folder, source, prefix + source.resolve().name, report)
            return
        counted = transfers.Progress(report)
        transfers.upload_file(folder, prefix + source.name, source, counted)
        counted.finish()

    def _upload_tree(self, folder: Folder, source: Path, path: str | None, report: Report | None) -> None:
        from . import transfers

        counted = transfers.Progress(report)
        transfers.upload_folder(folder, path or "", source, counted)
        counted.finish()


def fetch(folder: Folder, path: str, directory: str | os.PathLike[str] | None, report: Report | None = None) -> str:
    """Download a file or a folder into a directory, under its whole path.

    Args:
        folder: where from.
        path: the file or folder; empty: all.
        directory: made if it is missing; None: a new temporary one.
        report: told how far it is.

    Returns:
        Where it is now.

    Raises:
        NotFound: there is nothing of this path.
    """
    from modelyard.artifacts.paths import contained

    from . import transfers

    whole = contained(path)
    root = Path(directory) if directory is not None else Path(tempfile.mkdtemp(prefix="modelyard-"))
    counted = transfers.Progress(report)
    target = root / whole
    if transfers.find_file(folder, whole) is not None:
        transfers.download(folder, whole, target.parent, counted, summed=False)
    else:
        transfers.download(folder, whole, target, counted, summed=False)
    counted.finish()
    return str(target)
