"""What domains of words share: documents, sentences, pairs of them."""
