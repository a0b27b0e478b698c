"""``sslkit show``: ``run`` is the story, top to bottom."""
