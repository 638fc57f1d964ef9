"""The model that does what its input says, as the tests of the model server have it."""

from tests.serving.live.conftest import moody

__all__ = ["moody"]
