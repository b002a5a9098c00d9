"""Embeddings: images through a frozen backbone, once, and kept."""
