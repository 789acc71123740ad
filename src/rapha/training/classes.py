"""How well logits [n, K] tell K classes apart: loss, macro AUROC one against the rest, accuracy, who was taken for whom."""

import numpy as np

from rapha.training.dataset import Floats, Ints
from rapha.training.discrimination import Z95, Estimate, auroc, auroc_influence, interval


def chances(logits: Floats) -> Floats:
    """The softmax: of each row the chance of each class [n, K]; each row's sum is 1."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Floats = powers / powers.sum(axis=1, keepdims=True)
    return shares


def log_likelihood(logits: Floats, label: Ints) -> Floats:
    """The logarithm of the chance that each row's own class was given [n]."""
    highest = logits.max(axis=1)
    whole = highest + np.log(np.exp(logits - highest[:, None]).sum(axis=1))
    own: Floats = logits[np.arange(len(label)), label] - whole
    return own


def class_loss(logits: Floats, label: Ints) -> Estimate | None:
    """Log loss: mean cross-entropy in nats; normal interval. None without rows."""
    if not len(label):
        return None
    losses = -log_likelihood(logits, label)
    return interval(float(losses.mean()), float(losses.std()) / len(label) ** 0.5, 0.0, np.inf)


def macro_auroc(logits: Floats, label: Ints) -> Estimate | None:
    """The plain mean over all classes of the AUROC of a class's chance against the rest (Hand and Till 2001 call it the
    one-against-rest mean). Its interval adds up what each row does to it over all classes, so that one row in several AUROCs counts as one;
    of two classes it is DeLong's. None where a class has no row, or one has all of them."""
    given, kinds = chances(logits), logits.shape[1]
    areas = [auroc(given[:, kind], (label == kind).astype(np.int64)) for kind in range(kinds)]
    known = [area.value for area in areas if area is not None]
    if len(known) < kinds:
        return None
    moved = sum(auroc_influence(given[:, kind], (label == kind).astype(np.int64)) for kind in range(kinds)) / kinds
    return interval(float(np.mean(known)), float((moved**2).sum()) ** 0.5, 0.0, 1.0)


def accuracy(logits: Floats, label: Ints) -> Estimate | None:
    """The share of rows whose likeliest class is theirs, the first of equals; Wilson's interval (JASA 1927; 22:209). None without
    rows."""
    if not (n := len(label)):
        return None
    right = float((logits.argmax(axis=1) == label).mean())
    spread = Z95**2 / n
    middle, half = right + spread / 2, Z95 * (right * (1 - right) / n + spread / (4 * n)) ** 0.5
    low, high = ((middle + sign * half) / (1 + spread) for sign in (-1, 1))
    return Estimate(right, max(0.0, min(low, right)), min(1.0, max(high, right)))


def confusion(logits: Floats, label: Ints) -> tuple[tuple[int, ...], ...]:
    """Of each class, how many rows have which class as their likeliest [K][K]."""
    kinds = logits.shape[1]
    pairs = np.bincount(label * kinds + logits.argmax(axis=1), minlength=kinds * kinds)
    return tuple(tuple(int(n) for n in row) for row in pairs.reshape(kinds, kinds))
