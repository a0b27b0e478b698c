"""Token shards, samplers, splits and batches."""
