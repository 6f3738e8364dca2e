"""Published figures: complete, with their misprints, and beside ours only where the protocol agrees."""

import io
from typing import Any

import pytest

from edgefg.evaluate.evaluate import Evaluation
from edgefg.evaluate.metrics import Counts, SequenceScore, summarise
from edgefg.evaluate.published import OTHERS, PAPER_F, mismatch

rich_console = pytest.importorskip("rich.console")
published = pytest.importorskip("edgefg.evaluate.published")


def evaluation(
    protocol: str = "scene",
    background: str = "protocol",
    trained: str | None = "scene",
    category: str = "baseline",
    methods: tuple[str, ...] = ("edgefg", "edgefg-map", "mog2"),
    seen_frames: int = 0,
) -> Evaluation:
    scores = [SequenceScore(f"{category}/{name}", category, 60, Counts(tp=6, fp=2, fn=2, tn=90)) for name in "ab"]
    bundle: dict[str, Any] | None = {"protocol": trained} if set(methods) & {"edgefg", "edgefg-map"} else None
    summaries = dict.fromkeys(methods, summarise(scores))
    return Evaluation(protocol, background, 0, "three", None, summaries, bundle, seen_frames=seen_frames)


def rendered(shown: Evaluation, width: int = 100) -> str:
    text = io.StringIO()
    rich_console.Console(file=text, width=width).print(published.published_tables(shown))
    return text.getvalue()


def row(text: str, start: str) -> list[str]:
    (line,) = (line for line in text.splitlines() if line.strip().startswith(start))
    return line.split()


def test_ours_stands_beside_the_paper_where_all_agrees() -> None:
    assert mismatch(evaluation()) is None
    text = rendered(evaluation())
    assert row(text, "category")[:6] == ["category", "the", "paper", "edgefg", "edgefg-map", "sequences"]
    assert row(text, "baseline") == ["baseline", "0.9965", "0.7500", "0.7500", "2"]
    assert row(text, "shadow") == ["shadow", "0.9934", "-", "-", "0"]


def test_classical_methods_never_stand_beside_it() -> None:
    assert "mog2" not in rendered(evaluation())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"protocol": "unseen", "background": "median"}, "ours was evaluated by the protocol unseen"),
        ({"background": "first"}, "ours was compared with the background first"),
        ({"trained": "unseen"}, "our networks were trained by the protocol unseen"),
        ({"trained": None}, "our networks were trained by the protocol that no card names"),
        ({"seen_frames": 3}, "our networks were trained on 3 of the tested frames"),
        ({"category": "indoor"}, "no category of the paper was evaluated"),
        ({"methods": ("mog2",)}, "edgefg was not evaluated"),
    ],
)
def test_else_it_stands_alone_and_the_reason_is_said(changes: dict[str, Any], reason: str) -> None:
    text = rendered(evaluation(**changes))
    assert f"Ours is not compared with them: {reason}" in text.replace("\n", " ")
    assert "0.7500" not in text
    assert row(text, "baseline") == ["baseline", "0.9965"]


def test_the_protocol_is_named() -> None:
    text = rendered(evaluation())
    assert "protocol: scene: 30% of each sequence's frames train" in text
    assert "protocols: their own, so ours is not compared with them" in text


def test_misprints_stand_beside_what_is_misprinted() -> None:
    text = rendered(evaluation(), width=160)
    assert "average 0.9882, not the printed 0.9834" in text
    assert "impossible" in " ".join(row(text, "IUTIS-5"))
    assert "0.7408" in " ".join(row(text, "SuBSENSE"))
    for name in ("Cascade CNN", "DeepBS", "SuBSENSE"):
        assert "precision" in " ".join(row(text, name))


def test_the_figures_are_those_of_the_paper() -> None:
    assert len(PAPER_F) == 9
    assert sum(PAPER_F.values()) / 9 == pytest.approx(0.9882, abs=5e-5)
    assert [other.method for other in OTHERS] == sorted((o.method for o in OTHERS), key=lambda name: -f_of(name))


def f_of(method: str) -> float:
    return next(other.f for other in OTHERS if other.method == method)


def test_it_fits_80_columns() -> None:
    lines = rendered(evaluation(), width=80).splitlines()
    assert max(map(len, lines)) <= 80
    assert not any("…" in line for line in lines)
