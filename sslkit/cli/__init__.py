"""One file per command: parse, one late import, one call. Nothing heavy at module level."""
