"""Autologging of optuna."""
