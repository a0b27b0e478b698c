"""Self-supervised pretraining pipelines for scientific data, from the command line."""

__version__ = "0.1.0"
