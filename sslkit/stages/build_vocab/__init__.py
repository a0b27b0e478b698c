"""``sslkit build-vocab``: ``run`` is the story, top to bottom."""
