"""``sslkit retrieve``: ``run`` is the story, top to bottom."""
