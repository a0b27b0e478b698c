"""Running a trained encoder: windows, pooling, embeddings, scores, predictions."""
