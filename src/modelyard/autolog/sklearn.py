"""Autologging of sklearn."""
