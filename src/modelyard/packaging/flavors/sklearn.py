"""The sklearn flavor."""
