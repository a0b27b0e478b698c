"""One file per stage: its whole story from top to bottom."""
