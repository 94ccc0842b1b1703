"""The report is one page that needs nothing else, tells no lies, and believes no text that it is given."""

import itertools
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from disbench.bench import load_study
from disbench.bench.evaluation import SCORES
from disbench.bench.figures import FIGURES
from disbench.bench.report import as_toml, best, fitted, repeat_command, save_report
from disbench.bench.store import Store, schema
from disbench.bench.study import parse_study
from disbench.bench.tables import parts, shown_scores, summary


class Page(HTMLParser):
    """A parsed page: tags with attributes, and text by the tag that it is in."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in ("meta", "img", "link", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data):
        if self.open and data.strip():
            self.text.setdefault(self.open[-1], []).append(" ".join(data.split()))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def html(swept) -> str:
    """The report of the tiny study."""
    return save_report(Store(swept[0])).read_text(encoding="utf-8")


@pytest.fixture
def copy(swept, tmp_path, monkeypatch) -> Store:
    """A copy of the tiny study's folder, to damage; with few figures, to save time."""
    shutil.copytree(swept[0], tmp_path / "copy", ignore=shutil.ignore_patterns("figures", "report.html"))
    for name in set(FIGURES) - {"kl_decomposition", "traversals", "condition_samples"}:
        monkeypatch.delitem(FIGURES, name)
    return Store(tmp_path / "copy")


def rewrite(store: Store, change) -> None:
    """Replace a store's rows by changed ones."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for path in store.cohorts.glob("*.parquet"):
        records = [change(dict(row)) for row in pq.read_table(path).to_pylist()]
        pq.write_table(pa.Table.from_pylist(records, schema=schema()), path)


def test_page_is_well_formed_and_needs_nothing_else(html):
    """No script, no address but those inside the page; every tag is closed."""
    page = Page(html)
    assert not page.open
    assert not page.all("script")
    assert not page.all("link")
    for _, attributes in page.tags:
        for name in ("src", "href", "srcset", "action", "data"):
            assert (attributes.get(name) or "#").startswith(("#", "data:image/png;base64,"))
    assert "@import" not in html
    assert "url(" not in html
    assert len(html) < 8_000_000


def test_contents_lead_somewhere(html):
    """Each link of the table of contents has its target, and no id is given twice."""
    page = Page(html)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {link["href"] for link in page.all("a")} <= {f"#{name}" for name in ids}


def test_headings_are_in_order_and_pictures_are_described(html):
    """One h1; no level is skipped; each picture has a text in its stead and a caption."""
    page = Page(html)
    levels = [int(tag[1]) for tag, _ in page.tags if tag in ("h1", "h2", "h3")]
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
    assert page.all("img")
    for image in page.all("img"):
        assert "digits" in (image["alt"] or "")
    assert len(page.all("figcaption")) == len(page.all("img"))


def test_tables_hold_the_means(html, swept):
    """Every mean of every shown score stands on the page as the table prints it."""
    cells = Page(html).text["td"]
    for _, part in parts(summary(swept[1])):
        for name in shown_scores(part):
            for mean in part[name].dropna():
                digits = 1 if abs(mean) >= 20 else 2 if abs(mean) >= 2 else 3
                assert f"{mean:.{digits}f}" in cells


def test_counts_are_those_of_the_rows(copy):
    """Done, diverged, failed with its error, and missing."""
    ids = [run.run_id for run in copy.study().runs()]

    def change(row):
        if row["run_id"] == ids[0]:
            return row | {"status": "diverged"}
        if row["run_id"] == ids[1]:
            return row | {"status": "failed", "error": "MemoryError: <b>no room</b>"}
        return row

    rewrite(copy, change)
    gone = next(p for p in copy.cohorts.glob("*.parquet") if ids[2] in set(pd.read_parquet(p)["run_id"]))
    gone.unlink()
    text = save_report(copy).read_text(encoding="utf-8")
    assert "3 done, 1 diverged, 1 failed, 1 missing." in " ".join(text.split())
    assert "MemoryError: &lt;b&gt;no room&lt;/b&gt;" in text
    assert "<b>" not in text


def test_hostile_texts_stay_texts(copy):
    """A title is text, not markup, wherever it stands."""
    study = copy.study().model_copy(
        update={"title": "<script>alert(1)</script>", "description": '"><img src=x>'}
    )
    copy.study_file.write_text(study.model_dump_json())
    page = Page(save_report(copy).read_text(encoding="utf-8"))
    assert not page.all("script")
    assert page.text["h1"] == ["<script>alert(1)</script>"]
    assert all((image["src"] or "").startswith("data:") for image in page.all("img"))


def test_without_weights_a_note_says_what_is_missing(copy):
    """The rest of the page is there."""
    shutil.rmtree(copy.weights)
    text = save_report(copy).read_text(encoding="utf-8")
    notes = [note for note in Page(text).text["p"] if note.startswith("Not drawn")]
    assert any(FIGURES["traversals"].needs in note for note in map(unescaped, notes))
    assert any(FIGURES["condition_samples"].needs in note for note in notes)
    assert 'id="kl_decomposition"' in text


def unescaped(text: str) -> str:
    """The parser has done it already; apostrophes too."""
    return text.replace("&#39;", "'")


def test_a_study_without_models_has_a_page(copy):
    """The first thing that somebody looks at may be empty."""
    for path in copy.cohorts.glob("*.parquet"):
        path.unlink()
    text = save_report(copy).read_text(encoding="utf-8")
    assert "No models yet" in text
    assert not Page(text).all("img")


def test_fresh_figures_are_reused_and_stale_ones_are_not(copy, monkeypatch):
    """What `plot` drew is embedded as it is until the rows change."""
    from disbench.bench import figures

    figures.save_figures(copy)
    original, calls = figures.write_png, []
    monkeypatch.setattr(
        figures, "write_png", lambda *arguments: calls.append(arguments) or original(*arguments)
    )
    save_report(copy)
    assert not calls
    rewrite(copy, lambda row: row | {"kl_nats": 1.0})
    save_report(copy)
    assert calls


def test_glossary_explains_each_column(html, swept):
    """Every score that a model has stands in the glossary with its unit and meaning."""
    codes = set(Page(html).text["code"])
    _, rows = swept
    assert {name for name in SCORES if rows[name].notna().any()} <= codes


def test_best_respects_the_direction():
    """Highest, lowest, or neither; ties are all best, a single line is not."""
    means = pd.Series([1.0, 3.0, float("nan"), 3.0])
    assert best(means, "higher") == [False, True, False, True]
    assert best(means, "lower") == [True, False, False, False]
    assert best(means, None) == [False] * 4
    assert best(pd.Series([1.0]), "higher") == [False]


def test_configuration_makes_the_same_study(tiny, tmp_path):
    """The file on the page is one that `disbench sweep` takes, for shipped studies and for odd texts."""
    odd = tiny.model_copy(update={"title": 'quotes " and \\ and \u007f and ü', "description": "two\nlines"})
    for study in (tiny, odd, load_study("quick"), load_study("quick", {"seeds": [3, 1], "steps": 5})):
        path = tmp_path / "study.toml"
        path.write_text(as_toml(study), encoding="utf-8")
        assert load_study(path) == study


def test_command_repeats_the_study(tiny):
    """By name where it is shipped, with what was set; else from a file."""
    assert repeat_command(load_study("quick")) == "disbench sweep quick"
    changed = load_study("quick", {"seeds": 7, "steps": 5})
    assert repeat_command(changed) == "disbench sweep quick --set 'steps=5' --seeds 7"
    assert repeat_command(tiny) == "disbench sweep tiny.toml"


def test_large_pictures_shrink_to_their_share():
    """Noise, which does not compress, still ends below the limit."""
    import io

    import numpy as np
    from PIL import Image

    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (900, 900, 3), dtype=np.uint8)
    Image.fromarray(noise).save(stream, "png")
    small = fitted(stream.getvalue(), limit=200_000)
    assert len(small) <= 200_000
    assert Image.open(io.BytesIO(small)).format == "PNG"


def test_a_page_that_cannot_be_written_is_one_line(copy):
    """Here a folder has its name."""
    from disbench.bench import BadInput

    (Path(copy.folder) / "report.html").mkdir()
    with pytest.raises(BadInput, match="cannot be written"):
        save_report(copy)


def test_parsing_accepts_what_the_page_prints(tiny):
    """The tiny study is what its own settings say."""
    assert parse_study(tiny.model_dump(), "again") == tiny
