"""Skip-gram by gensim: vectors of the ids in a text of them, and the seconds that it took.

python peer_skipgram.py CORPUS SIZE EPOCHS OUT
"""

import sys
import time

import numpy as np
from gensim.models import Word2Vec

corpus, size, epochs, out = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
model = Word2Vec(
    vector_size=100, window=5, negative=5, sg=1, min_count=1, workers=1, sample=1e-3, seed=1
)
model.build_vocab(corpus_file=corpus)
start = time.process_time()
model.train(
    corpus_file=corpus,
    total_examples=model.corpus_count,
    total_words=model.corpus_total_words,
    epochs=epochs,
)
seconds = time.process_time() - start
centres, contexts = np.zeros((2, size, 100), np.float32)
for word, at in model.wv.key_to_index.items():
    centres[int(word)], contexts[int(word)] = model.wv.vectors[at], model.syn1neg[at]
np.savez(out, centres=centres, contexts=contexts)
print(seconds)
