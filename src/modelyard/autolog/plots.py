"""Small pictures of what was learnt, beside the same figures as JSON.

The JSON is always written. A picture is drawn only if the script has loaded matplotlib itself: nobody's training waits
for a plotting library that it never asked for. `pyplot` is not used, so that no window, backend or figure of the user's
is touched.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Final

from modelyard.client import fluent

from .patching import attempt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MOST_CLASSES: Final = 50
_MOST_BARS: Final = 50


def log_confusion(targets: Any, predicted: Any) -> None:
    """Log how often each class was taken for each other on the training data: `training_confusion_matrix.json`.

    Rows are true classes, columns predicted ones. Nothing is logged for more than 50 classes or several outputs.
    """
    import numpy as np
    from sklearn.metrics import confusion_matrix
    from sklearn.utils.multiclass import unique_labels

    if np.ndim(targets) != 1 or np.ndim(predicted) != 1:
        return
    labels = unique_labels(targets, predicted)
    if len(labels) > _MOST_CLASSES:
        return
    counts = confusion_matrix(targets, predicted, labels=labels)
    names = [str(label) for label in labels]
    fluent.log_dict({"labels": names, "counts": counts.tolist()}, "training_confusion_matrix.json")
    if "matplotlib" in sys.modules:
        with attempt("plots", "confusion matrix"):
            _draw_confusion(names, counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))


def _figure(width: float, height: float) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _draw_confusion(names: Sequence[str], shares: Any) -> None:
    figure = _figure(5.0, 4.0)
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, ax=axes)
    axes.set(
        title="Normalized confusion matrix",
        xlabel="Predicted label",
        ylabel="True label",
        xticks=range(len(names)),
        yticks=range(len(names)),
    )
    axes.set_xticklabels(names, rotation=90 if len(names) > 5 else 0)
    axes.set_yticklabels(names)
    if len(names) <= 12:
        for row in range(len(names)):
            for column in range(len(names)):
                share = shares[row, column]
                axes.text(column, row, f"{share:.2g}", ha="center", va="center", color="w" if share > 0.5 else "k")
    fluent.log_figure(figure, "training_confusion_matrix.png")


def log_importance(kind: str, importance: Mapping[str, Any]) -> None:
    """Log how much each feature matters, as `feature_importance_<kind>.json`, MLflow's name for it.

    Args:
        kind: How it is measured, e.g. "gain".
        importance: Feature → a number, or a list with one for each class.
    """
    plain = {str(name): getattr(value, "tolist", lambda value=value: value)() for name, value in importance.items()}
    fluent.log_text(json.dumps(plain, indent=2), f"feature_importance_{kind}.json")
    if "matplotlib" in sys.modules and plain:
        with attempt("plots", "feature importance"):
            _draw_importance(kind, plain)


def _draw_importance(kind: str, importance: Mapping[str, Any]) -> None:
    size = {name: sum(map(abs, value)) if isinstance(value, list) else value for name, value in importance.items()}
    names = sorted(size, key=lambda name: size[name])[-_MOST_BARS:]
    figure = _figure(6.4, 4.8 + 0.1 * max(0, len(names) - 10))
    axes = figure.add_subplot()
    axes.barh(names, [size[name] for name in names], height=0.5)
    axes.set(xlabel="Importance", title=f"Feature Importance ({kind})")
    fluent.log_figure(figure, f"feature_importance_{kind}.png")
