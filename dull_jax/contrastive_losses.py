"""Contrastive losses of DaSC (Baik et al., ECCV 2024): pure, per example, unreduced.

B anchors, M columns to compare them with, P channels, K classes. Rows that are compared are
expected to have length 1.
"""

import jax
import jax.numpy as jnp

NOBODY = -1e9  # a logit that takes no part: finite, so that gradients are


def balanced_contrastive(
    anchors: jax.Array,
    anchor_targets: jax.Array,
    columns: jax.Array,
    column_targets: jax.Array,
    self_index: jax.Array,
    temperature: float,
) -> jax.Array:
    """Balanced contrastive loss (Zhu et al. 2022) with soft positives: DaSC's SBCL.

    With s_ij = <z_i, z_j> / temperature and m_ij = <t_i, t_j>, over the columns j that are not the
    anchor itself:

      l_i = - sum_j m_ij (s_ij - log D_i) / sum_j m_ij
      D_i = sum_j exp(s_ij) / (n_j - m_ij),  n_j = number of columns with j's most likely class.

    With one-hot targets every class has the same say in D_i, the mean over its columns.

    Args:
      anchors: `[B, P]`.  anchor_targets: `[B, K]`, rows sum to 1.
      columns: `[M, P]`, the anchors and the class prototypes.
      column_targets: `[M, K]`, one-hot for a prototype.
      self_index: int `[B]`, the column that is the anchor.
      temperature: positive.

    Returns:
      `[B]`, nats; 0 for an anchor without positives.
    """
    classes = column_targets.argmax(1)
    sizes = jnp.bincount(classes, length=column_targets.shape[1])[classes]
    others = jnp.arange(len(columns)) != self_index[:, None]
    positives = anchor_targets @ column_targets.T
    # m_ij is at most 1 within a class, of two or more with the anchor, and 1/2 across classes:
    # the floor is only met where the anchor is not among the columns.
    weights = jnp.maximum(sizes - positives, 0.5)
    similarity = anchors @ columns.T / temperature
    logits = jnp.where(others, similarity - jnp.log(weights), NOBODY)
    log_probs = similarity - jax.nn.logsumexp(logits, axis=1, keepdims=True)
    positives = positives * others
    return -jnp.sum(positives * log_probs, axis=1) / jnp.maximum(positives.sum(1), 1e-12)


def instance_discrimination(
    query: jax.Array,
    key: jax.Array,
    bank: jax.Array,
    valid: jax.Array,
    temperature: float,
    target: str = "positive",
    indices: jax.Array | None = None,
) -> jax.Array:
    """Cross entropy of telling the other view of an image from a bank of features: DaSC's MIDL.

    Column 0 is the key, columns 1 … M the bank. No gradient flows into key and bank.

    Args:
      query, key: `[B, P]`, two views of the same images.
      bank: `[M, P]`.  valid: bool `[M]`, entries that are in use.
      temperature: positive.
      target: "positive", column 0, as the paper; "released", as the released code: the row with
        place i takes column i, or column 0 where there is no such column or it is not in use.
      indices: int `[B]`, for "released": indices of the rows in the global batch; None: 0 … B-1.

    Returns:
      `[B]`, nats; 0 where the key is alone.

    Raises:
      ValueError: an unknown target.
    """
    if target not in ("positive", "released"):
        raise ValueError(f"target must be positive or released, not {target!r}")
    key, bank = jax.lax.stop_gradient((key, bank))
    same = jnp.sum(query * key, axis=1, keepdims=True)
    used = jnp.concatenate([jnp.ones(1, bool), valid.astype(bool)])
    similarity = jnp.concatenate([same, query @ bank.T], axis=1) / temperature
    log_probs = jax.nn.log_softmax(jnp.where(used, similarity, NOBODY))
    if target == "positive":
        return -log_probs[:, 0]
    indices = jnp.arange(len(query)) if indices is None else indices
    inside = indices < len(used)
    columns = jnp.where(inside & used[jnp.where(inside, indices, 0)], indices, 0)
    return -jnp.take_along_axis(log_probs, columns[:, None], axis=1)[:, 0]


def push(bank: jax.Array, count: jax.Array, rows: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Writes rows into a ring buffer; the oldest entries are overwritten.

    Args:
      bank: `[M, P]`, M at least 1.
      count: int scalar, 0 for an empty bank. Once it has reached M the bank is full, and it stays
        in M … 2M-1; count % M is the next place.
      rows: `[R, P]`; of more than M the last M remain. No gradient flows into them.

    Returns:
      (bank, count); `filled` says which entries are in use.
    """
    size, skipped = len(bank), max(len(rows) - len(bank), 0)
    indices = (count + jnp.arange(skipped, len(rows))) % size
    bank = bank.at[indices].set(jax.lax.stop_gradient(rows[skipped:]).astype(bank.dtype))
    total = count + len(rows)
    return bank, jnp.where(total < size, total, size + total % size).astype(jnp.int32)


def filled(bank: jax.Array, count: jax.Array) -> jax.Array:
    """bool `[M]`: the entries of a bank `[M, P]` that `push` has written.

    >>> filled(jnp.zeros((4, 2)), 3)
    Array([ True,  True,  True, False], dtype=bool)
    """
    return jnp.arange(len(bank)) < count
