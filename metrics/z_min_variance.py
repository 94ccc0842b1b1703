"""Z-min variance: the FactorVAE score as the review of Carbonneau et al. has it."""

from __future__ import annotations

from .arrays import Array
from .factor_vae_score import factor_vae_score
from .fixed_factor import number_of_fixed


def z_min_variance(
    codes: Array,
    factors: Array,
    *,
    votes: int = 800,
    test_votes: int = 800,
    batch_size: int = 200,
    threshold: float = 0.05,
    seed: int = 0,
) -> float:
    """Accuracy of the FactorVAE vote on new votes, rescaled so that guessing is 0: (a - 1 / K) / (1 - 1 / K).

    a is the accuracy and K the number of factors that can be held.

    Args:
        codes: [N, D], posterior means.
        factors: [N, K], whole-number classes. Constant factors, and rows alone in their class, are left out.
        votes: of which the majority is taken; 800 in the review.
        test_votes: on which it is judged; 800 in the review.
        batch_size: rows a vote, at least 2; 200 in the review.
        threshold: codes whose standard deviation is below it get no vote; 0.05 in the review.
        seed: of every draw.

    Returns:
        0 (no better than guessing, cut off there) .. 1; higher is better. A single factor cannot be told from
        another and scores 0.

    Raises:
        ValueError: as `factor_vae_score`.

    Reference:
        Carbonneau, Zaidi, Boilard and Gagnon 2022, "Measuring Disentanglement: A Review of Metrics", of Kim and Mnih
        2018. Not the same number as `factor_vae_score`, which is not rescaled. The review's own code bins continuous
        factors (these are classes already), draws the held class evenly from all classes where we draw a row's, lets
        scores fall below 0, stops where no code passes the threshold, and counts every factor in K.
    """
    accuracy = factor_vae_score(
        codes,
        factors,
        votes=votes,
        test_votes=test_votes,
        batch_size=batch_size,
        threshold=threshold,
        seed=seed,
    )
    held = number_of_fixed(factors)
    return 0.0 if held < 2 else max(0.0, (accuracy - 1 / held) / (1 - 1 / held))
