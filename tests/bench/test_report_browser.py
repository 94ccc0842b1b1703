"""The report in a real browser, as wide as a desk and as a phone: sorts, filters, leads to models, needs no network."""

import shutil

import pytest

from disbench.bench.published import PublishedNumber
from disbench.bench.report import save_report
from disbench.bench.store import Store

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def browser():
    """Chromium without a screen."""
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-quic"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def address(swept, tmp_path_factory):
    """Of the tiny study's report, with three printed numbers beside its models."""
    folder = tmp_path_factory.mktemp("report") / "out"
    shutil.copytree(swept[0], folder)
    about = {
        "column": "kl_nats",
        "data_set": "digits",
        "objective": "beta_vae",
        "source": "made up",
        "tag": "V",
    }
    numbers = [
        PublishedNumber(**about, value=value, strength=strength)
        for value, strength in ((9.0, 4), (100.0, 1), (25.0, 9))
    ]
    store = Store(folder)
    study = store.study().model_copy(update={"published": numbers})
    store.study_file.write_text(study.model_dump_json())
    return save_report(store).resolve().as_uri()


@pytest.fixture(params=[(1300, 900), (390, 844)], ids=["desk", "phone"])
def page(request, browser, address):
    """The report at one width; whatever it complains about, or asks the network for, fails the test."""
    width, height = request.param
    opened = browser.new_page(viewport={"width": width, "height": height}, reduced_motion="reduce")
    said: list[str] = []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("request", lambda sent: said.append(sent.url) if sent.url.startswith("http") else None)
    opened.goto(address)
    yield opened
    assert said == []
    opened.close()


def column(page, number):
    """Sort keys of a column of the table of models, from top to bottom, of the lines that show."""
    return page.eval_on_selector_all(
        "#model-table tbody tr:not([hidden])",
        "(lines, number) => lines.map((line) => parseFloat(line.cells[number].dataset.key))",
        number,
    )


def test_the_page_is_no_wider_than_the_window(page):
    """Wide tables and figures scroll inside themselves."""
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]


def test_a_heading_sorts_and_sorts_back(page):
    first_score = 6
    heading = page.locator("#model-table thead button").nth(first_score)
    heading.click()
    rising = column(page, first_score)
    assert rising == sorted(rising)
    assert len(set(rising)) > 1
    heading.click()
    assert column(page, first_score) == sorted(rising, reverse=True)
    assert page.locator("#model-table th[aria-sort=descending]").count() == 1


def test_words_filter(page, swept):
    """Letters find parts of words, numbers whole ones; nothing found is said too, with a hint."""
    _, rows = swept
    page.fill("#filter", "beta-vae 4")
    wanted = ((rows["objective"] == "beta_vae") & (rows["strength"] == 4)).sum()
    assert len(column(page, 6)) == wanted
    assert page.inner_text("#filtered") == f"{wanted} of {len(rows)} models"
    page.fill("#filter", "ta_vae dig")
    assert len(column(page, 6)) == (rows["objective"] == "beta_vae").sum()
    page.fill("#filter", "nothing like this")
    assert page.inner_text("#filtered").startswith(f"0 of {len(rows)} models: try ")
    page.fill("#filter", "")
    assert len(column(page, 6)) == len(rows)


def test_a_mean_leads_to_its_models_and_a_model_to_its_page(page, swept):
    """From the number of models in a line of means to those lines, to a page, and back by the browser's button."""
    _, rows = swept
    page.locator("#results a[data-filter]").first.click()
    shown = page.locator("#model-table tbody tr:not([hidden])")
    assert shown.count() == rows["seed"].nunique()
    shown.locator("a").first.click()
    opened = page.locator("section.model:visible")
    assert opened.count() == 1
    assert f"#{opened.get_attribute('id')}" in page.url
    assert opened.locator("img").evaluate("(image) => image.decode().then(() => image.naturalWidth)") > 50
    assert not page.locator("#results").is_visible()
    page.go_back()
    assert page.locator("#results").is_visible()
    assert page.locator("section.model:visible").count() == 0


def test_tables_of_means_and_papers_filter_too(page):
    """Each part by its own box; a table of which nothing is left goes, and comes back."""
    boxes = page.locator("#results input[type=search]")
    boxes.fill("given digit")
    assert page.locator("#results .table:visible").count() == 1
    boxes.fill("")
    assert page.locator("#results .table:visible").count() == 2
    page.fill("#papers input[type=search]", "vae 4")
    assert page.locator("#papers tr[data-words]:visible").count() == 1
    page.fill("#papers input[type=search]", "")
    page.locator("#papers thead button", has_text="published").click()
    printed = page.locator("#papers tbody tr td:nth-child(7)").all_inner_texts()
    assert [text.split()[0] for text in printed] == ["9", "25", "100"]


def test_a_figure_fits_and_opens_in_full_size(page):
    """At its printed width or that of the window, until it is tapped; then at every pixel, and back by another tap."""
    image = page.locator("#figures img").first
    image.scroll_into_view_if_needed()
    pixels = image.evaluate("(image) => image.decode().then(() => image.naturalWidth)")
    before = image.bounding_box()["width"]
    assert before <= min(page.viewport_size["width"], pixels / 2)
    image.click()
    assert image.bounding_box()["width"] == pixels
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    image.click()
    assert image.bounding_box()["width"] == before
