"""How weights are moved: one file, one optimizer."""
