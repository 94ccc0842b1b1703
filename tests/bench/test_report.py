"""The report is one page that needs nothing else, tells no lies, and believes no text that it is given."""

import base64
import hashlib
import itertools
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from made_up import models

from disbench.bench import load_study
from disbench.bench.evaluation import SCORES
from disbench.bench.figures import FIGURES
from disbench.bench.published import PublishedNumber
from disbench.bench.report import as_toml, best, fitted, repeat_command, save_report
from disbench.bench.report.study_says import QUESTIONS, study_says
from disbench.bench.store import Store, schema
from disbench.bench.study_loading import parse_study
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
        if tag not in ("meta", "img", "input", "link", "br"):
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
    for title in list(QUESTIONS):
        monkeypatch.delitem(QUESTIONS, title)
    return Store(tmp_path / "copy")


def rewrite(store: Store, change) -> None:
    """Replace a store's rows by changed ones."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for path in store.cohorts.glob("*.parquet"):
        records = [change(dict(row)) for row in pq.read_table(path).to_pylist()]
        pq.write_table(pa.Table.from_pylist(records, schema=schema()), path)


def test_page_is_well_formed_and_needs_nothing_else(html):
    """One script, its own, by whose hash others are refused; no address but those inside the page; all tags closed."""
    page = Page(html)
    assert not page.open
    assert page.all("script") == [{}]
    (policy,) = (m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    script = html[html.index("<script>") + len("<script>") : html.index("</script>")]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
        == policy
    )
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
    of_models = [section for section in page.all("section") if section.get("class") == "model"]
    assert len(page.all("figcaption")) == len(page.all("img")) - len(of_models)


def test_tables_hold_the_means(html, swept):
    """Every mean of every shown score stands on the page as the table prints it."""
    cells = Page(html).text["td"]
    for _, part in parts(summary(swept[1])):
        for name in shown_scores(part):
            for mean in part[name].dropna():
                digits = 1 if abs(mean) >= 20 else 2 if abs(mean) >= 2 else 3
                assert f"{mean:z.{digits}f}" in cells


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
    text = save_report(copy, pages=0).read_text(encoding="utf-8")
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
    assert page.all("script") == [{}]
    assert page.text["h1"] == ["<script>alert(1)</script>"]
    assert all((image["src"] or "").startswith("data:") for image in page.all("img"))


def test_without_weights_a_note_says_what_is_missing(copy):
    """The rest of the page is there."""
    shutil.rmtree(copy.weights)
    text = save_report(copy).read_text(encoding="utf-8")
    page = Page(text)
    (folded,) = (title for title in page.text["summary"] if title.startswith("Not drawn: "))
    for name in ("traversals", "condition_samples"):
        assert FIGURES[name].title in folded
        assert f"{FIGURES[name].title}: it needs {FIGURES[name].needs}." in map(unescaped, page.text["li"])
        assert f'id="{name}"' not in text
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


@pytest.mark.parametrize(
    ("overrides", "settings"),
    [
        ({}, ""),
        ({"seeds": 7, "steps": 5}, " --set 'steps=5' --seeds 7"),
        (
            {"arms.1.steps": 5, "arms.0.strengths": [2, 8.5]},
            " --set 'arms.0.strengths=[2.0, 8.5]' --set 'arms.1.steps=5'",
        ),
        ({"evaluation.samples": 300, "seeds": [3, 1]}, " --set 'evaluation.samples=300' --set 'seeds=[3, 1]'"),
        ({"title": "Another", "published": []}, ""),
    ],
)  # fmt: skip
def test_command_repeats_the_study(overrides, settings):
    """By name where it is shipped, with what was set for all arms, for one, or for scores; prose makes no model."""
    assert repeat_command(load_study("quick", overrides)) == f"disbench sweep quick{settings}"


def test_command_names_a_file_and_the_folder_where_it_must(tiny):
    """A study that is not shipped is repeated from a file; a folder that is not the study's own is told."""
    assert repeat_command(tiny) == "disbench sweep tiny.toml"
    quick = load_study("quick")
    assert repeat_command(quick, "runs/quick") == "disbench sweep quick"
    assert repeat_command(quick, "a b") == "disbench sweep quick --out 'a b'"


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
        save_report(copy, pages=0)


def test_parsing_accepts_what_the_page_prints(tiny):
    """The tiny study is what its own settings say."""
    assert parse_study(tiny.model_dump(), "again") == tiny


# -- papers and analyses -----------------------------------------------------------------------------------


def with_published(store: Store) -> None:
    """Give a folder's study two printed numbers, one of models that it does not have, and why ours differ."""
    about = {"column": "kl_nats", "data_set": "digits", "objective": "beta_vae", "tag": "V"}
    numbers = [
        PublishedNumber(**about, value=15.0, strength=4, source="table 1 <b>"),
        PublishedNumber(**about, value=25.0, strength=9, source="table 2"),
    ]
    study = store.study().model_copy(update={"published": numbers, "differences": ["Ours trained 20 steps."]})
    store.study_file.write_text(study.model_dump_json())


def test_printed_numbers_stand_beside_models(html, copy, swept, monkeypatch):
    """Measured, printed and the verdict; nothing where nothing was run; a study without any has no such part."""
    assert 'id="papers"' not in html
    with_published(copy)
    for name in list(FIGURES):
        monkeypatch.delitem(FIGURES, name)
    text = save_report(copy, pages=0).read_text(encoding="utf-8")
    part = text.split('id="papers"')[1].split("</section>")[0]
    run, missing = (
        [field.split("</td>")[0].split(">")[1] for field in line.split("<td")[1:]]
        for line in part.split("<tr data-words")[1:]
    )
    _, rows = swept
    mean = rows[(rows["objective"] == "beta_vae") & (rows["strength"] == 4)]["kl_nats"].mean()
    assert run[0] == "β = 4"
    assert run[3].startswith(f"{mean:.3f}"[:4])
    assert run[5:] == ["15 [V; 1]", run[6], "not comparable (1)"]
    assert missing == ["β = 9", "KL", "", "", "", "25 [V; 2]", "", ""]
    assert "2 of at least 3 seeds" in part
    assert "table 1 &lt;b&gt;" in part
    assert "Ours trained 20 steps." in part


def test_the_study_says_what_enough_models_allow():
    """A table a question with the command that prints the rest, in numbers worked by hand; else what it would need."""
    by_setting = {
        ("beta_vae", 1): [1.0, 1.1, 1.2],
        ("beta_vae", 4): [3.0, 3.1, 3.3],
        ("beta_tcvae", 4): [3.2, 3.2, 3.2],
        ("beta_tcvae", 8): [0.1, 0.1, 0.1],
    }
    said = study_says(models(by_setting), "a folder")
    found = {answer.title: answer for answer in said.answers}
    texts = {
        title: [[field.text for field in line] for line in answer.table.lines]
        for title, answer in found.items()
    }
    assert texts["Which strength to take"][0] == [
        "dsprites", "β-VAE", "β = 4", "3.13 ± 0.15", "3", "4", "beyond the grid? try more",
    ]  # fmt: skip
    # Of the three of β-VAE at 4 one beats 3.2; so does the best of the three.
    (methods,) = texts["Which method to take"]
    assert methods[1:3] == ["β-VAE, β = 4 (3)", "β-TCVAE, β = 4 (3)"]
    assert [chance.split()[0] for chance in methods[3:]] == ["0.33", "1.00", "1.00"]
    assert found["Which method to take"].command == "disbench compare 'a folder' --a beta_vae --b beta_tcvae"
    assert "What explains the scores" in found
    assert "Does another data set order the settings alike" in dict(said.unsaid)
    few = study_says(models({("beta_vae", 1): [1.0, 2.0]}), "out")
    assert not few.answers
    assert set(dict(few.unsaid)) == set(QUESTIONS)
    assert "needs two settings of 3 models or more, has 0" in dict(few.unsaid)["What explains the scores"]


# -- models -------------------------------------------------------------------------------------------------


def sections(html: str) -> dict[str, str]:
    """The pages of models, by run id."""
    parts = html.split('<section class="model" id="model-')[1:]
    return {part[: part.index('"')]: part[: part.index("</section>")] for part in parts}


def test_each_model_has_a_page_with_its_own_numbers(html, swept):
    """Every scalar score in full, the file that its row is in, and one picture."""
    folder, rows = swept
    pages = sections(html)
    assert list(pages) == list(rows["run_id"])
    for _, row in rows.iterrows():
        page = pages[row["run_id"]]
        for name, score in SCORES.items():
            if score.kind == "number" and pd.notna(row[name]):
                assert f'<code>{name}</code></th><td class="number">{row[name]:.6g}</td>' in page
        file = page.split("<dt>Row in</dt><dd>")[1].split("</dd>")[0]
        assert row["run_id"] in set(pd.read_parquet(folder / file)["run_id"])
        assert page.count('src="data:image/png;base64,') == 1
        assert page.count("<polyline") == 3


def test_latents_stand_with_what_they_know(html, swept):
    """KL of each latent, its kind, and its information about each factor, as in the row."""
    _, rows = swept
    row = rows.iloc[0]
    page = sections(html)[row["run_id"]]
    for latent, nats in enumerate(row["kl_per_dimension_nats"]):
        line = page.split(f">z{latent + 1}</th>")[1].split("</tr>")[0]
        assert f">{nats:.3f}</td>" in line
        assert any(kind in line for kind in ("active", "mixed", "passive"))
        for told in row["mutual_information"][latent] if row["mutual_information"] is not None else []:
            assert f">{told:.2f}</td>" in line


def test_the_table_of_models_leads_to_pages(html, swept):
    """A line a run with the mean's own numbers as sort keys."""
    _, rows = swept
    table = html.split('id="model-table"')[1].split("</table>")[0]
    assert table.count("<tr data-words=") == len(rows)
    for _, row in rows.iterrows():
        assert f'<a href="#model-{row["run_id"]}">' in table
        assert f'data-key="{float(row["elbo_nats"])!r}"' in table


def test_fewer_pages_are_those_of_first_seeds(copy, swept):
    """All settings at their first seed before any second one; the others are still in the table."""
    _, rows = swept
    settings = len(rows) // rows["seed"].nunique()
    text = save_report(copy, pages=settings).read_text(encoding="utf-8")
    kept = rows[rows["run_id"].isin(sections(text))]
    assert len(kept) == settings
    assert set(kept["seed"]) == {rows["seed"].min()}
    assert text.split('id="model-table"')[1].count("<tr data-words=") == len(rows)
    assert "--pages all" in text
    assert not sections(save_report(copy, pages=0).read_text(encoding="utf-8"))


def test_a_model_without_weights_keeps_its_numbers(copy):
    """What only the model could tell is missing, and it is said why."""
    shutil.rmtree(copy.weights)
    for page in sections(save_report(copy).read_text(encoding="utf-8")).values():
        assert "No pictures: " in page
        assert "<img" not in page
        assert "Every score" in page


def test_a_failed_model_has_its_error_on_its_page(copy):
    rewrite(copy, lambda row: row | {"status": "failed", "error": "MemoryError: <b>no room</b>"})
    for page in sections(save_report(copy).read_text(encoding="utf-8")).values():
        assert "failed: <code>MemoryError: &lt;b&gt;no room&lt;/b&gt;</code>" in page


def test_curves_of_some_models_are_those_among_all(swept):
    """A page of a few models need not hold the points of 12,600; of none there are none."""
    store = Store(swept[0])
    whole, some = store.history(), set(swept[1]["run_id"].iloc[[0, -1]])
    wanted = whole[whole["run_id"].isin(some)].reset_index(drop=True)
    pd.testing.assert_frame_equal(store.history(some).reset_index(drop=True), wanted)
    assert len(store.history(set())) == 0
