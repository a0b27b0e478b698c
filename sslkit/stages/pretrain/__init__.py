"""``sslkit pretrain``: ``run`` is the story, top to bottom."""
