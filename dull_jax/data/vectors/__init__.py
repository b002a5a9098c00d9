"""Embeddings that people have already: files of vectors, their ids, labels and parts."""
