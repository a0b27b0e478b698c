"""Counting k-mers: packed, in ranges or a dense table."""
