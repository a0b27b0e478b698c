"""``sslkit embed``: ``run`` is the story, top to bottom."""
