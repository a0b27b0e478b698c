"""Opening, reading and atomically writing files of all kinds."""
