"""A short run of the fuzzer; `fuzz.py` beside it makes a long one."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.fuzzing import (
    KERNEL_FILES,
    KERNELS,
    LONG_SPECS,
    OPTIONS,
    SAMPLES,
    TIFFS,
    hostile_files,
    hostile_kernel_files,
    judge,
    judge_kernel_file,
    tiff_directories,
)

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


def test_every_tiff_and_every_kernel_file_is_read_as_it_is() -> None:
    assert {judge(data) for data in TIFFS} == {"filtered"}
    assert {judge_kernel_file(*each) for each in KERNEL_FILES.items()} == {"filtered"}


@pytest.mark.slow
@settings(SHORT, max_examples=60)
@given(tiff_directories())
def test_hostile_tiff_directories(data: bytes) -> None:
    judge(data)


@pytest.mark.slow
@settings(SHORT, max_examples=80)
@given(hostile_kernel_files())
def test_hostile_kernel_files(file: tuple[str, bytes]) -> None:
    judge_kernel_file(*file)


@pytest.mark.slow
@SHORT
@given(LONG_SPECS)
def test_specifications_of_many_signs(kernel: str) -> None:
    judge(SAMPLES["PNG"], kernel)


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
