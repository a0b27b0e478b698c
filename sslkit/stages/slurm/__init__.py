"""``sslkit slurm``: ``run`` is the story, top to bottom."""
