"""Exact token counts in bounded memory, and the vocabulary made from them."""
