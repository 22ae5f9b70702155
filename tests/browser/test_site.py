"""The site in a real browser: what somebody sees, hears and prints, from a folder and from a server."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from harness.archive import select
from harness.archive.store import Forecasts
from harness.documents.footprint import Record
from tests.browser.conftest import RESULTS, Open, build
from tests.support.releases import FORECAST_AT, history, release

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
AXE = Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js"
START = "index.html"
FRAMEWORK = "frameworks/torch.html"
METHOD = "how-we-measure.html"
LOOKED_AT = (START, FRAMEWORK, METHOD)
SCHEMES = ("light", "dark")
PHONE = 390
ROWS = "#overview tbody tr"


def every_page(site: Path) -> list[str]:
    return sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))


def orders(page: Page, head: str, table: str = "overview") -> list[float | None]:
    """What the rows are sorted by in the column of that head, as they stand; None: no figure."""
    values = page.evaluate(
        """([head, table]) => {
            const heads = [...document.querySelectorAll(`#${table} thead th`)];
            const at = heads.findIndex(one => one.textContent.trim() === head);
            return [...document.querySelectorAll(`#${table} tbody tr`)].map(row => row.cells[at].dataset.order);
        }""",
        [head, table],
    )
    return [float(value) if value else None for value in values]


def figures(records: Sequence[Record], name: str) -> list[float]:
    """The figures that there are of the rows, smallest first."""
    rows = select.newest_of_each_job(records)
    return sorted(value for one in rows if (value := getattr(one.figures, name)) is not None)


def test_no_page_asks_for_anything_but_the_site_or_complains(root: str, site: Path, open_page: Open) -> None:
    for path in every_page(site):
        window = open_page(f"{root}/{path}", within=root)
        assert window.left == [], path
        assert window.errors == [], path


def test_the_search_finds_pages(root: str, open_page: Open) -> None:
    window = open_page(f"{root}/search.html?q=proxy", within=root)
    expect(window.page.locator("#search-results li a").first).to_contain_text("Measure behind a proxy")
    assert window.errors == [] and window.left == []


def test_the_table_has_a_row_for_each_job(root: str, open_page: Open, records: list[Record]) -> None:
    page = open_page(f"{root}/{START}", within=root).page
    assert page.locator(ROWS).count() == len(select.newest_of_each_job(records))
    shown = page.locator("#overview").inner_text()
    for one in records:
        assert one.framework in shown


def test_the_table_is_whole_without_scripts(root: str, open_page: Open, records: list[Record]) -> None:
    page = open_page(f"{root}/{START}", within=root, scripts=False).page
    assert page.locator(ROWS).count() == len(select.newest_of_each_job(records))
    assert page.get_by_role("searchbox", name="Filter").count() == 0


@pytest.mark.parametrize(
    ("head", "figure"), [("Installed", "installed_bytes"), ("Import, warm", "import_warm_seconds")]
)
def test_the_table_sorts_by_figures_and_what_has_none_comes_last(
    root: str, open_page: Open, records: list[Record], head: str, figure: str
) -> None:
    page = open_page(f"{root}/{START}", within=root).page
    column = page.locator("#overview thead th", has_text=head)
    known = figures(records, figure)
    missing = [None] * (len(select.newest_of_each_job(records)) - len(known))
    assert len(known) > 2 and missing  # else this shows nothing
    column.click()
    expect(column).to_have_attribute("aria-sort", "ascending")
    assert orders(page, head) == [*known, *missing]
    column.click()
    expect(column).to_have_attribute("aria-sort", "descending")
    assert orders(page, head) == [*reversed(known), *missing]


def test_the_table_sorts_by_keyboard(root: str, open_page: Open, records: list[Record]) -> None:
    page = open_page(f"{root}/{START}", within=root).page
    column = page.locator("#overview thead th", has_text="Installed")
    column.get_by_role("button").focus()
    page.keyboard.press("Enter")
    expect(column).to_have_attribute("aria-sort", "ascending")
    assert [value for value in orders(page, "Installed") if value is not None] == figures(records, "installed_bytes")


def test_the_table_filters(root: str, open_page: Open, records: list[Record]) -> None:
    page = open_page(f"{root}/{START}", within=root).page
    page.get_by_role("searchbox", name="Filter").fill("onnxruntime-gpu")
    wanted = [one for one in select.newest_of_each_job(records) if one.framework == "onnxruntime-gpu"]
    assert 0 < len(wanted) < len(records)
    expect(page.locator(ROWS)).to_have_count(len(wanted))
    expect(page.locator(".dt-info")).to_contain_text(f"{len(wanted)} measurements")
    page.get_by_role("searchbox", name="Filter").fill("no such thing")
    expect(page.locator(ROWS)).to_have_text(["No measurement matches."])
    page.get_by_role("searchbox", name="Filter").fill("")
    expect(page.locator(ROWS)).to_have_count(len(select.newest_of_each_job(records)))


def test_what_is_not_ok_says_so_with_its_reason_and_is_never_zero(
    root: str, open_page: Open, records: list[Record]
) -> None:
    page = open_page(f"{root}/{START}", within=root).page
    ended = [one for one in select.newest_of_each_job(records) if one.status != "ok"]
    assert ended
    for one in ended:
        row = page.locator(ROWS, has_text=str(one.reason))
        assert row.count() >= 1
        assert one.status in row.first.inner_text()
    cells = page.locator("#overview tbody td.number").all_inner_texts()
    assert not [cell for cell in cells if re.match(r"0(\.0*)?( |$)", cell)]


def test_every_figure_leads_to_its_record(served: str, open_page: Open, records: list[Record]) -> None:
    page = open_page(f"{served}/{START}", within=served).page
    for row in page.locator(ROWS).all():
        links = row.locator("td.number a").all()
        addresses = {str(link.get_attribute("href")) for link in links}
        assert len(addresses) == (1 if links else 0)
        for address in addresses:
            answer = page.request.get(f"{served}/{address}")
            assert answer.ok
            (mine,) = (one for one in records if one.record_id == answer.json()["record_id"])
            assert mine.framework in row.inner_text() and mine.version in row.inner_text()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_decision_picture_has_a_mark_for_each_build(
    root: str, open_page: Open, records: list[Record], scheme: str
) -> None:
    page = open_page(f"{root}/{START}", within=root, scheme=scheme).page
    drawn = page.locator("#chart-decision svg[role=group]:visible")
    assert drawn.count() == 1
    prefix = f"{scheme}-mark-decision-"
    ids = drawn.locator(f"[id^='{prefix}']").evaluate_all("all => all.map(one => one.id)")
    assert sorted(ids) == sorted(prefix + one.record_id for one in select.current(records))
    for link in drawn.locator("a").all():
        assert link.get_attribute("aria-label") or link.text_content(), "a mark that no screen reader can name"


def test_no_two_elements_share_an_id(site: Path, open_page: Open) -> None:
    for path in LOOKED_AT:
        page = open_page(f"{site.as_uri()}/{path}", within=site.as_uri()).page
        ids = page.evaluate("[...document.querySelectorAll('[id]')].map(one => one.id)")
        assert sorted(ids) == sorted(set(ids)), path


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_picture_is_loaded_and_told(site: Path, open_page: Open, scheme: str) -> None:
    pages = [path for path in every_page(site) if "<img" in (site / path).read_text()]
    assert START in pages and FRAMEWORK in pages
    for path in pages:
        page = open_page(f"{site.as_uri()}/{path}", within=site.as_uri(), scheme=scheme).page
        for image in page.locator("article img:visible").all():
            assert image.evaluate("one => one.complete && one.naturalWidth > 0"), path
            assert len(image.get_attribute("alt") or "") > 20, path
        hidden = "dark" if scheme == "light" else "light"
        assert page.locator(f".only-{hidden}:visible").count() == 0, path


def serious(page: Page) -> list[str]:
    """What axe finds that keeps people out."""
    page.add_script_tag(path=AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert found["passes"], "axe looked at nothing"
    return [
        f"{one['id']}: {one['help']}: {[node['html'][:200] for node in one['nodes'][:3]]}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("width", [1280, PHONE])
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("path", LOOKED_AT)
def test_axe_finds_nothing_serious(served: str, open_page: Open, path: str, scheme: str, width: int) -> None:
    assert serious(open_page(f"{served}/{path}", within=served, scheme=scheme, width=width).page) == []


@pytest.mark.parametrize("width", [320, PHONE, 768, 1280])
def test_no_page_is_wider_than_the_screen(site: Path, open_page: Open, width: int) -> None:
    root = site.as_uri()
    window = open_page(f"{root}/{START}", within=root, width=width)
    for path in every_page(site):
        window.page.goto(f"{root}/{path}")
        assert window.page.evaluate("document.documentElement.scrollWidth") <= width, path


def test_a_wide_table_scrolls_inside_of_its_box_on_a_phone(root: str, open_page: Open) -> None:
    page = open_page(f"{root}/{START}", within=root, width=PHONE).page
    box = page.locator(".scroll", has=page.locator("#overview"))
    assert box.evaluate("one => one.scrollWidth > one.clientWidth")
    box.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelector('.scroll:has(#overview)').scrollLeft > 0")


@pytest.mark.parametrize("path", LOOKED_AT)
def test_print_shows_everything_and_no_navigation(site: Path, open_page: Open, path: str) -> None:
    page = open_page(f"{site.as_uri()}/{path}", within=site.as_uri(), scheme="dark").page
    page.emulate_media(media="print", color_scheme="light")
    page.set_viewport_size({"width": 1040, "height": 720})  # A4 across, less its margins
    for part in (".sidebar-drawer", ".toc-drawer", ".mobile-header", ".related-pages", ".dt-search"):
        assert page.locator(part).locator("visible=true").count() == 0, part
    for table in page.locator("table").all():
        assert table.evaluate("one => one.getBoundingClientRect().right") <= 1040
    assert page.locator(".only-dark:visible").count() == 0
    assert page.pdf().startswith(b"%PDF")


def test_what_a_record_says_is_text_and_never_markup(tmp_path: Path, open_page: Open, records: list[Record]) -> None:
    evil = "</span><script>window.stolen = 1</script><img src=x onerror='window.stolen = 2'> ``` {raw} html & <b>"
    results = tmp_path / "results"
    (results / "records").mkdir(parents=True)
    shutil.copy(RESULTS / "datapackage.json", results)
    ended = next(one for one in records if one.status != "ok")
    raw = json.loads(ended.to_json()) | {"reason": evil, "phase": evil, "version": evil, "warnings": [evil]}
    folder = results / "records" / ended.framework
    folder.mkdir()
    (folder / f"{ended.record_id}.json").write_text(json.dumps(raw))
    site = build(results, tmp_path / "built")
    for path in (START, f"frameworks/{ended.framework}.html", "frameworks/index.html"):
        window = open_page(f"{site.as_uri()}/{path}", within=site.as_uri())
        assert window.page.evaluate("window.stolen") is None, path
        assert window.errors == [] and window.left == [], path
        assert "<script>window.stolen = 1</script>" in window.page.locator("article").inner_text(), path


# Forecasts: the site of one framework's records, and of forecasts that nobody made

RELEASES = "#forecast-releases"


@pytest.fixture(scope="module")
def foreseen(tmp_path_factory: pytest.TempPathFactory, records: list[Record]) -> str:
    """The site's address."""
    results = tmp_path_factory.mktemp("foreseen") / "results"
    shutil.copytree(RESULTS / "records" / "onnxruntime", results / "records" / "onnxruntime")
    shutil.copy(RESULTS / "datapackage.json", results)
    (results / "forecast.csv").write_text("record_id\n")
    shelf = Forecasts(results)
    platforms = ("linux_x86_64", "linux_aarch64", "macos_arm64", "windows_x86_64")
    for one in (
        *history("onnxruntime", 12, step=-7),
        *history("jaxlib", 4, scope="wheel"),
        release("onnxruntime", "1.12.0", FORECAST_AT, status="failed", reason="no set of versions fits " * 5),
        *(
            release("onnxruntime", "1.11.0", FORECAST_AT, python=python, platform=platform, scope="wheel")
            for python in ("3.10", "3.11")
            for platform in platforms
        ),
        release("onnxruntime", "1.11.0", None, python="3.9", scope="wheel", status="unsupported", reason="no wheel"),
    ):
        shelf.add(one)
    return build(results, tmp_path_factory.mktemp("built")).as_uri()


FORESEEN = ("frameworks/onnxruntime.html", "frameworks/jaxlib.html", "frameworks/index.html", START)


@pytest.mark.parametrize("path", FORESEEN)
def test_pages_of_forecasts_complain_about_nothing_and_fit_every_screen(
    foreseen: str, open_page: Open, path: str
) -> None:
    for width in (320, PHONE, 768, 1280):
        window = open_page(f"{foreseen}/{path}", within=foreseen, width=width)
        assert window.left == [] and window.errors == []
        assert window.page.evaluate("document.documentElement.scrollWidth") <= width
    ids = window.page.evaluate("[...document.querySelectorAll('[id]')].map(one => one.id)")
    assert sorted(ids) == sorted(set(ids))


@pytest.mark.parametrize("width", [1280, PHONE])
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("path", FORESEEN[:3])
def test_axe_finds_nothing_serious_in_forecasts(
    foreseen: str, open_page: Open, path: str, scheme: str, width: int
) -> None:
    assert serious(open_page(f"{foreseen}/{path}", within=foreseen, scheme=scheme, width=width).page) == []


def test_releases_are_sorted_by_version_by_day_and_by_size_and_what_has_none_comes_last(
    foreseen: str, open_page: Open
) -> None:
    page = open_page(f"{foreseen}/frameworks/onnxruntime.html", within=foreseen).page
    for head, known in (("Version", 13), ("Uploaded", 13), ("Own wheel", 12), ("Unpacked, all wheels", 12)):
        column = page.locator(f"{RELEASES} thead th").filter(has_text=re.compile(rf"^\s*{head}\s*$"))
        for way in ("ascending", "descending"):
            column.click()
            expect(column).to_have_attribute("aria-sort", way)
            values = orders(page, head, "forecast-releases")
            figures = [value for value in values if value is not None]
            assert figures == sorted(figures, reverse=way == "descending") and len(figures) == known
            assert values == figures + [None] * (13 - known)
    assert page.get_by_role("searchbox", name="Filter").count() == 0


def test_releases_are_all_there_without_scripts(foreseen: str, open_page: Open) -> None:
    page = open_page(f"{foreseen}/frameworks/onnxruntime.html", within=foreseen, scripts=False).page
    shown = page.locator(f"{RELEASES} tbody tr th").all_inner_texts()
    assert [one.split("\n")[0] for one in shown] == [f"1.{n}.0" for n in reversed(range(13))]


def test_a_forecast_says_so_beside_every_table_and_picture_of_it(foreseen: str, open_page: Open) -> None:
    page = open_page(f"{foreseen}/frameworks/onnxruntime.html", within=foreseen).page
    section = page.locator("section#forecast")
    assert "not measured" in section.locator("p.forecast").inner_text()
    captions = section.locator("table caption").all_inner_texts()
    assert len(captions) == 2 and all(one.startswith("Forecast of") for one in captions)
    (picture,) = section.locator("img:visible").all()
    assert "not measured" in str(picture.get_attribute("alt"))
    assert page.locator("section:not(#forecast) > figure img[src*=forecast]").count() == 0


def test_forecasts_can_be_printed(foreseen: str, open_page: Open) -> None:
    page = open_page(f"{foreseen}/frameworks/onnxruntime.html", within=foreseen).page
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 1040, "height": 720})
    for table in page.locator("table").all():
        assert table.evaluate("one => one.getBoundingClientRect().right") <= 1040
