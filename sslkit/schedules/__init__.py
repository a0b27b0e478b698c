"""Learning rates over a run: one file, one schedule."""
