"""The torch flavor."""
