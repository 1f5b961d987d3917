"""Stores that are busy are asked again after a while; what will not change is told at once."""

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from convcli.errors import ImageError
from convcli.storage import urls
from convcli.storage.ranges import ranges_of
from support.commands import process, save
from support.flaky import Trouble, flaky
from support.s3_server import Bucket
from support.web_servers import Served, file_server

pytestmark = pytest.mark.servers

COUNT = 15
HASTY = urls.Retries(busy=12, lost=8, first_seconds=0.001, longest_seconds=0.01)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(urls, "retries", lambda: HASTY)
    yield
    monkeypatch.undo()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return how long was waited each time; in truth nobody waits."""
    waited: list[float] = []
    sleep, own = time.sleep, threading.get_ident()

    def wait(seconds: float) -> None:
        if threading.get_ident() == own:
            waited.append(seconds)
        else:  # Dask's threads may still live, of a test before.
            sleep(seconds)

    monkeypatch.setattr(time, "sleep", wait)
    return waited


def reached(bucket: Bucket, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the clients of this process speak to a proxy before the bucket's server."""
    from fsspec.config import conf

    monkeypatch.setitem(conf, "s3", {"endpoint_url": address})
    for name, value in bucket.settings.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    "trouble",
    [
        Trouble(refused=0.05, seed=1),
        Trouble(refused=0.2, seed=1),
        Trouble(refused=0.5),
        Trouble(refused=0.3, status=429, code="TooManyRequests", retry_after="0"),
        Trouble(dropped=0.3),
    ],
    ids=["503: 5 %", "503: 20 %", "503: 50 %", "429", "dropped"],
)
def test_objects_pass_a_busy_store(
    bucket: Bucket, trouble: Trouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    with flaky(bucket.endpoint, trouble) as address:
        reached(bucket, address, monkeypatch)
        for number in range(COUNT):
            urls.put(bucket.url(f"in/{number:02}"), bytes([number]) * 1000)
        assert list(urls.files_in(bucket.url("in"))) == [f"{n:02}" for n in range(COUNT)]
        for number in range(COUNT):
            data = urls.fetched(bucket.url(f"in/{number:02}"), 2000)
            assert data == bytes([number]) * 1000
        assert urls.is_there(bucket.url("in/00"))
        assert not urls.is_there(bucket.url("in/99"))
    assert sum(trouble.troubled.values()) >= 1
    assert sorted(bucket.keys()) == [f"in/{number:02}" for number in range(COUNT)]


@pytest.mark.parametrize(
    "trouble", [Trouble(refused=0.5), Trouble(dropped=0.4)], ids=["503", "dropped"]
)
def test_parts_of_files_pass_a_busy_server(trouble: Trouble) -> None:
    data = bytes(range(256)) * 1024
    with (
        file_server(Served({"/a.bin": data})) as served,
        flaky(served.address, trouble) as address,
    ):
        assert urls.is_there(f"{address}/a.bin")
        ranges = ranges_of(f"{address}/a.bin")
        for start in range(0, len(data), 10_000):
            part = data[start : start + 10_000]
            assert list(ranges.read([(start, len(part))])) == [part]
        file = ranges.opened()
        file.seek(100_000)
        assert file.read(70_000) == data[100_000:170_000]
    assert sum(trouble.troubled.values()) >= 5


def test_what_does_not_answer_is_left_and_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = urls.Retries(lost=8, first_seconds=0.001, stall_seconds=0.2)
    monkeypatch.setattr(urls, "retries", lambda: quick)
    trouble = Trouble(stalled=0.3, seed=3)
    with (
        file_server(Served({"/a.bin": b"abc"})) as served,
        flaky(served.address, trouble) as address,
    ):
        assert [urls.fetched(f"{address}/a.bin", 3) for _ in range(4)] == [b"abc"] * 4
    assert trouble.troubled["stalled"] >= 1


@pytest.mark.parametrize("kind", ["http", "s3"])
def test_a_store_is_asked_again_no_earlier_than_it_says(
    bucket: Bucket, kind: str, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = urls.Retries(busy=5, first_seconds=0.5, longest_seconds=2)
    monkeypatch.setattr(urls, "retries", lambda: slow)
    for retry_after, least, most in (("1", 1, 3), ("99", 2, 4), ("", 0, 2)):
        waits.clear()
        trouble = Trouble(refused=1, status=429, code="SlowDown", retry_after=retry_after)
        with flaky(bucket.endpoint, trouble) as address:
            reached(bucket, address, monkeypatch)
            url = bucket.url("in") if kind == "s3" else f"{address}/in"
            with pytest.raises(ImageError, match=f"^{url}: cannot be looked up: "):
                urls.size_of(url)
        assert len(waits) >= 4
        assert all(least <= wait <= most for wait in waits)
        assert len(set(waits)) == len(waits)  # They are random.


@pytest.mark.parametrize(
    ("status", "code"),
    [(403, "InvalidAccessKeyId"), (403, "SignatureDoesNotMatch"), (400, "ExpiredToken")],
)
def test_credentials_that_are_wrong_are_told_at_once(
    bucket: Bucket, status: int, code: str, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    trouble = Trouble(refused=1, status=status, code=code)
    with flaky(bucket.endpoint, trouble) as address:
        reached(bucket, address, monkeypatch)
        with pytest.raises(ImageError) as caught:
            list(urls.files_in(bucket.url("in")))
    assert str(caught.value) == (
        f"{bucket.url('in')}: cannot be listed: no permission: {code}: check the credentials"
    )
    assert (len(trouble.asked), [wait for wait in waits if wait > 0.2]) == (1, [])


def test_a_batch_beside_a_store_that_dies_goes_on_when_it_lives(
    bucket: Bucket, tmp_path: Path
) -> None:
    picture = save(tmp_path / "in.png", [[10, 20, 30]])
    for number in range(6):
        bucket.put(f"in/{number}.png", picture.read_bytes())
    words = ["apply", "box", bucket.url("in"), "--out-dir", bucket.url("out"), "-q"]
    quick = {"CONVCLI_RETRIES": "lost=2,first_seconds=0.01"}
    with flaky(bucket.endpoint, Trouble(dies_after=17)) as address:
        settings = {**bucket.settings, "AWS_ENDPOINT_URL": address, **quick}
        ended = process(*words, **settings)
    said = ended.stderr.decode()
    assert ended.returncode == 1
    assert len(said.splitlines()) == 2
    assert re.match(r"Warning: the store was not looked at after the run: s3://", said)
    assert re.search(r"of 6 files failed; the first: s3://.*the server cannot be reached", said)
    assert 0 < len([key for key in bucket.keys() if key.startswith("out/")]) < 6  # noqa: SIM118 - no dict
    again = process(*words, "--on-exists", "skip", **bucket.settings)
    assert (again.returncode, again.stderr) == (0, b"")
    assert process("apply", "box", picture, tmp_path / "out.png", "-q").returncode == 0
    made = {bucket.get(f"out/{number}.png") for number in range(6)}
    assert made == {(tmp_path / "out.png").read_bytes()}


def test_settings_that_mean_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    for text in ("busy", "busy=x", "bisy=3"):
        ended = process(
            "apply", "box", "http://127.0.0.1:1/a.png", "b.png", CONVCLI_RETRIES=text
        )
        line = ended.stderr.decode()
        assert (ended.returncode, len(line.splitlines())) == (2, 1)
        assert line.startswith(f"Error: CONVCLI_RETRIES={text}: expected numbers of busy, lost")
