"""Studies from where they are: shipped, in a file, in a results folder; read as data, checked, or `BadInput`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from .bad_input import BadInput, unknown
from .likelihood import LikelihoodSettings
from .published import Finding, PaperProtocol, PublishedNumber
from .resources import Resources
from .scales import chosen_scale
from .strict import Strict, first_objection
from .study import Arm, Evaluation, Study
from .study_checks import (
    DATA_SETS_KEY,
    check_arm,
    check_columns,
    check_data_sets,
    check_evaluation,
    check_names,
    check_planes,
    check_protocol,
    check_published,
    check_seeds,
    check_size,
)


def shipped_studies() -> dict[str, Path]:
    """Name to file of the studies that come with disbench."""
    folder = Path(str(resources.files("disbench.bench.studies")))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load_study(
    study: str | Path | Study, overrides: Mapping[str, Any] | None = None, scale: str | None = None
) -> Study:
    """A study from its name, its file or itself, with `overrides` (dotted keys) on top; `BadInput` if it is wrong.

    `scale` is one of the sizes that its file has; by default the file's own.
    """
    if isinstance(study, Study) and not overrides and scale is None:
        return study
    return parse_study(*study_document(study), overrides, scale)


def study_document(study: str | Path | Study) -> tuple[dict[str, Any], str]:
    """A study as its file has it, before anything is checked, and what errors call it; `BadInput` if there is none."""
    if isinstance(study, Study):
        return {**study.model_dump(), "cluster": study.cluster.given()}, f"study {study.name}"
    shipped = shipped_studies()
    path = shipped.get(str(study)) or Path(study)
    if not path.is_file():
        if path.suffix == ".toml" or len(path.parts) > 1:
            raise BadInput(f"study file {path} does not exist")
        raise unknown("study", str(study), shipped, where="a study is a shipped name or a .toml file")
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: not valid TOML: {error}") from error
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from error
    return document, f"study {study}" if str(study) in shipped else str(path)


def parse_study(
    document: Mapping[str, Any],
    where: str,
    overrides: Mapping[str, Any] | None = None,
    scale: str | None = None,
) -> Study:
    """Validate a study document; `where` names its origin in errors."""
    merged = {key: value for key, value in document.items() if key != "scales"}
    chosen, pairs = chosen_scale(document, scale, where)
    if chosen is not None:
        merged["scale"] = chosen
    for key, value in [*pairs.items(), *(overrides or {}).items()]:
        merged = override(merged, key, value, where)
    check_data_sets(merged, where)
    try:
        study = Study.model_validate(spread_defaults(merged))
    except ValidationError as error:
        known = [*Study.model_fields, *Arm.model_fields, DATA_SETS_KEY, "scales"]
        tables: dict[str, type[Strict]] = {"arms": Arm, "evaluation": Evaluation, "cluster": Resources}
        tables["evaluation.likelihood"] = LikelihoodSettings
        tables |= {"protocol": PaperProtocol, "published": PublishedNumber, "findings": Finding}
        raise BadInput(f"{where}: {first_objection(error, known, tables)}") from error
    for number, arm in enumerate(study.arms):
        check_arm(arm, f"{where}: arms.{number}")
    check_evaluation(study.evaluation, f"{where}: evaluation")
    check_seeds(study, where)
    check_columns(study.columns, f"{where}: columns")
    check_planes(study.planes, f"{where}: planes")
    check_protocol(study.protocol, f"{where}: protocol")
    for number, printed in enumerate(study.published):
        check_published(printed, f"{where}: published.{number}")
    if study.cluster.address is not None:
        raise BadInput(
            f"{where}: cluster.address: a file does not choose the machine that work is sent to;"
            " give it by --cluster address=... or RAY_ADDRESS"
        )
    return study


def stored_study(document: Any, where: str) -> Study:
    """The study of an output folder, which may come from anywhere: read as data, nothing that it names is opened.

    It was checked against its data sets and metrics when it was begun; here it must only make sense to this version.
    """
    try:
        study = Study.model_validate(document)
    except ValidationError as error:
        raise BadInput(
            f"{where}: {first_objection(error, list(Study.model_fields), {'arms': Arm})}"
        ) from error
    for number, arm in enumerate(study.arms):
        check_names(arm, f"{where}: arms.{number}")
    check_size(study, where)
    return study


def override(document: dict[str, Any], key: str, value: Any, where: str) -> dict[str, Any]:
    """The document with a dotted key set; a key of arms set at the top is set for every arm."""
    first, *rest = key.split(".")
    if not rest:
        if first in Arm.model_fields and isinstance(document.get("arms"), list):
            arms = [{**arm, first: value} if isinstance(arm, Mapping) else arm for arm in document["arms"]]
            # At the top too, for arms that are set after it; one data set takes the place of several.
            several = (DATA_SETS_KEY,) if first == "data_set" else ()
            others = {name: other for name, other in document.items() if name not in several}
            return {**others, first: value, "arms": arms}
        return {**document, first: value}
    inner = document.get(first, {})
    if isinstance(inner, list):
        if not (rest[0].isascii() and rest[0].isdecimal()) or int(rest[0]) >= len(inner):
            raise BadInput(f"{where}: --set {key}: {first} has items 0 to {len(inner) - 1}, got {rest[0]!r}")
        position = int(rest[0])
        changed = value if len(rest) == 1 else override(inner[position], ".".join(rest[1:]), value, where)
        return {**document, first: [*inner[:position], changed, *inner[position + 1 :]]}
    if not isinstance(inner, Mapping):
        raise BadInput(f"{where}: --set {key}: {first} is no table")
    return {**document, first: override(dict(inner), ".".join(rest), value, where)}


def spread_defaults(document: Mapping[str, Any]) -> dict[str, Any]:
    """Move the keys of arms that stand at the top of the document into every arm that lacks them.

    An arm without a data set of its own becomes one for each of `data_sets`.
    """
    defaults = {key: value for key, value in document.items() if key in Arm.model_fields}
    rest = {key: value for key, value in document.items() if key not in (*Arm.model_fields, DATA_SETS_KEY)}
    if not isinstance(rest.get("arms"), list):
        return rest
    names = document.get(DATA_SETS_KEY, [])
    on_each = [{**defaults, "data_set": name} for name in names] or [defaults]
    rest["arms"] = [
        {**keys, **arm}
        for keys in on_each
        for arm in rest["arms"]
        if isinstance(arm, Mapping) and not (names and "data_set" in arm)
    ] + [
        {**defaults, **arm} if isinstance(arm, Mapping) else arm
        for arm in rest["arms"]
        if not isinstance(arm, Mapping) or (names and "data_set" in arm)
    ]
    return rest
