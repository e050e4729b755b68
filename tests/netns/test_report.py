"""The page of a probe, as a browser shows it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from rawechoctl.series import BINS
from tests.browser import Browser
from tests.lab import MAC_B
from tests.netns.client import Probing
from tests.netns.conftest import Cable
from tests.netns.port import port
from tests.netns.test_prober import MAC_T, reply

DESKTOP, PHONE = 1280, 360
TOO_WIDE = "document.documentElement.scrollWidth - window.innerWidth"
SHAPES = """[...document.querySelectorAll('svg path')].filter(p => p.getBoundingClientRect().width
    || p.getBoundingClientRect().height).map(p => p.getAttribute('class'))"""
SMALLEST_LETTERS = """Math.min(...[...document.querySelectorAll('.plot span, td, th, p')].map(
    e => parseFloat(getComputedStyle(e).fontSize)))"""
CUT_LABELS = """[...document.querySelectorAll('.plot span, td, th')].filter(e => {
    const b = e.getBoundingClientRect(); return b.width && (b.left < 0 || b.right > window.innerWidth)
}).map(e => e.textContent)"""
BACKGROUND = "getComputedStyle(document.body).backgroundColor"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium."""
    if not shutil.which("chromium"):
        pytest.skip("needs chromium")
    made = Browser()
    yield made
    made.close()


@pytest.fixture(scope="module")
def page(lasting_cable: Cable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of thirty requests: most are answered, one twice; the third and the fourth are lost."""
    file = tmp_path_factory.mktemp("report") / "run.html"
    with port(lasting_cable.b) as far:
        run = Probing(lasting_cable.ours, "-c", "30", "-i", "10ms", "-W", "5s", "--report", str(file), MAC_T)
        for number in range(1, 31):
            answer = reply(far.receive()).octets()
            far.send(*([] if number in (3, 4) else [answer, answer] if number == 7 else [answer]))
        summary = run.summary()
        assert run.wait() == 0
    assert (summary["received"], summary["lost"], summary["duplicates"]) == (28, 2, 1)
    return file


@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_page(browser: Browser, page: Path, width: int) -> None:
    """Says what happened and draws it, complains of nothing, fetches nothing, fits, and can be read."""
    browser.open(page.as_uri(), width)
    words = browser.evaluate("document.body.innerText")
    assert "2 of 30 requests were lost" in words
    assert "Numbers of the lost requests: 3\N{EN DASH}4." in words
    for name, value in (("sent", 30), ("received", 28), ("lost", 2), ("duplicates", 1), ("interface", "eth1")):
        assert re.search(rf"^{name}\s+{value}$", words, re.MULTILINE), (name, words)
    shapes = set(browser.evaluate(SHAPES))
    assert {"bars", "marker", "lost", "duplicates", "grid"} <= shapes
    assert shapes & {"dots", "mean"}
    assert browser.complaints() == []
    assert [url for url in browser.requested() if not url.startswith("data:")] == [page.as_uri()]
    assert browser.evaluate(TOO_WIDE) <= 0
    assert browser.evaluate(CUT_LABELS) == []
    assert browser.evaluate(SMALLEST_LETTERS) >= 10


def test_page_has_no_script_and_no_address(page: Path) -> None:
    """It can be sent by mail: all is in the one file."""
    html = page.read_text(encoding="utf-8")
    assert not re.search(r"<script|https?:|//[a-z]|url\(|@import| on[a-z]+=", html)
    assert "default-src 'none'" in html


def test_page_in_light_and_dark(browser: Browser, page: Path) -> None:
    """It takes the reader's choice; letters stand out in both."""
    grounds = []
    for scheme in ("light", "dark"):
        browser.open(page.as_uri(), DESKTOP, scheme=scheme)
        grounds.append(browser.evaluate(BACKGROUND))
        assert browser.evaluate(BACKGROUND) != browser.evaluate("getComputedStyle(document.body).color")
    assert grounds == ["rgb(255, 255, 255)", "rgb(16, 21, 27)"]


def test_page_of_a_long_run_is_downsampled(browser: Browser, cable: Cable, tmp_path: Path) -> None:
    """More replies than bins: the drawing stays small and says so, the figures are of all."""
    file = tmp_path / "long.html"
    many = 5 * BINS
    summary = cable.ours.probe(MAC_B, "-c", str(many), "-i", "100us", "-q", "--report", str(file))
    browser.open(file.as_uri(), DESKTOP)
    words = browser.evaluate("document.body.innerText")
    assert "Downsampled: each column stands for" in words
    assert re.search(rf"^received\s+{summary['received']:,}$", words, re.MULTILINE)
    assert {"range", "mean", "bars"} <= set(browser.evaluate(SHAPES))
    strokes = browser.evaluate("document.querySelector('path.mean').getAttribute('d').split('M').length - 1")
    assert 2 <= strokes <= BINS
    assert file.stat().st_size < 300_000
    assert browser.complaints() == []


def test_page_where_nobody_answers(browser: Browser, cable: Cable, tmp_path: Path) -> None:
    """Says so, and shows when."""
    file = tmp_path / "silence.html"
    found = cable.ours.ctl("probe", MAC_T, "-c", "3", "-i", "10ms", "-W", "50ms", "--report", str(file))
    assert found.returncode == 1
    browser.open(file.as_uri(), PHONE)
    words = browser.evaluate("document.body.innerText")
    assert "Nobody answered: 3 of 3 requests were lost." in words
    assert "lost" in browser.evaluate(SHAPES)
    assert browser.complaints() == []
    assert browser.evaluate(TOO_WIDE) <= 0
