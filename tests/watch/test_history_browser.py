"""The history page in a real browser."""

from collections.abc import Iterator

import pytest

pytest.importorskip("uvicorn")

from edgefg.bundle.bundle import Bundle

from ..support.chromium import PROGRAM, Tab, browser
from ..support.store_rig import NOON_S, motion, recorded, state, store, written
from ..support.watched_page import Served, served

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(PROGRAM is None, reason="needs Debian's package chromium"),
]

SCRIPT = "<img src=x onerror=document.title='owned'>"
CARDS = "document.querySelectorAll('.card')"
VIDEO = "document.getElementById('video')"


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    with browser() as one:
        yield one


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Bundle) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("clips")
    one = store(folder)
    written(one, state("live", NOON_S - 3000), *recorded(folder, 1, 2.0))
    for number in range(2, 100):
        written(one, *motion(number, at_s=NOON_S - 60 * number, zone="gate"))
    written(one, *motion(100, camera=SCRIPT, zone=SCRIPT, at_s=NOON_S - 10_000))
    one.close()
    with served(tiny_bundle, record=folder) as page:
        yield page


def open_page(tab: Tab, house: Served, query: str) -> None:
    tab.errors.clear()
    tab.open(f"{house.origin}/history?to={NOON_S + 600:.0f}{query}")
    tab.wait_for("document.readyState === 'complete' && document.getElementById('list-title').textContent !== 'Events'")


def test_shows_the_past_and_more_of_it(tab: Tab, house: Served) -> None:
    open_page(tab, house, "")
    assert tab.evaluate(f"{CARDS}.length") == 60
    assert tab.evaluate("document.querySelector('[data-camera=door] canvas').ariaLabel").startswith("door: 99 motions")
    tab.evaluate("document.getElementById('more').click()")
    tab.wait_for(f"{CARDS}.length === 101")
    assert tab.evaluate("document.getElementById('more').hidden")
    assert tab.errors == []


def test_a_filter_stands_in_the_address(tab: Tab, house: Served) -> None:
    open_page(tab, house, "&zone=mat")
    assert tab.evaluate(f"{CARDS}.length") == 1
    tab.evaluate("filters.kind.value = 'scene'; filters.kind.dispatchEvent(new Event('change', {bubbles: true}))")
    tab.wait_for("!document.getElementById('none').hidden")
    assert "kind=scene" in tab.evaluate("location.search")
    tab.evaluate("history.back()")
    tab.wait_for(f"{CARDS}.length === 1")


def test_a_link_to_an_event_plays_its_clip(tab: Tab, house: Served) -> None:
    open_page(tab, house, f"&event={1:016x}")
    tab.wait_for("document.getElementById('player').open")
    tab.wait_for(f"{VIDEO}.readyState >= 2")
    assert tab.evaluate(f"[{VIDEO}.videoWidth, {VIDEO}.error]") == [160, None]
    tab.evaluate(f"new Promise(seeked => {{ {VIDEO}.onseeked = seeked; {VIDEO}.currentTime = 1.5; }}).then(() => 1)")
    tab.evaluate("document.getElementById('close').click()")
    tab.wait_for("!location.search.includes('event')")


def test_it_is_used_by_keyboard(tab: Tab, house: Served) -> None:
    open_page(tab, house, "")
    press = "key => document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}))"
    tab.evaluate(f"['ArrowRight', 'ArrowRight'].forEach({press}); document.activeElement.click()")
    tab.wait_for("document.getElementById('player').open")
    assert f"event={2:016x}" in tab.evaluate("location.search")
    assert "no clip" in tab.evaluate("document.getElementById('player-note').textContent")
    tab.evaluate(f"['ArrowLeft'].forEach({press})")
    assert f"event={1:016x}" in tab.evaluate("location.search")
    tab.evaluate(f"player.close(); ['+'].forEach({press})")
    tab.wait_for("location.search.includes('range=21600')")


def test_names_are_no_html(tab: Tab, house: Served) -> None:
    open_page(tab, house, f"&camera={SCRIPT.replace('=', '%3D')}&zone=%3Cscript%3E")
    tab.evaluate("change({zone: ''})")
    tab.wait_for(f"{CARDS}.length === 1")
    assert SCRIPT in tab.evaluate("document.querySelector('.what').textContent")
    assert tab.evaluate("document.title") == "edgefg: history"
    assert tab.evaluate("[...document.images].filter(image => image.src.endsWith('/x')).length") == 0


def test_one_column_on_a_phone(tab: Tab, house: Served) -> None:
    tab.call("Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=1, mobile=False)
    open_page(tab, house, "")
    assert tab.evaluate(f"new Set([...{CARDS}].map(card => card.getBoundingClientRect().left)).size") == 1
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    tab.call("Emulation.clearDeviceMetricsOverride")
