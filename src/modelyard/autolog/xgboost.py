"""Autologging of xgboost."""
