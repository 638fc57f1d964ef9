"""Autologging of keras."""
