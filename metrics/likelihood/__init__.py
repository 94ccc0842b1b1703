"""Estimates of log p(x) of a model with latent variables, all in nats, each with its convergence.

`importance`: the importance-weighted bound, and with one sample the ELBO. `annealing`: annealed importance sampling,
and for rows that the model made itself a bound from above too. `measured`: all of it in one call. `regret`: what a
better posterior than the encoder's would gain. `density`: what they ask of a model, a function from codes to
log p(x | z). `known`: a model whose log p(x) is exact. How to read the estimates is in docs/metrics/likelihood.md.
"""

from .annealing import (
    AnnealedLikelihood,
    Annealing,
    Sandwich,
    annealed_importance_sampling,
    annealing_curve,
    bidirectional_monte_carlo,
)
from .density import bernoulli_likelihood, gaussian_likelihood, simulated_bernoulli, standard_normal
from .elbo import ElboTerms, elbo_terms
from .estimate import Convergence, LogLikelihood
from .importance import (
    ImportanceSamples,
    draw_importance_samples,
    importance_weighted_bound,
    importance_weighted_curve,
)
from .known import LinearVAE
from .measured import MeasuredLikelihood, measure_likelihood
from .pareto import pareto_k, pareto_k_limit
from .regret import LikelihoodRegret, likelihood_regret
from .weights import effective_sample_size

__all__ = [
    "AnnealedLikelihood",
    "Annealing",
    "Convergence",
    "ElboTerms",
    "ImportanceSamples",
    "LikelihoodRegret",
    "LinearVAE",
    "LogLikelihood",
    "MeasuredLikelihood",
    "Sandwich",
    "annealed_importance_sampling",
    "annealing_curve",
    "bernoulli_likelihood",
    "bidirectional_monte_carlo",
    "draw_importance_samples",
    "effective_sample_size",
    "elbo_terms",
    "gaussian_likelihood",
    "importance_weighted_bound",
    "importance_weighted_curve",
    "likelihood_regret",
    "measure_likelihood",
    "pareto_k",
    "pareto_k_limit",
    "simulated_bernoulli",
    "standard_normal",
]
