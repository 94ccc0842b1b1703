"""The pages become a site without a link that leads nowhere."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The folder that `make docs` builds from."""
    folder = tmp_path_factory.mktemp("pages")
    for name in ("README.md", "CHANGELOG.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / name)
    for name in ("docs", "results"):
        shutil.copytree(ROOT / name, folder / name)
    return folder


def built(pages: Path, out: Path) -> subprocess.CompletedProcess[str]:
    """Build the site from copied pages."""
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    settings = settings.replace("docs_dir: build/pages", f"docs_dir: {pages}")
    configuration = out / "mkdocs.yml"
    configuration.write_text(settings.replace("site_dir: build/site", f"site_dir: {out / 'site'}"))
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file", configuration],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NO_COLOR": "1"},
    )


@pytest.mark.slow
def test_every_link_leads_somewhere(pages, tmp_path):
    """Between pages, to headings in them, to pictures and tables of results."""
    done = built(pages, tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "docs" / "metrics" / "limits.html").exists()
    # Nothing that a reader's browser would fetch from elsewhere.
    text = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert 'src="http' not in text
    assert '<link rel="stylesheet" href="http' not in text


@pytest.mark.slow
def test_a_link_that_leads_nowhere_is_an_error(pages, tmp_path):
    """So that the test above means something."""
    shutil.copytree(pages, tmp_path / "pages")
    with (tmp_path / "pages" / "docs" / "speed.md").open("a") as page:
        page.write("\n[nowhere](no_such_page.md), [no heading](studies.md#no-such-heading)\n")
    done = built(tmp_path / "pages", tmp_path)
    assert done.returncode != 0
    assert "no_such_page.md" in done.stderr
    assert "no-such-heading" in done.stderr
