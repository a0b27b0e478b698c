"""What a label is attached to: how it is read, learned, predicted and judged."""
