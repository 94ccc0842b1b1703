"""Pages of studies: as the files say, no more and no less."""

from pathlib import Path

import pytest

from disbench.bench.cli import main
from disbench.bench.study_pages import page, studies_with_pages

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.parametrize("name", studies_with_pages())
def test_a_page_is_what_its_study_makes_it(name):
    """`disbench studies pages docs/studies` writes them again."""
    assert (DOCS / "studies" / f"{name}.md").read_text(encoding="utf-8") == page(name)


def test_every_page_is_of_a_study_and_named_on_the_page_of_studies():
    """None is left over from a study that is gone, none is hard to find."""
    found = sorted(path.stem for path in (DOCS / "studies").glob("*.md"))
    assert found == sorted(studies_with_pages())
    text = (DOCS / "studies.md").read_text(encoding="utf-8")
    assert [name for name in found if f"(studies/{name}.md)" not in text] == []


def test_a_page_has_every_number_with_its_tag():
    """A line each, and why some are not compared."""
    text = page("dubois2019")
    lines = [line for line in text.splitlines() if line.startswith("| `dsprites` | ") and "| V " in line]
    assert len(lines) == 53
    assert any("17.99 (1 model)" in line and "last epoch" in line for line in lines)
    assert "[D; from the stored log of the VAE]" in text


def test_the_command_writes_them(tmp_path, capsys):
    """Into a folder that it makes."""
    assert main(["studies", "pages", str(tmp_path / "new" / "folder")]) == 0
    written = capsys.readouterr().out.split()
    assert [Path(path).stem for path in written] == studies_with_pages()
    assert (tmp_path / "new" / "folder" / "cvae.md").read_text(encoding="utf-8") == page("cvae")
