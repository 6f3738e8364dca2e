"""The options of inference: what each may be, and how keywords go with them."""

from typing import Any

import pytest

from edgefg.errors import OptionError
from edgefg.segmentation.options import InferenceOptions, inference_options


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"engine": "magic"}, "engine must be one of auto, tensorrt"),
        ({"precision": "int4"}, "precision must be one of fp32, fp16, int8; got 'int4'"),
        ({"threads": 0}, "threads must be a whole number above 0; got 0"),
        ({"threads": True}, "threads must be a whole number above 0; got True"),
        ({"mode": "fast"}, "mode must be one of auto, full, map, fused; got 'fast'"),
        ({"threshold": 0}, "threshold must be a number above 0 and at most 1; got 0"),
        ({"threshold": float("nan")}, "threshold must be a number above 0 and at most 1; got nan"),
        ({"skip_below": 0}, "skip_below must be a number above 0; got 0"),
        ({"skip_below": "never"}, "skip_below must be a number above 0; got 'never'"),
    ],
)
def test_what_makes_no_sense_is_refused(option: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        InferenceOptions(**option)


def test_keywords_replace_what_the_options_say() -> None:
    chosen = inference_options(InferenceOptions(mode="map", threads=2), {"mode": "full"})
    assert chosen == InferenceOptions(mode="full", threads=2)


def test_keywords_alone_are_enough() -> None:
    assert inference_options(None, {"precision": "fp32"}) == InferenceOptions(precision="fp32")


def test_options_of_another_type_are_refused() -> None:
    with pytest.raises(OptionError, match="options must be an InferenceOptions; got dict"):
        inference_options({"mode": "map"}, {})  # type: ignore[arg-type]
