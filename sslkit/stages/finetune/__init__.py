"""``sslkit finetune``: ``run`` is the story, top to bottom."""
