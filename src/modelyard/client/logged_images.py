"""Figures and images of the active run. What cannot be drawn is reported once, and stops nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from . import renderings
from .lifecycle import recorder_of
from .logged_files import missed, store

if TYPE_CHECKING:
    from collections.abc import Mapping


def log_figure(figure: Any, artifact_file: str, *, save_kwargs: Mapping[str, Any] | None = None) -> None:
    """Log a figure of Matplotlib or Plotly as a file of the active run.

    Args:
        figure: the figure.
        artifact_file: its path among the run's artifacts; the name's end says the format (Plotly: also `.html`).
        save_kwargs: for `savefig`, `write_html` or `write_image`.
    """
    recorder = recorder_of(None)
    try:
        body = renderings.figure(figure, artifact_file, save_kwargs)
    except Exception as error:  # noqa: BLE001 - drawing runs other people's code
        missed(recorder, artifact_file, error)
    else:
        store(recorder, artifact_file, body)


def log_image(
    image: Any,
    artifact_file: str | None = None,
    key: str | None = None,
    step: int | None = None,
    timestamp: int | None = None,
    synchronous: bool | None = False,  # noqa: FBT001, FBT002 - MLflow's signature
) -> None:
    """Log an image of the active run: as a file, or as one of a series over steps.

    Args:
        image: a NumPy array of height x width (x 1, 3 or 4), with integers of 0 to 255 or floats of 0 to 1; an image
            of Pillow; or an `Image`.
        artifact_file: the path of a file; or
        key: the name of a series, such as `samples/epoch`.
        step: in the series; 0 when left out.
        timestamp: milliseconds since the epoch; now when left out.
        synchronous: True waits for the delivery.

    Raises:
        TypeError: not exactly one of `artifact_file` and `key` is given.
    """
    if artifact_file is not None and any(given is not None for given in (key, step, timestamp)):
        raise TypeError("Give `artifact_file` alone, or `key` with `step` and `timestamp`; not both.")
    if artifact_file is None and key is None:
        raise TypeError("Give exactly one of `artifact_file`, for a file, and `key`, for a series.")
    recorder = recorder_of(None)
    try:
        if artifact_file is not None:
            files = {artifact_file: renderings.image(image, artifact_file)}
        else:
            now = timestamp or time.time_ns() // 1_000_000
            files = renderings.keyed_image(image, str(key), step or 0, now)
    except Exception as error:  # noqa: BLE001 - as above
        missed(recorder, str(artifact_file or key), error)
        return
    for path, body in files.items():
        store(recorder, path, body)
    if key is not None:
        recorder.set_tags({renderings.IMAGES_TAG: "True"})
    if synchronous:
        recorder.wait()


class Image:
    """An image to log, or to put into a table.

    Args:
        image: a NumPy array (see `log_image`), a nested list, an image of Pillow, or the path of a file.

    Raises:
        InvalidArgument: it is none of these.
    """

    def __init__(self, image: Any) -> None:
        if isinstance(image, str):
            import PIL.Image

            image = PIL.Image.open(image)
        elif isinstance(image, list):
            import numpy as np

            image = np.array(image)
        self.image = renderings.pillow(image)
        self.size = self.image.size

    def to_pil(self) -> Any:
        """As an image of Pillow."""
        return self.image

    def to_array(self) -> Any:
        """As a NumPy array."""
        import numpy as np

        return np.array(self.image)

    def to_list(self) -> list[Any]:
        """As a list of pixels."""
        array = self.to_array()
        pixels: list[Any] = array.reshape(-1, *array.shape[2:]).tolist()
        return [tuple(pixel) if isinstance(pixel, list) else pixel for pixel in pixels]

    def save(self, path: str) -> None:
        """Write it to a file."""
        self.image.save(path)

    def resize(self, size: tuple[int, int]) -> Image:
        """A copy of another size."""
        return Image(self.image.resize(size))
