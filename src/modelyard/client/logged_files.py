"""Artifacts of the active run: files, folders, texts, documents.

As all logging, none of this is waited for: small files are copied into the journal and delivered later. A file that
cannot be read is reported once on the logger `modelyard`, and stops nothing.
"""

from __future__ import annotations

import os
import posixpath
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from modelyard.artifacts.paths import contained
from modelyard.domain.errors import ModelyardError

from . import renderings, reports
from .lifecycle import recorder_of, run_to_log

if TYPE_CHECKING:
    from .recorder import RunRecorder


def log_artifact(
    local_path: str | os.PathLike[str], artifact_path: str | None = None, run_id: str | None = None
) -> None:
    """Log a file, or a folder with all that is in it.

    Args:
        local_path: of the file or folder.
        artifact_path: the folder among the run's artifacts that it goes to; None: the root.
        run_id: another run than the active one.
    """
    path = Path(local_path)
    if path.is_dir():
        log_artifacts(path, posixpath.join(artifact_path or "", path.name), run_id)
    else:
        store(recorder_of(run_id), posixpath.join(artifact_path or "", path.name), path)


def log_artifacts(
    local_dir: str | os.PathLike[str], artifact_path: str | None = None, run_id: str | None = None
) -> None:
    """Log every file below a folder.

    Args:
        local_dir: the folder.
        artifact_path: the folder among the run's artifacts that its content goes to; None: the root.
        run_id: another run than the active one.
    """
    recorder = recorder_of(run_id)
    root = Path(local_dir)
    if not root.is_dir():
        missed(recorder, str(root), "it is no folder")
        return
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            store(recorder, posixpath.join(artifact_path or "", path.relative_to(root).as_posix()), path)


def log_text(text: str, artifact_file: str, run_id: str | None = None) -> None:
    """Log a text as a file in UTF-8.

    Args:
        text: the content.
        artifact_file: its path among the run's artifacts, such as `notes/summary.txt`.
        run_id: another run than the active one.
    """
    store(recorder_of(run_id), artifact_file, text.encode())


def log_dict(dictionary: Any, artifact_file: str, run_id: str | None = None) -> None:
    """Log a dict or list as a JSON file, or as YAML if the file's name ends with `.yaml` or `.yml`.

    Args:
        dictionary: the content; in JSON, what is no JSON value becomes its text.
        artifact_file: its path among the run's artifacts.
        run_id: another run than the active one.
    """
    recorder = recorder_of(run_id)
    try:
        store(recorder, artifact_file, renderings.dictionary(dictionary, artifact_file))
    except Exception as error:  # noqa: BLE001 - values of any type, with their own ways to fail
        missed(recorder, artifact_file, error)


def log_stream(stream: IO[bytes], artifact_file: str, run_id: str | None = None) -> None:
    """Log what a binary stream gives, as a file.

    Args:
        stream: read to its end.
        artifact_file: its path among the run's artifacts.
        run_id: another run than the active one.
    """
    import shutil
    import tempfile

    recorder = recorder_of(run_id)
    with tempfile.NamedTemporaryFile(prefix="modelyard-") as file:
        shutil.copyfileobj(stream, file)
        file.flush()
        store(recorder, artifact_file, Path(file.name))


def get_artifact_uri(artifact_path: str | None = None) -> str:
    """Where the active run keeps its artifacts, or one of them: a URI.

    Raises:
        Unavailable: the server, which decides it, cannot be reached.
    """
    from .client import Client

    run = run_to_log()
    root = run.info.artifact_uri or Client(run.uri).get_run(run.info.run_id).info.artifact_uri
    head, mark, query = root.partition("?")
    return f"{head.rstrip('/')}/{artifact_path.strip('/')}{mark}{query}" if artifact_path else root


def store(recorder: RunRecorder, path: str, source: Path | bytes) -> None:
    """Log one file; say so once if that fails, and go on."""
    try:
        recorder.log_artifact(contained(path), source)
    except (OSError, ModelyardError) as error:
        missed(recorder, path, error)


def missed(recorder: RunRecorder, path: str, why: object) -> None:
    """Say once that an artifact was not logged, and why."""
    reports.once(
        ("artifact", path, recorder.run_id),
        "The artifact %r of run %s was not logged: %s", path, recorder.run_id, why,
    )  # fmt: skip
