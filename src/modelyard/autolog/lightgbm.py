"""Autologging of lightgbm."""
