"""How many files are sent to a cluster together."""

from convcli.batch.job import FileJob, Outcome, Status
from convcli.scale.cluster import Groups

JOBS = [FileJob(f"{number}.png", f"out/{number}.png") for number in range(100)]


def after(groups: Groups, seconds: float) -> Groups:
    groups.learn(Outcome(job=JOBS[0], status=Status.DONE, seconds=seconds))
    return groups


def test_a_group_takes_a_fifth_of_a_second() -> None:
    assert after(Groups([]), 0.05).size(threads=2) == 4


def test_many_workers_get_longer_groups() -> None:
    # 50 threads, 100 tasks a second: each takes half a second.
    assert after(Groups([]), 0.05).size(threads=50) == 10


def test_groups_become_shorter_towards_the_end() -> None:
    groups = Groups(JOBS, total=100)
    sent = groups.next(threads=2)
    after(groups, 0.001)
    sizes = []
    while group := groups.next(threads=2):
        sizes.append(len(group))
        sent += group
    # A fourth of what is left: of 99, of 75, of 57 ...
    assert sizes == [24, 18, 14, 10, 8, 6, 4, 3, 3, 2, *[1] * 7]
    assert sent == JOBS
