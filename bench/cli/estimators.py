"""`disbench estimators`: how far estimators of information and of the KL's terms are from values that are known.

With `--checks`: how far a discriminator's total correlation, the decomposition's identities and estimates of log p(x)
are from closed forms.
"""

from __future__ import annotations

import argparse
import json
import sys
from math import prod
from pathlib import Path
from typing import Any

from ..bad_input import BadInput
from .sweep import Commands

BATCH_SIZES = (64, 128, 256, 512, 1024, 2048, 4096)
ROWS = (100, 300, 1_000, 3_000, 10_000)
CORRELATIONS = (0.3, 0.6, 0.9)
NARROW, WIDE = 0.07, 0.3
"""Deviations of the posteriors that are made here: of a VAE at beta = 1, and at much larger beta."""

CHECKS = ("discriminator", "identities", "linear_vae")
STEPS = 200
"""Updates of a discriminator: a minute of one core for three correlations."""


def add_commands(commands: Commands[Any]) -> None:
    """Add the command to the parser."""
    command = commands.add_parser(
        "estimators",
        help="bias of estimators of mutual information and of the KL's terms, where the truth is known",
    )
    command.add_argument(
        "--batch-sizes", type=int, nargs="+", default=BATCH_SIZES, metavar="M", help="(default: 64 to 4096)"
    )
    command.add_argument(
        "--samples", type=int, default=16_384, metavar="N",
        help="codes behind each bias of a term, cut into batches (default: 16384)",
    )  # fmt: skip
    command.add_argument(
        "--rows", type=int, nargs="+", default=ROWS, metavar="N",
        help="from which mutual information is estimated (default: 100 to 10000)",
    )  # fmt: skip
    command.add_argument(
        "--draws",
        type=int,
        default=20,
        metavar="N",
        help="behind each bias of mutual information (default: 20)",
    )
    command.add_argument(
        "--grid",
        type=int,
        nargs=5,
        metavar="K",
        help="classes of the grid's factors (default: those of dSprites)",
    )
    command.add_argument(
        "--posteriors", type=Path, nargs="+", default=(), metavar="FILE",
        help="posteriors of your own model too: .npz files of arrays mean and logvar [N, D], of the whole data set",
    )  # fmt: skip
    command.add_argument(
        "--checks", nargs="*", choices=CHECKS, metavar="CHECK",
        help="compare with closed forms instead; only the next four options, --seed, --out and --json count: "
        f"{', '.join(CHECKS)} (default: all)",
    )  # fmt: skip
    command.add_argument(
        "--correlations", type=float, nargs="+", default=CORRELATIONS, metavar="RHO",
        help="of the pairs that discriminators are trained on (default: 0.3 0.6 0.9)",
    )  # fmt: skip
    command.add_argument(
        "--steps", type=int, default=STEPS, metavar="N", help=f"updates of a discriminator (default: {STEPS})"
    )
    command.add_argument(
        "--units", type=int, default=1_000, metavar="N",
        help="of a layer of a discriminator (default: 1000, FactorVAE's)",
    )  # fmt: skip
    command.add_argument(
        "--learning-rate", type=float, default=1e-4, metavar="RATE",
        help="of a discriminator (default: 1e-4, FactorVAE's)",
    )  # fmt: skip
    command.add_argument("--seed", type=int, default=0, help="of all draws (default: 0)")
    command.add_argument("--out", type=Path, metavar="DIR", help="write tables, JSON and figures there")
    command.add_argument("--json", action="store_true", help="print JSON alone")
    command.set_defaults(handle=handle)


def handle(arguments: argparse.Namespace) -> int:
    """Measure, print, and keep what was measured."""
    if arguments.checks is not None:
        return handle_checks(arguments)
    from ..allocator import keep_freed_memory
    from ..estimators import (
        as_markdown,
        grid_posteriors,
        information_bias,
        kl_terms_bias,
        read_posteriors,
        save,
    )
    from ..estimators.posteriors import DSPRITES

    sizes = tuple(arguments.grid or DSPRITES)
    families = [read_posteriors(path) for path in arguments.posteriors]
    require_room(arguments, min([prod(sizes), *(len(family.mean) for family in families)]))

    keep_freed_memory()
    information = information_bias(arguments.rows, arguments.draws, arguments.seed, say)
    made = (grid_posteriors(name, width, sizes) for name, width in (("narrow", NARROW), ("wide", WIDE)))
    kl = [
        kl_terms_bias(family, arguments.batch_sizes, arguments.samples, arguments.seed, say)
        for group in (made, families)
        for family in group
    ]
    document = {
        "information": information,
        "draws": arguments.draws,
        "kl": kl,
        "seed": arguments.seed,
        "provenance": provenance(),
    }
    print(json.dumps(document, indent=1) if arguments.json else as_markdown(document))
    if arguments.out:
        for path in save(document, arguments.out):
            say(str(path))
    return 0


def handle_checks(arguments: argparse.Namespace) -> int:
    """Compare with closed forms, print, and keep what was found."""
    from ..allocator import keep_freed_memory
    from ..estimators.checks import (
        as_markdown,
        decomposition_identities,
        discriminator_check,
        linear_vae_check,
        save,
    )
    from ..estimators.checks.identities import SIZES

    for name, value, least in (
        ("--steps", arguments.steps, 1),
        ("--units", arguments.units, 1),
        ("--seed", arguments.seed, 0),
    ):
        if value < least:
            raise BadInput(f"{name} should be at least {least}, got {value}")
    if not 0 < arguments.learning_rate < 1:
        raise BadInput(f"--learning-rate should be above 0 and below 1, got {arguments.learning_rate:g}")
    for correlation in arguments.correlations:
        if not -1 < correlation < 1:
            raise BadInput(f"--correlations should be above -1 and below 1, got {correlation:g}")
    keep_freed_memory()
    seed, wanted = arguments.seed, arguments.checks or CHECKS
    document: dict[str, Any] = {}
    if "discriminator" in wanted:
        document["discriminator"] = discriminator_check(
            arguments.correlations,
            arguments.steps,
            seed,
            units=arguments.units,
            learning_rate=arguments.learning_rate,
            say=say,
        )
    if "identities" in wanted:
        document["identities"] = decomposition_identities(SIZES, seed, say)
    if "linear_vae" in wanted:
        document["linear_vae"] = linear_vae_check(seed, say=say)
    document |= {"seed": seed, "provenance": provenance()}
    print(json.dumps(document, indent=1) if arguments.json else as_markdown(document))
    if arguments.out:
        for path in save(document, arguments.out):
            say(str(path))
    return 0


def provenance() -> dict[str, Any]:
    """Where, when and by what this was measured."""
    import torch

    from ..provenance import commit, device_name, now, versions

    return {
        "device": device_name(torch.device("cpu")),
        "commit": commit(),
        "versions": versions(),
        "measured_at": now(),
        "command": ["disbench", *sys.argv[1:]],
    }


def say(text: str) -> None:
    """Progress, apart from what is measured."""
    print(text, file=sys.stderr, flush=True)


def require_room(arguments: argparse.Namespace, images: int) -> None:
    """Refuse numbers from which no bias, or no error of it, can be had; `images` are those of the smallest family."""
    for name, values, least in (
        ("--batch-sizes", arguments.batch_sizes, 2),
        ("--rows", arguments.rows, 50),
        ("--draws", [arguments.draws], 2),
        ("--grid", arguments.grid or [2], 2),
        ("--seed", [arguments.seed], 0),
    ):
        if min(values) < least:
            raise BadInput(f"{name} should be at least {least}, got {min(values)}")
    codes = min(arguments.samples, images)
    if codes < 2 * max(arguments.batch_sizes):
        raise BadInput(
            f"--batch-sizes: {max(arguments.batch_sizes)} should be at most half of the codes, {codes} "
            f"(--samples {arguments.samples} of {images:,} posteriors)"
        )
