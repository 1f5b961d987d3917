"""A short run of the fuzzer; `fuzz.py` beside it makes a long one."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.fuzzing import KERNELS, OPTIONS, SAMPLES, hostile_files, judge

SHORT = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("kind", sorted(SAMPLES))
def test_every_sample_is_filtered_as_it_is(kind: str) -> None:
    assert judge(SAMPLES[kind]) == "filtered"


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(SAMPLES))
def test_hostile_files(kind: str) -> None:
    @SHORT
    @given(hostile_files(kind))
    def run(data: bytes) -> None:
        judge(data)

    run()


@pytest.mark.slow
@SHORT
@given(KERNELS)
def test_hostile_kernels(kernel: str) -> None:
    judge(SAMPLES["PNG"], kernel)


@SHORT
@given(OPTIONS, st.sampled_from(sorted(SAMPLES)))
def test_hostile_options(options: list[str], kind: str) -> None:
    judge(SAMPLES[kind], options=tuple(options))
