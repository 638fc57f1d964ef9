"""Autologging of lightning."""
