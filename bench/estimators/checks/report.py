"""Checks as tables and as a picture."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..report import markdown, write_folder
from .figures import draw_discriminators

NAMES = {"mixture": "exact", "mss": "MSS", "mws": "MWS"}


def as_markdown(document: Mapping[str, Any]) -> str:
    """A table a check that was made."""
    parts = []
    if document.get("discriminator"):
        parts += [
            discriminator_lead(document["discriminator"]),
            discriminator_table(document["discriminator"]),
        ]
    if document.get("identities"):
        parts += [IDENTITIES_LEAD, identities_table(document["identities"])]
    if document.get("linear_vae"):
        parts += [linear_vae_lead(document["linear_vae"]), linear_vae_table(document["linear_vae"])]
    return "\n\n".join(parts)


def discriminator_lead(checks: Any) -> str:
    """What was trained on what."""
    first = checks[0]
    return (
        f"Total correlation of {first['dimensions'] // 2} independent pairs of correlation rho, in nats, as "
        f"FactorVAE's discriminator (six layers of {first['units']:,} units, learning rate "
        f"{first['learning_rate']:g}) reads it after {first['points'][-1]['steps']:,} updates of "
        f"{first['batch_size']} codes; ± standard error over {first['codes']:,} codes. Error and excess cross entropy "
        f"are against the best discriminator of codes permuted over {first['batch_size']}, at the same codes."
    )


def discriminator_table(checks: Any) -> str:
    """A line a correlation."""
    lines = []
    for check in checks:
        last = check["points"][-1]
        lines.append(
            [
                f"{check['correlation']:g}",
                f"{check['analytic_nats']:.3f}",
                f"{check['attainable_nats']:.3f}",
                f"{last['nats']:.3f} ± {last['standard_error_nats']:.3f}",
                f"{last['error_nats']:+.3f} ± {last['error_standard_error_nats']:.3f}",
                f"{last['excess_loss_nats']:.4f}",
            ]
        )
    size = checks[0]["batch_size"]
    headings = [
        "rho",
        "closed form",
        f"best of batches of {size}",
        "discriminator",
        "error",
        "excess cross entropy",
    ]
    return markdown(lines, headings)


IDENTITIES_LEAD = (
    "Terms of the KL by estimator, in nats, of one code of every row. `sum`: I + TC + dimension-wise KL - KL. `by "
    "dimension`: sum_j I(x; z_j) - (I + TC), or dimension-wise KL against its parts. `room`: log N - I, of MWS "
    "log (M N) - I. `all rows`: largest difference from the exact terms, MWS's constants set aside. `closed form`: KL "
    "less its closed form ± its standard error."
)


def identities_table(records: Any) -> str:
    """A line a family and estimator."""
    lines = []
    for record in records:
        size, residual = record["batch_size"], record["exact_residual_nats"]
        lines.append(
            [
                f"{record['family']}: {NAMES[record['estimator']]}" + (f", batches of {size}" if size else ""),
                *(
                    f"{record[name]:.3f}"
                    for name in (
                        "mutual_information_nats", "total_correlation_nats", "dimensionwise_kl_nats", "kl_nats",
                    )
                ),
                f"{record['sum_residual_nats']:+.0e}",
                f"{record['dimensions_residual_nats']:+.0e}",
                f"{record['room_nats']:.3f}",
                "" if residual is None else f"{residual:.0e}",
                f"{record['closed_form_difference_nats']:+.3f} ± {record['closed_form_error_nats']:.3f}",
            ]
        )  # fmt: skip
    headings = [
        f"posteriors, N = {records[0]['rows']:,}",
        "I", "TC", "dim.-wise KL", "KL", "sum", "by dimension", "room", "all rows", "closed form",
    ]  # fmt: skip
    return markdown(lines, headings)


def linear_vae_lead(check: Any) -> str:
    """Of which model, and what is exact."""
    return (
        f"A linear VAE of {check['inputs']} inputs, {check['latents']} latents and noise {check['deviation']:g}, "
        f"{check['rows']} rows, the best diagonal posterior. Exact log p(x) {check['log_marginal_nats']:.4f} nats, "
        f"exact ELBO {check['elbo_nats']:.4f} ({check['elbo_nats'] - check['log_marginal_nats']:+.4f}). Errors are "
        f"against log p(x), ± the error of sampling; {check['draws']:,} importance weights and "
        f"{check['chains']} chains a row."
    )


def linear_vae_table(check: Any) -> str:
    """A line an estimate."""
    lines = [
        [
            estimate["estimator"],
            f"{estimate['effort']:,}",
            f"{estimate['nats']:.4f}",
            f"{estimate['error_nats']:+.4f} ± {estimate['sampling_error_nats']:.4f}",
            estimate["side"],
        ]
        for estimate in check["estimates"]
    ]
    return markdown(lines, ["estimate of log p(x)", "K or T", "nats", "error", "in expectation"])


def save(document: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write `checks.json`, `checks.md` and, where discriminators were trained, their figure as PNG and PDF."""
    texts = {
        "checks.json": json.dumps(document, indent=1) + "\n",
        "checks.md": as_markdown(document) + "\n",
    }
    checks = document.get("discriminator")
    return write_folder(
        folder, texts, {"discriminator": lambda: draw_discriminators(checks)} if checks else {}
    )
