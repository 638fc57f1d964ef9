"""The lightgbm flavor."""
