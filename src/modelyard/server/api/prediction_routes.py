"""The endpoints of predictions, feedback and statistics."""

from __future__ import annotations

from typing import Final

from modelyard.domain.errors import NotFound
from modelyard.wire import predictions as wire
from modelyard.wire import statistics as statistics_wire

from . import predictions, statistics
from .edge import Route

PREDICTIONS: Final = [
    Route(
        "POST",
        "/predictions/batch",
        predictions.take,
        "Store what a gateway recorded; what is known already is not stored twice.",
        "Predictions",
        takes=wire.PredictionBatch,
        gives=wire.BatchTaken,
        packed=True,
    ),
    Route(
        "GET",
        "/predictions",
        predictions.listing,
        "List predictions that match, the newest first.",
        "Predictions",
        takes=wire.PredictionQuery,
        gives=wire.PredictionPage,
        errors=(NotFound,),
    ),
    Route(
        "GET",
        "/predictions/export",
        predictions.export,
        "Stream all predictions that match, the newest first, a JSON object a line.",
        "Predictions",
        takes=wire.PredictionFilter,
        errors=(NotFound,),
        media=predictions.NDJSON,
    ),
    Route(
        "GET",
        "/predictions/{prediction_id}",
        predictions.get,
        "Read a prediction with all feedback, and what shadows answered to the same request.",
        "Predictions",
        gives=wire.PredictionDetails,
        errors=(NotFound,),
    ),
    Route(
        "POST",
        "/feedback",
        predictions.feedback,
        "Say what turned out about predictions: one, or many; by id, or by the caller's own key.",
        "Predictions",
        takes=wire.NewFeedback,
        gives=wire.FeedbackTaken,
    ),
    Route(
        "GET",
        "/statistics",
        statistics.describe,
        "Read correctness, errors and latency of a deployment: overall, by version, by segment, by hour or day.",
        "Predictions",
        takes=statistics_wire.StatisticsQuery,
        gives=statistics_wire.Statistics,
        errors=(NotFound,),
    ),
    Route(
        "GET",
        "/statistics/compare",
        statistics.compare,
        "Compare two versions by their feedback: the difference, its 95 % interval, and a sentence.",
        "Predictions",
        takes=statistics_wire.ComparisonQuery,
        gives=statistics_wire.Comparison,
        errors=(NotFound,),
    ),
    Route(
        "GET",
        "/deployments/{name}/predictions",
        predictions.proxy_predictions,
        "List the answers that callers got, in the words of a prediction proxy.",
        "Predictions",
        takes=wire.ProxyQuery,
        errors=(NotFound,),
        media="application/json",
    ),
    Route(
        "GET",
        "/deployments/{name}/statistics",
        predictions.proxy_statistics,
        "Read the correctness rate, in the words of a prediction proxy.",
        "Predictions",
        gives=wire.ProxyStatistics,
        errors=(NotFound,),
    ),
]
