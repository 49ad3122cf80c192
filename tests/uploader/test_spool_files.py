"""The spool's parts: names, quota, file format, owners, index. No uploader."""

from __future__ import annotations

import errno
import fcntl
import io
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from packhorse.stores.base import ObjectInfo
from packhorse.uploader.retry_budget import Pacing
from packhorse.uploader.spool import folders, quarantine
from packhorse.uploader.spool.files import DamagedFile, ForeignFile, Header, SpooledFile, write_file
from packhorse.uploader.spool.folders import BLOCK_BYTES, Quota, disk_bytes
from packhorse.uploader.spool.quarantine import Quarantine
from packhorse.uploader.spool.spool import MOST_REST_S, PATIENCE_S, REST_S, Claim, Spool

HEADER = Header("pre/fix/é.json.gz", ObjectInfo("application/json", "gzip", {"packhorse-wire": "json gzip raw"}), "pre")


def spool(folder: Path, *, max_bytes: int = 10**9, max_age_s: float = 1000.0) -> Spool:
    return Spool(folder / "bucket", Quota(max_bytes, max_age_s))


def put(into: Spool, body: bytes, key: str = "k") -> None:
    into.commit([into.write(Header(key, ObjectInfo()), [body])])


def whole(path: Path) -> tuple[Header, bytes]:
    with SpooledFile(path) as file:
        return file.header, b"".join(file.chunks())


def test_files_that_may_not_be_durable_are_removed_and_not_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    into = spool(tmp_path)
    written = [into.write(HEADER, [b"x"]) for _ in range(2)]

    def refuse(_: Path) -> None:
        raise OSError(errno.EIO, "planned")

    monkeypatch.setattr("packhorse.uploader.spool.spool.sync_folder", refuse)
    with pytest.raises(OSError, match="planned"):
        into.commit(written)
    assert list(tmp_path.rglob("*.capture")) == []
    assert (into.look().files, into.look().written) == (0, 0)


@pytest.mark.parametrize("size", [0, 1, 70_000, 3 * 2**20])
def test_a_file_gives_back_what_was_written(size: int, tmp_path: Path) -> None:
    body = os.urandom(size)
    path = tmp_path / "some.capture"
    with path.open("wb") as file:
        write_file(file, HEADER, [body[:100], b"", body[100:]])
    assert whole(path) == (HEADER, body)


def test_every_flipped_bit_and_every_cut_shows(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    write_file(buffer, HEADER, [b"body" * 10])
    good = buffer.getvalue()
    path = tmp_path / "some.capture"
    for bit in range(len(good) * 8):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        path.write_bytes(bad)
        with pytest.raises((DamagedFile, ForeignFile), match=r"some\.capture|newer-format"):
            whole(path)
    for end in range(len(good)):
        path.write_bytes(good[:end])
        with pytest.raises(DamagedFile):
            whole(path)
    path.write_bytes(good + b"more")
    with pytest.raises(DamagedFile):
        whole(path)


def test_a_damaged_body_is_never_given_to_its_end(tmp_path: Path) -> None:
    body = bytes(5 * 2**20)
    path = tmp_path / "some.capture"
    with path.open("wb") as file:
        write_file(file, HEADER, [body])
    with path.open("r+b") as file:
        file.seek(2 * 2**20)
        file.write(b"\x01")
    given: list[int] = []
    with SpooledFile(path) as opened, pytest.raises(DamagedFile):
        given.extend(map(len, opened.chunks()))
    assert sum(given) < len(body)


def test_names_sort_by_time() -> None:
    names = [folders.capture_name(1_700_000_000_000 + n, 100 - n) for n in range(50)]
    assert names == sorted(names)
    assert folders.written_ms(names[7]) == 1_700_000_000_007
    for other in ("lock", ".tmp-00000001", "x.capture", "quarantine"):
        assert folders.written_ms(other) is None


def test_quota_counts_blocks_and_age() -> None:
    quota = Quota(10 * BLOCK_BYTES, max_age_s=5)
    assert disk_bytes(1) == BLOCK_BYTES
    assert quota.has_room(9 * BLOCK_BYTES, BLOCK_BYTES)
    assert not quota.has_room(9 * BLOCK_BYTES, BLOCK_BYTES + 1)
    assert not quota.expired(1000, 6000)
    assert quota.expired(1000, 6001)


def test_pauses_double_up_to_their_bound_and_end_at_once() -> None:
    pacing = Pacing(1.0, 8.0, lambda low, high: high)
    waits = []
    for _ in range(5):
        pacing.failed(100.0)
        waits.append(pacing.wait_s(100.0))
    assert waits == [1, 2, 4, 8, 8]
    assert pacing.wait_s(108.0) == 0
    pacing.worked()
    assert (pacing.wait_s(0), pacing.failures) == (0, 0)
    pacing.failed(0.0, at_least_s=60)
    assert pacing.wait_s(0.0) == 60


def test_files_are_private_and_take_their_name_when_whole(tmp_path: Path) -> None:
    own = spool(tmp_path)
    put(own, b"x" * 1000)
    folder = next((tmp_path / "bucket").iterdir())
    modes = {path.name: path.stat().st_mode & 0o777 for path in [folder, *folder.iterdir()]}
    assert {mode for name, mode in modes.items() if name.endswith(".capture") or name == "lock"} == {0o600}
    assert modes[folder.name] == 0o700

    def failing() -> object:
        yield b"begun"
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        own.write(HEADER, failing())  # type: ignore[arg-type]
    assert sorted(path.suffix for path in folder.iterdir()) == ["", ".capture"]
    own.close()


def test_a_living_owner_is_never_robbed_and_a_dead_one_is_adopted(tmp_path: Path) -> None:
    first, second = spool(tmp_path), spool(tmp_path)
    put(first, b"a", "first")
    put(first, b"b", "second")
    assert second.adopt() == 0
    first.close()
    assert second.adopt() == 2
    assert spool(tmp_path).adopt() == 0
    second.list()
    keys = []
    while (claim := second.claim()) is not None:
        keys.append(whole(claim.path)[0].key)
        second.uploaded(claim)
    assert keys == ["first", "second"]
    look = second.look()
    assert (look.adopted, look.uploaded, look.files, look.disk_bytes) == (2, 2, 0, 0)
    second.tidy()
    assert list((tmp_path / "bucket").iterdir()) == []


def test_what_a_killed_writer_left_unfinished_is_removed(tmp_path: Path) -> None:
    first = spool(tmp_path)
    put(first, b"a")
    folder = next((tmp_path / "bucket").iterdir())
    (folder / folders.temporary_name(99)).write_bytes(b"half")
    first.disown()  # as the kernel does it when a process dies
    second = spool(tmp_path)
    assert second.adopt() == 1
    assert not (folder / folders.temporary_name(99)).exists()


def test_a_forked_child_neither_keeps_nor_breaks_the_lock(tmp_path: Path) -> None:
    code = """
import os, sys, time
from pathlib import Path
from packhorse.stores.base import ObjectInfo
from packhorse.uploader.spool.files import Header
from packhorse.uploader.spool.folders import Quota
from packhorse.uploader.spool.spool import Spool
root = Path(sys.argv[1])
own = Spool(root, Quota(10**9, 1000))
own.commit([own.write(Header("k", ObjectInfo()), [b"x"])])
disowned, told = os.pipe()
child = os.fork()
if child == 0:
    own.disown()
    os.close(1)  # the test reads to its end
    os.write(told, b"x")
    time.sleep(600)
    os._exit(0)
os.read(disowned, 1)
other = Spool(root, Quota(10**9, 1000))
print(other.adopt(), child, flush=True)
os._exit(0)
"""
    root = tmp_path / "bucket"
    done = subprocess.run([sys.executable, "-c", code, str(root)], stdout=subprocess.PIPE, text=True, check=True)
    while_alive, child = map(int, done.stdout.split())
    try:
        assert while_alive == 0
        assert spool(tmp_path).adopt() == 1
    finally:
        os.kill(child, 9)


def test_more_files_than_are_known_by_name_come_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("packhorse.uploader.spool.spool.MOST_LISTED", 4)
    clock = iter(range(1_700_000_000, 1_800_000_000))
    own = Spool(tmp_path / "bucket", Quota(10**9, 10**9), now_s=lambda: float(next(clock)))
    for number in range(13):
        put(own, b"x", f"{number:02d}")
    keys = []
    while own.waiting:
        own.list()
        claim = own.claim()
        assert claim is not None
        keys.append(whole(claim.path)[0].key)
        own.uploaded(claim)
    assert keys == [f"{number:02d}" for number in range(13)]
    assert own.look().disk_bytes == 0
    own.close()


def test_files_that_somebody_removed_are_counted(tmp_path: Path) -> None:
    first = spool(tmp_path)
    for _ in range(3):
        put(first, b"x")
    first.close()
    second = spool(tmp_path)
    assert second.adopt() == 3
    for path in (tmp_path / "bucket").rglob("*.capture"):
        path.unlink()
    second.list()
    look = second.look()
    assert (look.files, look.vanished, look.disk_bytes, second.waiting) == (0, 3, 0, 0)


class Clocks:
    """The time of day, which somebody may set, and the time that goes by."""

    def __init__(self) -> None:
        self.day_s = 1_700_000_000.0
        self.gone_s = 0.0

    def go(self, seconds: float) -> None:
        self.day_s += seconds
        self.gone_s += seconds

    def spool(self, folder: Path, max_age_s: float) -> Spool:
        return Spool(folder / "bucket", Quota(10**9, max_age_s), now_s=lambda: self.day_s, clock_s=lambda: self.gone_s)


def claim_of(own: Spool) -> Claim:
    own.list()
    claim = own.claim()
    assert claim is not None
    return claim


WEEK_S = 7 * 86_400.0


@pytest.mark.parametrize("refused", [True, False])
def test_a_capture_expires_when_it_is_too_old_and_was_tried_in_vain(refused: bool, tmp_path: Path) -> None:
    clocks = Clocks()
    own = clocks.spool(tmp_path, WEEK_S)
    put(own, b"old")
    clocks.go(WEEK_S - 60)
    put(own, b"new")
    clocks.go(120)
    own.adopt()
    own.tidy()
    assert own.look().files == 2  # neither was tried
    for _ in range(2):
        (own.rest if refused else own.failed_try)(claim_of(own), *(["HTTP 403"] if refused else []))
    look = own.look()
    assert (look.expired, look.files, look.resting) == (1, 1, int(refused))
    own.close()


def test_a_clock_that_is_days_ahead_costs_nothing(tmp_path: Path) -> None:
    """Set after booting, or right after days without power, while the network is not there yet."""
    clocks = Clocks()
    first = clocks.spool(tmp_path, WEEK_S)
    for _ in range(20):
        put(first, b"x")
    first.close()
    clocks.day_s += 8 * 86_400.0
    second = clocks.spool(tmp_path, WEEK_S)
    assert second.adopt() == 20
    while clocks.gone_s < PATIENCE_S:
        second.failed_try(claim_of(second))
        clocks.go(30)
    assert second.look().files == 20
    second.failed_try(claim_of(second))
    assert (second.look().files, second.look().expired) == (19, 1)


def test_what_s3_refuses_is_tried_again_later_and_later_behind_the_others(tmp_path: Path) -> None:
    clocks = Clocks()
    own = clocks.spool(tmp_path, 10**9)
    put(own, b"refused")
    put(own, b"good")
    refused = claim_of(own)
    own.rest(refused, "HTTP 403 AccessDenied")
    assert claim_of(own).path != refused.path
    pause_s = REST_S
    for tries in range(1, 12):
        look = own.look()
        assert (look.files, look.resting, look.refused_by_s3) == (2, 1, tries)
        clocks.go(pause_s / 2 - 1)
        own.wake()
        assert (own.waiting, own.claim()) == (0, None)
        clocks.go(pause_s / 2 + 1)
        own.wake()
        again = claim_of(own)
        assert again.path == refused.path
        own.rest(again, "HTTP 403 AccessDenied")
        pause_s = min(2 * pause_s, MOST_REST_S)
    own.wake(at_once=True)
    assert own.waiting == 1


def test_files_that_rest_do_not_hide_newer_ones_from_the_listing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("packhorse.uploader.spool.spool.MOST_LISTED", 4)
    own = spool(tmp_path)
    for number in range(30):
        put(own, b"x", f"{number:02d}")
    for _ in range(20):
        own.rest(claim_of(own), "HTTP 400")
    keys = []
    while own.waiting:
        claim = claim_of(own)
        keys.append(whole(claim.path)[0].key)
        own.uploaded(claim)
    assert keys == [f"{number:02d}" for number in range(20, 30)]
    look = own.look()
    assert (look.files, look.resting, look.vanished, look.disk_bytes) == (20, 20, 0, 20 * BLOCK_BYTES)
    own.close()


def test_what_cannot_be_sent_now_goes_behind_the_others(tmp_path: Path) -> None:
    own = spool(tmp_path)
    for _ in range(3):
        put(own, b"x")
    paths = []
    for _ in range(6):
        claim = claim_of(own)
        paths.append(claim.path)
        own.failed_try(claim)
    assert paths == sorted(set(paths)) * 2


# --- damaged files ----------------------------------------------------------------------------------------------------


def damaged(folder: Path, number: int, size_bytes: int = 3) -> Path:
    path = folder / folders.capture_name(1_700_000_000_000, number)
    path.write_bytes(bytes(size_bytes))
    return path


def test_a_quarantine_removes_by_age_alone(tmp_path: Path) -> None:
    ahead_s = 0.0
    aside = Quarantine(tmp_path, lambda: time.time() + ahead_s)
    for number in range(300):
        aside.take(damaged(tmp_path, number), 3)
    (tmp_path / "quarantine" / "somebody's folder").mkdir()
    assert aside.tend() == 0
    assert len(list((tmp_path / "quarantine").glob("*.capture.*"))) == 300
    ahead_s = quarantine.KEPT_S + 3600.0
    assert aside.tend() == 300
    assert [path.name for path in (tmp_path / "quarantine").iterdir()] == ["somebody's folder"]


def test_without_room_in_the_quarantine_damaged_files_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine, "MOST_BYTES", 3 * BLOCK_BYTES)
    own = spool(tmp_path)
    for _ in range(5):
        put(own, b"x")
        own.quarantine(claim_of(own))
    look = own.look()
    assert (look.quarantined, look.files, look.left) == (3, 2, (("damaged-stuck", 2),))
    assert look.errors == (("quarantine: EDQUOT", 2),)
    assert (own.waiting, len(list(tmp_path.rglob("*.capture*")))) == (0, 5)
    with pytest.raises(FileNotFoundError):
        Quarantine(tmp_path / "bucket").take(tmp_path / "gone", 1)
    same = damaged(tmp_path, 1)
    Quarantine(tmp_path).take(same, 1)
    damaged(tmp_path, 1)
    with pytest.raises(FileExistsError):
        Quarantine(tmp_path).take(same, 1)
    assert same.exists()


def test_folders_that_were_never_finished_go_after_a_while(tmp_path: Path) -> None:
    for age_s, name in ((0, "young"), (folders.UNFINISHED_S + 60, "old")):
        folder = tmp_path / f"{folders.NEW_PREFIX}{name}"
        folder.mkdir()
        (folder / folders.LOCK).touch()
        then = folder.stat().st_mtime - age_s
        os.utime(folder, (then, then))
    assert list(folders.adopt(tmp_path, "", lambda *_: None)) == []
    assert [path.name for path in tmp_path.iterdir()] == [".new-young"]


def test_a_folder_that_was_swapped_before_it_was_locked_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between our open and our lock another process may have emptied and removed it: what we hold is nobody's."""
    first = spool(tmp_path)
    put(first, b"x")
    first.close()
    folder = next((tmp_path / "bucket").iterdir())
    lock, swaps = fcntl.flock, [True]

    def swapping(descriptor: int, how: int) -> None:
        if swaps:
            swaps.clear()
            folder.rename(tmp_path / "gone")
            folder.mkdir()
            (folder / folders.capture_name(1_700_000_000_000, 1)).touch()  # another process's, which has it
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", swapping)
    second = spool(tmp_path)
    assert second.adopt() == 0
    monkeypatch.undo()
    put(second, b"y")  # its own folder is there and durable
    assert second.look().files == 1


def test_an_uploaded_file_that_cannot_be_removed_is_not_uploaded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "planned")

    own = spool(tmp_path)
    for _ in range(3):
        put(own, b"x")
    claims = []
    monkeypatch.setattr(Path, "unlink", refuse)
    while (claim := own.claim()) is not None:
        claims.append(claim.path)
        own.uploaded(claim)
        own.list()
    assert len(claims) == len(set(claims)) == 3
    own._index.count(1)  # as if there were a file whose name is not known yet: a listing shows all that is on disk
    own.list()
    assert own.claim() is None
    assert own.look().uploaded == 3
