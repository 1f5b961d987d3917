"""Bad parameters: one line each, with what is allowed."""

import pytest

from convcli.errors import SpecError
from convcli.kernels.spec import kernel_from


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("gaussian:0", ["sigma above 0", "at most 255", "pixels", "got 0", "gaussian:sigma=1"]),
        ("gaussian:-2", ["sigma above 0", "got -2"]),
        ("gaussian:300", ["at most 255", "got 300"]),
        ("gaussian:2,radius=5000", ["radius at least 0", "at most 1023", "got 5000"]),
        ("gaussian:2,radius=1.5", ["a whole number for radius", "'1.5'"]),
        ("gaussian:two", ["a number for sigma (pixels)", "'two'"]),
        ("gaussian:nan", ["a number for sigma", "'nan'"]),
        ("gaussian:width=2", ["no parameter is called 'width'", "it takes sigma, radius"]),
        ("gaussian:2,3,4", ["no place for '4'"]),
        ("gaussian:2,sigma=3", ["sigma is given twice"]),
        ("gaussian:", ["expected parameters after ':'"]),
        ("box:0", ["size at least 1", "got 0"]),
        ("box:4096", ["at most 2047"]),
        ("high-pass:4", ["size odd", "got 4", "high-pass:size=3"]),
        ("laplacian:1.5", ["alpha at least 0, at most 1", "got 1.5"]),
        ("log:0", ["sigma at least 0.3"]),
        ("dog:1,1", ["two different sigmas"]),
        ("disk:0", ["radius above 0"]),
        ("disk:2000", ["at most 1023"]),
        ("motion:0.5", ["length at least 1"]),
        ("motion:9,400", ["angle at least -360, at most 360", "degrees"]),
        ("unsharp:1,-1", ["amount at least 0"]),
        ("gabor:1", ["lambda at least 2"]),
        ("gabor:8,sigma=400,gamma=0.1", ["12000 taps", "at most 1023", "set radius"]),
        ("binomial:16", ["radius at least 0, at most 15"]),
        ("sobel-x:3", ["no place for '3'", "it takes no parameters"]),
        ("sobel:3", ["expected no parameters", "'3'"]),
        ("sobl-x", ["no kernel is called 'sobl-x'", "did you mean sobel-x"]),
        ("kirsch-nnw", ["did you mean", "kirsch-nw"]),
    ],
)
def test_one_line_that_says_what_is_allowed(spec: str, words: list[str]) -> None:
    with pytest.raises(SpecError) as caught:
        kernel_from(spec)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message
