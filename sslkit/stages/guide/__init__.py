"""``sslkit guide``: ``run`` is the story, top to bottom."""
