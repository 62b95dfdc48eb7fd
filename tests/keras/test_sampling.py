"""Which drawn tokens hang on tiny differences: by drawing again from scores that differ so little."""

import numpy as np
import pytest

from textapp.models.sampling import choose, is_decided

DIFFERENCE = 1e-3
SETTINGS = [
    {"temperature": 0.0, "top_k": 0, "top_p": 1.0},
    {"temperature": 0.8, "top_k": 0, "top_p": 0.95},
    {"temperature": 1.0, "top_k": 0, "top_p": 1.0},
    {"temperature": 1.3, "top_k": 5, "top_p": 1.0},
    {"temperature": 0.5, "top_k": 20, "top_p": 0.7},
]


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("sharpness", [0.5, 3.0])
def test_a_decided_token_is_drawn_from_scores_that_differ_by_less(settings, sharpness):
    random = np.random.default_rng(0)
    steps, vocabulary = 3_000, 40
    scores = sharpness * random.normal(size=(steps, vocabulary)).astype(np.float32)
    uniform = random.random(steps).astype(np.float32)
    decided = is_decided(scores, uniform, difference=DIFFERENCE, **settings)
    tokens = choose(scores, uniform, **settings)
    changed = np.zeros(steps, bool)
    for _ in range(20):
        # A log-probability differs by no more than twice as much as the scores.
        moved = scores + DIFFERENCE / 2 * random.choice([-1, 1], size=scores.shape).astype(np.float32)
        changed |= choose(moved, uniform, **settings) != tokens
    assert not (changed & decided).any()
    assert changed.any()  # so that there was something to find
    assert decided.mean() > 0.7


def test_what_is_decided_by_hand():
    """Half, a third and a sixth: borders at 1/2 and 5/6."""
    scores = np.log([[3.0, 2.0, 1.0]] * 5)
    uniform = np.array([0.1, 0.4995, 0.5005, 0.834, 0.99])
    plain = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "difference": 0.002}
    assert is_decided(scores, uniform, **plain).tolist() == [True, False, False, False, True]
    # With top-p at the border of the first two the third may come or not, and moves all borders.
    assert not is_decided(scores[:1], uniform[:1] + 0.4, **plain | {"top_p": 5 / 6}).any()
    assert is_decided(scores[:1], uniform[:1], **plain | {"top_k": 1}).all()
    ties = np.log([[2.0, 2.0, 1.0]])
    assert not is_decided(ties, uniform[:1], **plain | {"temperature": 0.0}).any()
    assert is_decided(scores[:1], uniform[:1], **plain | {"temperature": 0.0}).all()
