"""Images and labels: `prepare.prepare` is the way in.

Nothing is imported here: processes that decode images (`own.decode_workers`) need no JAX.
"""
