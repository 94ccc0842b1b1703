"""A page for each shipped study: what it trains, what a size changes and costs, what was published."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from tabulate import tabulate

from .atomic_file import write_atomically
from .catalogue import OBJECTIVES
from .legend import Legend
from .published import TAGS, PublishedNumber
from .published.departures import nowhere, stated
from .scales import changes, scales_of, shown
from .score_names import short_name
from .study import Arm, Study
from .study_loading import load_study, shipped_studies, study_document
from .tables import ARROWS

MADE_BY = "disbench studies pages docs/studies"


COSTS = (
    "Costs count the arithmetic of training alone; `--dry-run` says what a size takes on the machine at hand, and "
    "knows it better once a model is finished there."
)


def studies_with_pages() -> list[str]:
    """Names of the shipped studies: all have one."""
    return list(shipped_studies())


def save_pages(folder: Path) -> list[Path]:
    """Write the page of each into a folder, which is made; the files, in order."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in studies_with_pages():
        path = folder / f"{name}.md"
        write_atomically(path, partial(write_page, name))
        written.append(path)
    return written


def write_page(name: str, path: Path) -> None:
    """Write one page."""
    path.write_text(page(name), encoding="utf-8")


def page(name: str) -> str:
    """The page of a study as Markdown, made from its file and nothing else."""
    study = load_study(name)
    parts = [
        f"# {name}",
        f"{study.title}." + (f" {study.paper}." if study.paper else ""),
        study.description.strip(),
        commands(study),
        f"## What is trained\n\n{arms_table(study)}\n\n{shared(study)}",
    ]
    if listed := sizes(name):
        parts.append(f"## Sizes\n\n{listed}\n\n{COSTS}")
    if study.protocol.settings() or study.protocol.notes:
        parts.append(f"## Against the paper\n\n{protocol(study)}")
    if study.published:
        parts.append(f"## Published numbers\n\n{numbers_table(study)}\n\n{tags(study)}")
    if study.findings:
        found = [f"- {finding.text} [{finding.tag}; {finding.source}]" for finding in study.findings]
        parts.append("## Printed beside them\n\n" + "\n".join(found))
    if study.differences:
        parts.append("## Where we differ\n\n" + "\n".join(f"- {text}" for text in study.differences))
    parts.append(f"Made by `{MADE_BY}` from `bench/studies/{name}.toml`.")
    return "\n\n".join(parts) + "\n"


def commands(study: Study) -> str:
    """How to run it and see what came out."""
    if study.scale is None:
        sweep, folder, others = f"disbench sweep {study.name}", f"runs/{study.name}", ""
    else:
        sweep, folder = f"disbench sweep {study.name} --scale smoke", f"runs/{study.name}-smoke"
        others = "        # or reduced; full without --scale"
    lines = [f"{sweep}{others}", f"{sweep} --dry-run"]
    table = f"disbench table {folder}"
    lines.append(f"{table} --published" if study.published else table)
    return "```\n" + "\n".join(lines) + "\n```"


def arms_table(study: Study) -> str:
    """A line an arm, arms that differ in their data set alone on one."""
    lines: dict[tuple[str, ...], list[str]] = {}
    for arm in study.arms:
        lines.setdefault(about(arm, study), []).append(arm.data_set)
    heads = ("data", "objective", "strengths", "condition", "options", "of its own")
    return markdown(heads, ([", ".join(f"`{d}`" for d in data), *rest] for rest, data in lines.items()))


SHARED = ("architecture", "latents", "steps", "batch_size", "learning_rate")


def about(arm: Arm, study: Study) -> tuple[str, ...]:
    """Objective, strengths, condition, options, and what other arms have otherwise."""
    own = [key for key in SHARED if len({getattr(other, key) for other in study.arms}) > 1]
    symbol = OBJECTIVES[arm.objective].strength
    return (
        f"`{arm.objective}`",
        f"{symbol}: {shown(arm.strengths)}" if arm.strengths is not None else "",
        arm.condition or "",
        shown(arm.options) if arm.options else "",
        ", ".join(f"{key} {shown(getattr(arm, key))}" for key in own),
    )


def shared(study: Study) -> str:
    """What all arms have in common, and how often each is trained."""
    first = study.arms[0]
    same = [key for key in SHARED if len({getattr(arm, key) for arm in study.arms}) == 1]
    scored = ", ".join(f"`{name}`" for name in study.evaluation.metrics)
    rows = "every image" if study.evaluation.whole else f"{study.evaluation.samples:,} images"
    every = ", ".join(f"{key} {shown(getattr(first, key))}" for key in same)
    return f"For all: {every}; {counted(len(study.seed_list()))}. Scored on {rows} by {scored}."


def counted(seeds: int) -> str:
    """`1 seed`, `5 seeds`."""
    return f"{seeds} seed{'s' if seeds > 1 else ''}"


def sizes(name: str) -> str:
    """What each size is for, costs and changes."""
    document, where = study_document(name)
    lines = []
    for size, scale in scales_of(document, where).items():
        models = len(load_study(name, scale=size).runs())
        lines.append(f"- **`{size}`**, {models:,} models, {scale.cost}. {scale.about}")
        lines += [f"    - {change}" for change in changes(document, size, where)]
    return "\n".join(lines)


def protocol(study: Study) -> str:
    """What is known of the paper's training, and where it differs from ours."""
    known = stated(study.protocol)
    compared = [f"Compared key by key: {', '.join(known)}.", ""] if known else []
    return "\n".join([*compared, *(f"- {note}" for note in study.protocol.notes or [])])


def numbers_table(study: Study) -> str:
    """A line a printed number."""
    legend = Legend.of_code()
    heads = ("data", "objective", "strength", "score", "published", "tag", "source", "not comparable because")
    return markdown(heads, [number_line(study, number, legend) for number in study.published])


def number_line(study: Study, number: PublishedNumber, legend: Legend) -> list[str]:
    """One printed number."""
    method, column = OBJECTIVES[number.objective], legend.columns.get(number.column)
    score = short_name(number.column) + ARROWS[column.direction if column else None]
    when = "steps {:,} to {:,}".format(*number.during) if number.during else ""
    words = [score, when, number.statistic if number.statistic != "mean" else ""]
    models = f" ({number.models} model{'s' if number.models > 1 else ''})" if number.models else ""
    reasons = [number.not_comparable] if number.not_comparable else []
    if number.strength is None and method.strength and not reasons:
        reasons.append("the source gives no strength")
    if number.tag == "M":
        reasons.append("unverified")
    reasons += [f"{key} {value} there" for key, _, value in nowhere(study, number.protocol)]
    return [
        f"`{number.data_set}`" + (f" given {number.condition}" if number.condition else ""),
        method.title + (f" ({shown(number.options)})" if number.options else ""),
        f"{method.strength} = {number.strength:g}" if method.strength and number.strength is not None else "",
        ", ".join(word for word in words if word),
        number.printed() + models,
        number.tag,
        number.source,
        "; ".join(reasons),
    ]


def tags(study: Study) -> str:
    """What the tags stand for that are used."""
    used = {number.tag for number in study.published} | {finding.tag for finding in study.findings}
    meanings = "; ".join(f"{tag}: {meaning}" for tag, meaning in TAGS.items() if tag in used)
    return f"Tags: {meanings}. The rule of verdicts: [published numbers](../published.md)."


def markdown(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table; columns that are empty throughout are left out."""
    rows = [[text.replace("|", r"\|") for text in line] for line in lines]
    kept = [place for place in range(len(heads)) if any(row[place] for row in rows)]
    body = [[row[place] for place in kept] for row in rows]
    return tabulate(body, headers=[heads[place] for place in kept], tablefmt="pipe", disable_numparse=True)
