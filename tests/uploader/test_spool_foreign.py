"""What is in a spool's folders and none of ours: left alone where it is, counted, told once, and in nobody's way."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from zlib import crc32

import pytest

from packhorse.stores.base import ObjectInfo
from packhorse.uploader.options import UploaderOptions
from packhorse.uploader.spool import files as spool_files
from packhorse.uploader.spool.files import MAGIC, Foreign, ForeignFile, Header, SpooledFile, write_file
from packhorse.uploader.spool.folders import LOCK, Quota, capture_name
from packhorse.uploader.spool.spool import Spool
from packhorse.uploader.sync import Uploader
from packhorse.uploader.ticket import Fate
from tests.uploader.fakes import PROFILE, FakeStore, options
from tests.uploader.test_spool import dead, files, flip, spool_balanced, spool_some, until, uploader
from tests.uploader.test_spool_files import put, spool
from tests.uploader.test_spool_refused import spool_of
from tests.uploader.test_uploader import CAPTURE

Make = Callable[[Path], None]


def fifo(path: Path) -> None:
    os.mkfifo(path)


def link(path: Path) -> None:
    target = path.parent.parent.parent.parent / "target"
    with target.open("wb") as file:
        write_file(file, Header("pre/stolen", ObjectInfo(), "pre"), [b"x"])
    path.symlink_to(target)


def folder(path: Path) -> None:
    path.mkdir()


def unix_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # its path may have 107 bytes
    try:
        socket.socket(socket.AF_UNIX).bind(path.name)
    finally:
        os.chdir(here)


def newer_file(path: Path) -> None:
    path.write_bytes(b"packhorse-spool 2\n" + os.urandom(300))


def newer_header(path: Path) -> None:
    """The frame is as ever, and an object has one more header."""
    text = json.dumps({"key": "pre/k", "info": {**asdict(ObjectInfo()), "tags": {}}, "prefix": "pre"}).encode()
    path.write_bytes(MAGIC + spool_files._LENGTHS.pack(len(text), crc32(text)) + text + b"body" * 30)


def other_prefix(path: Path) -> None:
    with path.open("wb") as file:
        write_file(file, Header("other/k", ObjectInfo(), "other"), [b"x"])


def other_user(path: Path) -> None:
    with path.open("wb") as file:
        write_file(file, Header("pre/k", ObjectInfo(), "pre"), [b"x"])
    os.chown(path, 12345, -1)


MAKERS: dict[Make, Foreign] = {
    fifo: Foreign.KIND,
    link: Foreign.KIND,
    folder: Foreign.KIND,
    unix_socket: Foreign.KIND,
    newer_file: Foreign.NEWER,
    newer_header: Foreign.NEWER,
    other_prefix: Foreign.PREFIX,
    other_user: Foreign.USER,
}


def captures(spool_dir: Path) -> list[Path]:
    """All that have a capture's name, whatever they are."""
    return sorted(spool_dir.glob("bucket/own-*/*.capture"))


@pytest.mark.parametrize("make", MAKERS)
def test_what_is_foreign_is_left_alone_and_blocks_nobody(
    make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """70 of each, before all others: more than there are threads."""
    if make is other_user and os.geteuid() != 0:
        pytest.skip("only root can give files away")
    spool_dir = tmp_path / "spool"
    left = spool_some(spool_dir, 5)
    own = files(spool_dir)[0].parent
    for number in range(70):
        make(own / capture_name(1_600_000_000_000, number))
    before = {path: path.lstat() for path in captures(spool_dir) if path not in files(spool_dir)[70:]}
    store = FakeStore()
    with uploader(store, spool_dir) as up:
        until(lambda: len(store.objects) == 5)
        until(lambda: spool_of(up).left == ((MAKERS[make].value, 70),))
        if make not in (newer_file, newer_header, other_prefix):
            until(lambda: spool_of(up).files == 0)
    assert store.objects.keys() == left.keys()
    assert captures(spool_dir) == list(before)
    assert all(os.path.samestat(path.lstat(), found) for path, found in before.items())
    assert spool_balanced(up)
    assert len([record for record in caplog.records if "left alone" in record.getMessage()]) == 1


def unlocked(folder: Path) -> bool:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


@pytest.mark.parametrize("make", [newer_file, other_prefix])
def test_a_folder_that_is_wholly_somebody_elses_is_left_unlocked(make: Make, tmp_path: Path) -> None:
    spool_some(tmp_path, 1)
    (only,) = files(tmp_path)
    only.unlink()
    for number in range(100):
        make(only.with_name(capture_name(1_600_000_000_000, number)))
    with uploader(FakeStore(), tmp_path) as up:
        until(lambda: spool_of(up).left == ((MAKERS[make].value, 100),))
        assert (spool_of(up).adopted, spool_of(up).files) == (0, 0)
        until(lambda: unlocked(only.parent))
    assert len(files(tmp_path)) == 100


def test_what_its_owner_has_taken_is_not_counted_any_more(tmp_path: Path) -> None:
    def of(prefix: str) -> Spool:
        return Spool(tmp_path / "bucket", Quota(10**9, 1000), prefix)

    first, other = of("a"), of("b")
    put(first, b"x")
    first.close()
    for _ in range(2):
        assert other.adopt() == 0
        assert other.look().left == (("another-prefix", 1),)
    assert of("a").adopt() == 1
    assert other.adopt() == 0
    assert other.look().left == ()


def test_a_folder_of_another_user_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool_some(tmp_path, 4)
    user = os.geteuid()
    with monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: user + 1)
        with uploader(FakeStore(), tmp_path) as up:
            until(lambda: spool_of(up).left == (("another-user", 4),))
        assert len(files(tmp_path)) == 4
    with uploader(FakeStore(), tmp_path):
        pass
    assert files(tmp_path) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
def test_a_folder_of_another_user_is_left_alone_whosever_its_files_are(tmp_path: Path) -> None:
    spool_some(tmp_path, 4)
    os.chown(files(tmp_path)[0].parent, 12345, -1)
    with uploader(FakeStore(), tmp_path) as up:
        until(lambda: spool_of(up).left == (("another-user", 4),))
    assert len(files(tmp_path)) == 4


@pytest.mark.parametrize("make", [fifo, link, folder, unix_socket, other_user])
def test_what_became_foreign_after_it_was_listed_is_not_opened(make: Make, tmp_path: Path) -> None:
    if make is other_user and os.geteuid() != 0:
        pytest.skip("only root can give files away")
    path = tmp_path / "some" / "where" / "deep" / "x.capture"
    path.parent.mkdir(parents=True)
    make(path)
    with pytest.raises(ForeignFile, match=MAKERS[make].value):
        SpooledFile(path)


@pytest.mark.parametrize(("writer", "reader", "taken"), [("a", "b", 0), ("a", "ab", 0), ("a/b", "a", 3), ("a", "", 3)])
def test_captures_go_to_uploaders_that_their_prefix_is_in(writer: str, reader: str, taken: int, tmp_path: Path) -> None:
    """Also those with keys of their own."""

    def of(prefix: str, store: FakeStore) -> Uploader:
        chosen = options(store, max_attempts=2)
        return Uploader(f"s3://bucket/{prefix}", profile=PROFILE, redact=False, spool_dir=tmp_path, options=chosen)

    with of(writer, dead()) as up:
        tickets = [up.submit(CAPTURE, key=key) for key in (None, None, "elsewhere/own")]
        until(lambda: up.stats().spooled == 3)
    store = FakeStore()
    with of(reader, store) as up:
        until(lambda: taken > 0 or sum(count for _, count in spool_of(up).left) == 3)
    assert len(store.objects) == taken
    with of(writer, store):
        pass
    assert store.objects.keys() == {ticket.key for ticket in tickets}


@pytest.mark.parametrize("place", ["link", "file", "another user's"])
def test_a_quarantine_that_is_none_takes_nothing(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool_dir, elsewhere = tmp_path / "spool", tmp_path / "elsewhere"
    spool_some(spool_dir, 3)
    elsewhere.mkdir()
    (elsewhere / "somebody's").write_bytes(b"x")
    os.utime(elsewhere / "somebody's", (0, 0))
    aside = spool_dir / "bucket" / "quarantine"
    if place == "link":
        aside.symlink_to(elsewhere)
    elif place == "file":
        aside.write_bytes(b"x")
    else:
        aside.mkdir()
        real = os.fstat
        aside_node = aside.stat().st_ino

        def theirs(descriptor: int) -> os.stat_result:
            found = real(descriptor)
            values = list(found)
            if found.st_ino == aside_node:
                values[4] += 1
            return os.stat_result(values)

        monkeypatch.setattr(os, "fstat", theirs)
    flip(files(spool_dir)[0], -60)
    store = FakeStore()
    with uploader(store, spool_dir) as up:
        until(lambda: len(store.objects) == 2)
        until(lambda: spool_of(up).left == (("damaged-stuck", 1),))
    assert len(files(spool_dir)) == 1
    assert [path.name for path in elsewhere.iterdir()] == ["somebody's"]
    assert (spool_of(up).quarantined, spool_of(up).files) == (0, 1)
    assert any(what.startswith("quarantine: ") for what, _ in spool_of(up).errors)


# --- owners -----------------------------------------------------------------------------------------------------------


def test_a_living_owner_whose_lock_was_removed_is_not_robbed(tmp_path: Path) -> None:
    first, second = spool(tmp_path), spool(tmp_path)
    put(first, b"a")
    lock = next((tmp_path / "bucket").glob(f"own-*/{LOCK}"))
    lock.unlink()
    assert second.adopt() == 0
    put(first, b"b")
    lock.touch()
    assert second.adopt() == 0
    lock.unlink()
    first.disown()  # as the kernel does it when a process dies
    assert second.adopt() == 2


def test_an_owner_of_version_0_1_is_not_robbed(tmp_path: Path) -> None:
    """It locks the file alone."""
    first = spool(tmp_path)
    put(first, b"a")
    first.close()
    lock = next((tmp_path / "bucket").glob(f"own-*/{LOCK}"))
    with lock.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert spool(tmp_path).adopt() == 0
    assert spool(tmp_path).adopt() == 1


def test_version_0_1_does_not_rob_this_one(tmp_path: Path) -> None:
    own = spool(tmp_path)
    put(own, b"a")
    with next((tmp_path / "bucket").glob(f"own-*/{LOCK}")).open("rb") as lock, pytest.raises(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    own.close()


def test_many_processes_share_what_a_dead_one_left(tmp_path: Path) -> None:
    """Each capture is adopted once, however they race."""
    for _ in range(20):
        left = spool(tmp_path)
        put(left, b"x")
        left.disown()
    code = """
import sys, time
from pathlib import Path
from packhorse.uploader.spool.folders import Quota
from packhorse.uploader.spool.spool import Spool
print(Spool(Path(sys.argv[1]), Quota(10**9, 1000)).adopt(), flush=True)
sys.stdin.read()
"""
    command = [sys.executable, "-c", code, str(tmp_path / "bucket")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    racing = [subprocess.Popen(command, text=True, **pipes) for _ in range(3)]  # type: ignore[call-overload]
    try:
        assert sum(int(one.stdout.readline()) for one in racing) == 20
    finally:
        for one in racing:
            one.communicate()


@pytest.mark.parametrize("removed", ["own", "bucket", "all"])
def test_a_folder_that_was_removed_is_made_again(removed: str, tmp_path: Path) -> None:
    spool_dir = tmp_path / "spool"
    with uploader(dead(), spool_dir, deadline_s=1.0) as up:
        up.submit(CAPTURE)
        until(lambda: up.stats().spooled == 1)
        (own,) = (spool_dir / "bucket").glob("own-*")
        shutil.rmtree({"own": own, "bucket": own.parent, "all": spool_dir}[removed])
        ticket = up.submit(CAPTURE)
        until(lambda: ticket.fate is not Fate.IN_FLIGHT)
        assert ticket.fate is Fate.SPOOLED
        up._engine.core.scheduler.drain_pace._base_s = 0.001
        until(lambda: spool_of(up).vanished == 1)
    assert len(files(spool_dir)) == 1
    assert spool_balanced(up)
    store = FakeStore()
    with uploader(store, spool_dir):
        pass
    assert list(store.objects) == [ticket.key]


def test_an_adopted_folder_that_was_removed_is_forgotten(tmp_path: Path) -> None:
    first = spool(tmp_path)
    for _ in range(3):
        put(first, b"x")
    first.close()
    second = spool(tmp_path)
    assert second.adopt() == 3
    shutil.rmtree(tmp_path / "bucket")
    second.list()
    second.tidy()
    look = second.look()
    assert (look.files, look.vanished, second.adopt()) == (0, 3, 0)
    put(second, b"y")
    assert Spool(tmp_path / "bucket", second.quota).adopt() == 0
    second.close()


def test_a_relative_folder_is_where_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the options or to the uploader: both are resolved when they are made."""
    given, later = tmp_path / "given", tmp_path / "later"
    given.mkdir()
    later.mkdir()
    monkeypatch.chdir(given)
    chosen = UploaderOptions(spool_dir="spool")
    assert chosen == UploaderOptions(spool_dir=Path("spool"))
    monkeypatch.chdir(later)
    assert chosen.spool_dir == str(given / "spool")
    with Uploader("s3://bucket", profile=PROFILE, options=options(dead(), spool_dir=chosen.spool_dir)) as up:
        monkeypatch.chdir(tmp_path)
        up.submit(CAPTURE)
        until(lambda: up.stats().spooled == 1)
    assert len(files(given)) == 1
