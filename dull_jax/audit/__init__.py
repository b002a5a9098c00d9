"""Finds the labels that are wrong; `python -m dull_jax.audit` is its command."""
