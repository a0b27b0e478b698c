"""What stages exchange on disk: checkpoints, tables, manifests."""
