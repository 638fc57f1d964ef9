"""`modelyard reproduce`: code and environment of a run rebuilt in a fresh directory, run again, and compared."""
