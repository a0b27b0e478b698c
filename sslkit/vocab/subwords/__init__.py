"""Learning subwords: byte-pair encoding and the unigram model."""
