"""Intervals for proportions, and for the difference of two."""

from __future__ import annotations

import math
from statistics import NormalDist


def wilson(hits: int, of: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a proportion (E. B. Wilson, JASA 22, 1927); (0, 1) if there is nothing to judge by.

    Args:
        hits: how many were so.
        of: how many there were.
        confidence: between 0 and 1.
    """
    if of <= 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    p, spread = hits / of, z * z / of
    middle = (p + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(p * (1 - p) / of + spread / (4 * of))
    return max(0.0, min(p, middle - half)), min(1.0, max(p, middle + half))


def difference(hits: int, of: int, other_hits: int, other_of: int, confidence: float = 0.95) -> tuple[float, float]:
    """The interval of `hits / of - other_hits / other_of` of independent samples; (-1, 1) if one of them is empty.

    Newcombe's hybrid of two Wilson intervals (R. G. Newcombe, Statistics in Medicine 17, 1998, method 10).
    """
    if of <= 0 or other_of <= 0:
        return -1.0, 1.0
    p, q = hits / of, other_hits / other_of
    low, high = wilson(hits, of, confidence)
    other_low, other_high = wilson(other_hits, other_of, confidence)
    below = math.hypot(p - low, other_high - q)
    above = math.hypot(high - p, q - other_low)
    return max(-1.0, p - q - below), min(1.0, p - q + above)
