"""The one training loop and what serves it."""
