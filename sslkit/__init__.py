"""Self-supervised pretraining pipelines for scientific data, from the command line."""
