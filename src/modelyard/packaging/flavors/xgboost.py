"""The xgboost flavor."""
