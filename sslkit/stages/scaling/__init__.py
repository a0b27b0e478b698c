"""``sslkit scaling``: ``run`` is the story, top to bottom."""
