"""Encoders. A file's name is its name on the command line."""
