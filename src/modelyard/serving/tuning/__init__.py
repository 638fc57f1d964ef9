"""What makes a loaded model quick for small batches, without changing an answer."""

from modelyard.serving.tuning.tuners import tune

__all__ = ["tune"]
