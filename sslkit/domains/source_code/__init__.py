"""How Python is read: lexically, by its tree, and in any encoding."""
