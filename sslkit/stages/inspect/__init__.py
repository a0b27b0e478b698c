"""``sslkit inspect``: ``run`` is the story, top to bottom."""
