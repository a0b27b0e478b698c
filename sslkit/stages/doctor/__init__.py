"""``sslkit doctor``: ``run`` is the story, top to bottom."""
