"""Counts that exceed the memory: sorted runs on disk, merged."""
