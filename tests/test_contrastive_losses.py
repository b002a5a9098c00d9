"""DaSC's contrastive losses against their definition in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dull_jax import contrastive_losses as cl

CHANNELS, CLASSES = 6, 5


def unit(rng, n):
    z = rng.normal(size=(n, CHANNELS))
    return (z / np.linalg.norm(z, axis=1, keepdims=True)).astype(np.float32)


def batch(rng, n, targets):
    """Anchors that are the first n columns, then one prototype a class."""
    columns = np.concatenate([unit(rng, n), unit(rng, CLASSES)])
    return columns[:n], targets, columns, np.concatenate([targets, np.eye(CLASSES)]), np.arange(n)


def one_hot_definition(z, labels, n, temperature):
    """The warm-up's balanced contrastive loss: class by class, no soft labels anywhere."""
    z, losses = z.astype(float), []
    for i in range(n):
        denominator = 0
        for c in set(labels):
            members = [j for j in range(len(z)) if labels[j] == c and j != i]
            if members:
                denominator += np.mean([np.exp(z[i] @ z[j] / temperature) for j in members])
        positives = [j for j in range(len(z)) if labels[j] == labels[i] and j != i]
        terms = [z[i] @ z[j] / temperature - np.log(denominator) for j in positives]
        losses.append(-np.mean(terms) if terms else 0.0)
    return losses


def soft_definition(z, targets, n, temperature):
    z, losses = z.astype(float), []
    likely = targets.argmax(1)
    for i in range(n):
        others = [j for j in range(len(z)) if j != i]
        mask = {j: targets[i] @ targets[j] for j in others}
        denominator = sum(
            np.exp(z[i] @ z[j] / temperature) / (sum(likely == likely[j]) - mask[j]) for j in others
        )
        terms = [mask[j] * (z[i] @ z[j] / temperature - np.log(denominator)) for j in others]
        losses.append(-sum(terms) / sum(mask.values()))
    return losses


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_one_hot_targets_give_the_balanced_contrastive_loss(temperature):
    rng = np.random.default_rng(0)
    labels = rng.choice(CLASSES - 1, 40, p=[0.7, 0.2, 0.05, 0.05])  # the last class: prototype only
    args = batch(rng, 40, np.eye(CLASSES)[labels])
    found = cl.balanced_contrastive(*map(jnp.array, args), temperature)
    wanted = one_hot_definition(args[2], [*labels, *range(CLASSES)], 40, temperature)
    np.testing.assert_allclose(found, wanted, rtol=2e-5)


@pytest.mark.parametrize("concentration", [0.1, 1.0, 10.0])
def test_soft_targets(concentration):
    rng = np.random.default_rng(1)
    args = batch(rng, 30, rng.dirichlet(np.full(CLASSES, concentration), 30))
    found = cl.balanced_contrastive(*map(jnp.array, args), 0.1)
    np.testing.assert_allclose(found, soft_definition(args[2], args[3], 30, 0.1), rtol=5e-5)


def test_some_anchors_of_many_columns():
    """A device's anchors against the global columns: the same losses as all at once."""
    rng = np.random.default_rng(2)
    anchors, targets, *columns, place = batch(rng, 16, rng.dirichlet(np.ones(CLASSES), 16))
    whole = cl.balanced_contrastive(anchors, targets, *map(jnp.array, columns), place, 0.1)
    part = cl.balanced_contrastive(
        anchors[8:], targets[8:], *map(jnp.array, columns), place[8:], 0.1
    )
    np.testing.assert_allclose(part, whole[8:], rtol=1e-5)


def all_finite(fn, *args):
    values, pull = jax.vjp(fn, *args)
    return jnp.isfinite(values).all() and all(
        jnp.isfinite(g).all() for g in pull(jnp.ones_like(values))
    )


def test_anchors_without_company():
    z = jnp.array(unit(np.random.default_rng(3), 3))
    onehot = jnp.eye(CLASSES)

    def loss(columns, targets, places):
        return lambda z: cl.balanced_contrastive(z, targets, columns(z), targets, places, 0.1)

    def everything(z):
        return z

    alone = loss(lambda z: z[:1], onehot[:1], jnp.arange(1))
    assert alone(z[:1]).tolist() == [0] and all_finite(alone, z[:1])  # itself the only column
    strangers = loss(everything, onehot[:3], jnp.arange(3))
    assert strangers(z).tolist() == [0, 0, 0] and all_finite(strangers, z)
    not_among = loss(everything, onehot[:3], jnp.full(3, -1))
    assert all_finite(not_among, z)
    blank = loss(everything, jnp.zeros((3, CLASSES)), jnp.arange(3))
    assert blank(z).tolist() == [0, 0, 0] and all_finite(blank, z)
    apart = loss(
        lambda z: jnp.stack([z[0], -z[0], z[0]]), onehot[jnp.array([0, 0, 1])], jnp.arange(3)
    )
    assert all_finite(apart, z * 100)


def instance_definition(query, key, bank, valid, temperature, column_of):
    losses = []
    for i, (q, k) in enumerate(zip(query.astype(float), key.astype(float), strict=True)):
        scores = [q @ k] + [q @ b if v else -np.inf for b, v in zip(bank, valid, strict=True)]
        scores = np.array(scores) / temperature
        losses.append(np.log(np.exp(scores).sum()) - scores[column_of(i)])
    return losses


def bank_case(seed=4, rows=7, size=20):
    rng = np.random.default_rng(seed)
    return unit(rng, rows), unit(rng, rows), unit(rng, size), np.arange(size) < 12


def test_instance_discrimination():
    args = bank_case()
    found = cl.instance_discrimination(*args, 0.5)
    np.testing.assert_allclose(found, instance_definition(*args, 0.5, lambda i: 0), rtol=2e-5)
    found = cl.instance_discrimination(*args, 0.5, "released")
    np.testing.assert_allclose(found, instance_definition(*args, 0.5, lambda i: i), rtol=2e-5)
    with pytest.raises(ValueError, match="positive or released"):
        cl.instance_discrimination(*args, 0.5, "zero")


def test_released_targets_beyond_the_bank_and_of_a_shard():
    query, key, bank, valid = bank_case(rows=30)
    found = cl.instance_discrimination(query, key, bank, valid, 0.5, "released")
    # Columns 1 … 12 are in use, 13 … 20 are not, 21 … are none.
    wanted = instance_definition(query, key, bank, valid, 0.5, lambda i: i if i <= 12 else 0)
    np.testing.assert_allclose(found, wanted, rtol=2e-5)
    part = cl.instance_discrimination(
        query[5:9], key[5:9], bank, valid, 0.5, "released", jnp.arange(5, 9)
    )
    np.testing.assert_allclose(part, found[5:9], rtol=1e-5)


@pytest.mark.parametrize("target", ["positive", "released"])
def test_an_empty_bank(target):
    query, key, bank, _ = map(jnp.array, bank_case())
    for entries in (bank, bank[:0]):
        valid = jnp.zeros(len(entries), bool)

        def loss(q, entries=entries, valid=valid):
            return cl.instance_discrimination(q, key, entries, valid, 0.5, target)

        assert (loss(query) == 0).all() and all_finite(loss, query)


def test_only_the_query_learns():
    query, key, bank, valid = map(jnp.array, bank_case())

    def total(*args):
        return cl.instance_discrimination(*args, valid, 0.5).sum()

    grads = jax.grad(total, (0, 1, 2))(query, key, bank)
    assert [bool((g != 0).any()) for g in grads] == [True, False, False]


@pytest.mark.parametrize("rows", [1, 3, 5, 8, 23])
def test_the_bank_holds_the_newest(rows):
    size, written = 8, []
    bank, count = jnp.zeros((size, 1)), jnp.zeros((), jnp.int32)
    push = jax.jit(cl.push)
    assert not cl.filled(bank, count).any()
    for number in range(9):
        new = 1 + number * rows + np.arange(rows)
        written += new.tolist()
        bank, count = push(bank, count, jnp.array(new, jnp.float32)[:, None])
        kept = bank[cl.filled(bank, count), 0]
        assert sorted(kept.tolist()) == written[-size:]
        assert 0 <= count < 2 * size and count.dtype == jnp.int32
        # The next place to write is that of the oldest.
        if len(written) >= size:
            assert bank[count % size, 0] == written[-size]
