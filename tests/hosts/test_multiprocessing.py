"""Workers of multiprocessing: by every start method, in every way to have them, and to end them."""

from __future__ import annotations

import itertools

import pytest

from tests.hosts.host import Host, check

CAPTURES = 60
POOL = """    with multiprocessing.get_context("fork").Pool(2) as pool:
        pool.map(work, range(60))"""
#: What stands in the recipe's place of its pool.
WAYS = {
    "pool": POOL,
    "pool-closed": """    pool = multiprocessing.get_context("fork").Pool(2)
    pool.map(work, range(60))
    pool.close()
    pool.join()""",
    "process": """    workers = [multiprocessing.get_context("fork").Process(target=many) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        print("worker ended:", worker.exitcode)""",
    "terminated": """    worker = multiprocessing.get_context("fork").Process(target=many_and_wait)
    worker.start()
    import pathlib, time
    while not pathlib.Path("handed-in").exists():
        time.sleep(0.05)
    worker.terminate()
    worker.join()
    print("worker ended:", worker.exitcode)""",
    "executor": """    from concurrent.futures import ProcessPoolExecutor
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
        list(pool.map(work, range(60)))""",
}
MORE = """

def many():
    for number in range(30):
        work(number)


def many_and_wait():
    import pathlib, time
    many()
    many()
    pathlib.Path("handed-in").touch()
    time.sleep(60)


if __name__ == "__main__":"""
STARTS = ("fork", "forkserver", "spawn")
#: What runs each time; the others with -m hosts.
QUICK = {("pool", "fork"), ("process", "fork"), ("executor", "forkserver")}


@pytest.mark.parametrize(
    ("way", "start"),
    [
        pytest.param(*both, marks=() if both in QUICK else pytest.mark.hosts, id="-".join(both))
        for both in itertools.product(WAYS, STARTS)
    ],
)
def test_workers(way: str, start: str, host: Host) -> None:
    host.instead = {POOL: WAYS[way], '\n\nif __name__ == "__main__":': MORE, **host.instead, '("fork")': f'("{start}")'}
    (command,) = host.prepare("multiprocessing")
    assert host.run(command) == 0, host.said()
    ends = {"process": ["worker ended: 0"] * 2, "terminated": ["worker ended: -15"]}
    assert [line for line in host.said().splitlines() if "ended" in line] == ends.get(way, [])
    check(host.fates(CAPTURES), spool=host.spool, said=host.said())


@pytest.mark.parametrize("start", ["fork"])
def test_workers_of_a_parent_that_uses_the_uploader(start: str, host: Host) -> None:
    """The children take boto3, and say so once each; the parent's captures stay the parent's."""
    host.instead |= {'"__main__":\n': '"__main__":\n    uploader.upload({"number": -1})\n    work(60)\n'}
    if host.s3.put_s is None:
        host.instead |= {'uploader.upload({"number": -1})': "work(61)"}
    (command,) = host.prepare("multiprocessing")
    assert host.run(command) == 0, host.said()
    check(host.fates(CAPTURES + 2), spool=host.spool, said=host.said())
    if host.s3.put_s is not None:  # else the parent may not have come to use obstore before the fork
        assert 1 <= host.said().count("boto3 takes its place") <= 2, host.said()
