"""``sslkit score``: ``run`` is the story, top to bottom."""
