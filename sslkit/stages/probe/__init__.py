"""``sslkit probe``: ``run`` is the story, top to bottom."""
