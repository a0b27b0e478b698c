"""Simple models on frozen features, metrics and intervals."""
