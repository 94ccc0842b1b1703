"""Pages of metrics: as their table and their functions say, none missing, none left over."""

from pathlib import Path

from disbench.bench.cli import main
from disbench.bench.metric_pages import READ_ON, as_markdown
from disbench.metrics import METRICS

PAGES = Path(__file__).resolve().parents[2] / "docs" / "metrics"


def test_the_pages_are_what_the_table_makes_them(tmp_path, capsys):
    """`disbench metrics pages docs/metrics/each` writes them again."""
    assert main(["metrics", "pages", str(tmp_path / "each")]) == 0
    assert len(capsys.readouterr().out.split()) == len(METRICS) + 1
    made = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "each").iterdir()}
    kept = {path.name: path.read_text(encoding="utf-8") for path in (PAGES / "each").iterdir()}
    assert made == kept


def test_pages_that_say_more_exist_and_know_their_metrics():
    """Each links to metrics that there are."""
    for name, metrics in READ_ON.items():
        assert (PAGES / name).is_file()
        assert set(metrics) <= set(METRICS)


def test_a_docstring_becomes_headings_and_a_list():
    """Named items, with the lines that go on; prose stays."""
    text = "What it is.\n\nArgs:\n    codes: [N, D], of\n        a model.\n\nReturns:\n    0 .. 1.\n"
    assert as_markdown(text).splitlines() == [
        *("What it is.", "", "## Args", "", "- `codes`: [N, D], of", "  a model.", ""),
        *("## Returns", "", "0 .. 1."),
    ]
