"""What is tried when: weather is survived, an outage is waited out, and attempts stay near captures."""

from __future__ import annotations

import random
import time
from collections import Counter, deque
from itertools import pairwise
from typing import Any

import pytest

from packhorse.errors import StoreError, StoreErrorKind
from packhorse.stores.base import DEFAULT_READ_TIMEOUT_S
from packhorse.uploader.account import Account
from packhorse.uploader.adaptive import Permits
from packhorse.uploader.job import IllegalMove, Job, JobTable, State
from packhorse.uploader.options import UploaderOptions
from packhorse.uploader.retry_budget import MAX_SAVED_RETRIES, PROBE_EVERY_S, RESERVED_RETRIES, Breaker, RetryBudget
from packhorse.uploader.scheduler import REFUSED_IN_A_ROW, Drain, Resend, Scheduler, Send, Tried, Wait
from packhorse.uploader.sync import Uploader
from packhorse.uploader.ticket import Fate, Ticket
from tests.uploader.fakes import PROFILE, FakeStore, failure, options

LIMIT = 8
LONG = {"backoff_base_s": 100.0, "backoff_max_s": 100.0}


def made(submitted_s: float = 0.0, body: bytes | None = b"x") -> Job:
    return Job(Ticket("key", "s3://bucket/"), None, 1, 0, submitted_s, body=body)


def scheduler_of(ready: list[Job], **settings: Any) -> tuple[Scheduler, JobTable]:
    """A scheduler with these captures waiting to be sent."""
    table = JobTable(Account(10**9))
    for job in ready:
        table.enter(job, State.READY)
    return Scheduler(UploaderOptions(**settings), table, Permits(LIMIT)), table


def chosen(scheduler: Scheduler, now_s: float) -> Job | None:
    """The capture to be sent now, if one is."""
    found = scheduler.next(now_s)
    return found.job if isinstance(found, Send) else None


def sending(scheduler: Scheduler, now_s: float = 0.0) -> Job:
    """The capture to be sent now, its attempt begun."""
    job = chosen(scheduler, now_s)
    assert job is not None
    scheduler.begun(job)
    return job


class Simulated:
    """S3 answers after ``latency_s``; it is out until ``back_s``, and what is sent then fails after ``hangs_s``."""

    def __init__(
        self, jobs: list[Job], back_s: float, latency_s: float = 0.1, hangs_s: float | None = None, **settings: Any
    ) -> None:
        random.seed(len(jobs))  # the pauses' jitter
        self.scheduler, self.table = scheduler_of([], **settings)
        self.opened_s: float | None = None
        self.coming = deque(sorted(jobs, key=lambda job: job.submitted_s))
        self.back_s, self.latency_s = back_s, latency_s
        self.hangs_s = latency_s if hangs_s is None else hangs_s
        self.on_wire: list[tuple[float, float, Job]] = []
        self.uploaded: list[tuple[float, Job]] = []
        self.failed: list[tuple[float, Job]] = []
        self.attempts: list[float] = []

    def run(self, until_s: float) -> None:
        now_s, table = 0.0, self.table
        while now_s < until_s and (self.coming or table.ready or self.on_wire or table.retrying):
            while self.coming and self.coming[0].submitted_s <= now_s:
                table.enter(self.coming.popleft(), State.READY)
            for sent in [sent for sent in self.on_wire if sent[0] <= now_s]:
                self.on_wire.remove(sent)
                self._answer(now_s, sent)
            if self.opened_s is None and self.scheduler.breaker.open:
                self.opened_s = now_s
            while isinstance(found := self.scheduler.next(now_s), Send):
                job = found.job
                if job.late is not None:
                    self._done(job)
                    self.failed.append((now_s, job))
                    continue
                self.scheduler.begun(job)
                self.attempts.append(now_s)
                self.on_wire.append((now_s + (self.latency_s if self._works(now_s) else self.hangs_s), now_s, job))
            assert isinstance(found, Wait)
            waits = [job.submitted_s - now_s for job in list(self.coming)[:1]]
            waits += [sent[0] - now_s for sent in self.on_wire]
            waits += [] if found.seconds is None else [found.seconds]
            assert waits or not (table.ready or table.retrying), "somebody waits and nothing will ever happen"
            now_s += max(min(waits, default=0.0), 0.001)

    def _done(self, job: Job) -> None:
        self.table.withdraw(job)

    def _works(self, now_s: float) -> bool:
        return now_s >= self.back_s

    def _answer(self, now_s: float, sent: tuple[float, float, Job]) -> None:
        job = sent[2]
        if self._works(sent[1]):
            self.scheduler.worked(job)
            self._done(job)
            self.uploaded.append((now_s, job))
        elif not self.scheduler.failed(job, failure(StoreErrorKind.SERVER), now_s):
            self._done(job)
            self.failed.append((now_s, job))


@pytest.mark.parametrize("captures", [1, 7, 40, 1000])
def test_in_a_total_outage_attempts_stay_within_a_tenth_of_the_captures(captures: int) -> None:
    lab = Simulated([made(number * 0.05) for number in range(captures)], back_s=1e9)
    lab.run(3600.0)
    assert len(lab.failed) == captures
    assert len(lab.attempts) <= max(1.1 * captures, captures + MAX_SAVED_RETRIES)
    assert all(at_s - job.submitted_s < 301 for at_s, job in lab.failed)


@pytest.mark.parametrize("out_s", [0.3, 3.0, 30.0, 250.0])
def test_an_outage_shorter_than_the_deadline_costs_no_capture(out_s: float) -> None:
    """Captures that come all the time find out within seconds that S3 is back."""
    captures = int(max(out_s, 10.0) * 4)
    lab = Simulated([made(number * 0.25) for number in range(captures)], back_s=out_s)
    lab.run(1000.0)
    assert len(lab.uploaded) == captures
    assert min(at_s for at_s, _ in lab.uploaded) <= out_s + PROBE_EVERY_S + 0.3
    assert len(lab.attempts) <= 2 * captures + MAX_SAVED_RETRIES


def test_few_captures_and_no_more_survive_an_outage_of_seconds() -> None:
    for _ in range(20):
        lab = Simulated([made() for _ in range(3)], back_s=3.0)
        lab.run(1000.0)
        assert len(lab.uploaded) == 3


def test_while_it_is_open_probes_go_out_alone_and_more_and_more_seldom() -> None:
    lab = Simulated([made() for _ in range(500)], back_s=1e9, deadline_s=60.0)
    lab.run(59.0)
    assert lab.opened_s is not None
    probes = [at_s for at_s in lab.attempts if at_s >= lab.opened_s]
    gaps = [later - earlier for earlier, later in pairwise(probes)]
    assert gaps
    assert min(gaps) >= 0.1
    assert all(gap <= PROBE_EVERY_S + 0.2 for gap in gaps)
    assert sum(gaps[-3:]) > sum(gaps[:3])


def test_a_probe_that_hangs_does_not_keep_the_next_one_back_for_ever() -> None:
    breaker = Breaker(0.2, lambda _, high: high)
    breaker.trip(0.0)
    breaker.begin(1.0, fresh=True)
    assert breaker.due_s(fresh=True) == 1.0 + PROBE_EVERY_S
    breaker.end()
    assert breaker.due_s(fresh=True) == pytest.approx(1.4)


def test_successful_retries_cost_nothing_and_failed_ones_do() -> None:
    budget = RetryBudget()
    for _ in range(1000):
        assert budget.take_retry()
        budget.give_back()
    taken = sum(budget.take_retry() for _ in range(1000))
    assert taken == MAX_SAVED_RETRIES


def test_a_stream_is_no_probe_while_there_is_a_body() -> None:
    stream, body = made(body=None), made()
    scheduler, _ = scheduler_of([stream, body])
    scheduler.breaker.trip(0.0)
    assert chosen(scheduler, 10.0) is body


def test_an_answer_that_refuses_one_capture_says_that_s3_is_back() -> None:
    scheduler, _ = scheduler_of([made()])
    scheduler.breaker.trip(0.0)
    job = sending(scheduler, 10.0)
    assert not scheduler.failed(job, StoreError("no", kind=StoreErrorKind.DENIED, status=403), 10.1)
    assert not scheduler.breaker.open
    assert scheduler.breaker.probes == 0


def refusal() -> StoreError:
    return StoreError("no", kind=StoreErrorKind.DENIED, status=403)


def saved(scheduler: Scheduler) -> int:
    return sum(scheduler.budget.take_retry() for _ in range(100))


def test_a_stream_that_was_a_probe_may_try_again() -> None:
    turn = Resend()
    scheduler, _ = scheduler_of([made(body=None)])
    scheduler.breaker.trip(0.0)
    stream = sending(scheduler, 10.0)
    scheduler.resend_failed(turn, stream, failure(StoreErrorKind.CONNECTION), 10.1)
    assert scheduler.breaker.probes == 0
    assert scheduler.resend_wait_s(turn, 20.0) == 0.0
    assert scheduler.breaker.probes == 1
    assert scheduler.resend_worked(turn, stream)
    assert (scheduler.breaker.probes, scheduler.breaker.open) == (0, False)


def test_a_stream_that_was_a_probe_and_worked_at_once_says_that_s3_is_back() -> None:
    scheduler, _ = scheduler_of([made(body=None)])
    scheduler.breaker.trip(0.0)
    stream = sending(scheduler, 10.0)
    assert scheduler.resend_worked(Resend(), stream)
    assert (scheduler.breaker.probes, scheduler.breaker.open) == (0, False)


def test_a_retry_that_is_answered_by_a_refusal_costs_nothing() -> None:
    scheduler, _ = scheduler_of([made()])
    job = sending(scheduler)
    assert scheduler.failed(job, failure(StoreErrorKind.CONNECTION), 0.0)
    assert chosen(scheduler, 100.0) is job
    scheduler.begun(job)
    assert not scheduler.failed(job, refusal(), 100.1)
    assert saved(scheduler) == MAX_SAVED_RETRIES


def test_a_request_of_a_stream_that_is_refused_when_it_is_made_again_costs_nothing() -> None:
    turn = Resend()
    scheduler, _ = scheduler_of([made(body=None)])
    stream = sending(scheduler)
    scheduler.resend_failed(turn, stream, failure(StoreErrorKind.CONNECTION), 0.0)
    assert scheduler.resend_wait_s(turn, 100.0) == 0.0
    scheduler.resend_failed(turn, stream, refusal(), 100.1)
    assert not turn.hopeful
    assert saved(scheduler) == MAX_SAVED_RETRIES


def test_a_short_outage_costs_no_capture() -> None:
    store = FakeStore([failure(StoreErrorKind.CONNECTION)] * 14)
    chosen = options(store, max_in_flight=8)
    with Uploader("s3://bucket/x", profile=PROFILE, redact=False, options=chosen) as up:
        for ticket in [up.submit({"log": {"entries": [{"n": n}]}}) for n in range(40)]:
            ticket.result(60)
    assert store.attempts == 54


def test_what_waits_for_another_attempt_at_the_end_fails_with_its_last_error() -> None:
    store = FakeStore([failure(StoreErrorKind.SERVER)] * 1000)
    up = Uploader("s3://bucket/x", profile=PROFILE, redact=False, options=options(store, **LONG))
    tickets = [up.submit({"log": {"entries": [{"n": n}]}}) for n in range(6)]
    while store.attempts == 0:
        time.sleep(0.005)
    up.close(deadline_s=0.5)
    tried = [ticket for ticket in tickets if ticket.fate is Fate.FAILED]
    assert len(tried) == store.attempts > 0
    assert all("server" in ticket.reason for ticket in tried), [ticket.reason for ticket in tried]
    assert up.stats().held_bytes == 0
    assert up.stats().dropped == 6 - len(tried)


@pytest.mark.parametrize("hole_s", [12.0, 60.0, 200.0])
def test_after_a_black_hole_the_rate_is_back_within_ten_seconds(hole_s: float) -> None:
    """What was sent into the hole blocks its permit for the read timeout; arrivals are at twice the drain rate."""
    latency_s, seconds = 0.4, int(hole_s + 30)
    rate = LIMIT / latency_s
    jobs = [made(number / (2 * rate)) for number in range(int(2 * rate * seconds))]
    lab = Simulated(jobs, hole_s, latency_s, hangs_s=DEFAULT_READ_TIMEOUT_S)
    lab.run(seconds)
    ended = Counter(int(at_s - hole_s) for at_s, _ in lab.uploaded)
    assert sum(ended[second] for second in range(10, 20)) >= 0.9 * 10 * rate
    assert sum(ended[second] for second in range(10)) > 0
    assert max(ended.values()) <= rate + LIMIT


# --- single steps -----------------------------------------------------------------------------------------------------


def test_what_is_overdue_is_looked_at_again_after_a_while_and_not_at_once() -> None:
    """It is overdue for want of budget: a wait of 0 would be a loop at full speed, as long as the outage lasts."""
    scheduler, _ = scheduler_of([made()])
    job = sending(scheduler)
    assert scheduler.failed(job, failure(StoreErrorKind.CONNECTION), 0.0)
    job.paid = False
    while scheduler.budget.take_retry():
        pass
    scheduler.breaker.trip(0.0)
    assert chosen(scheduler, 100.0) is None
    wait_s = scheduler.wait_s(100.0)
    assert wait_s is not None
    assert 0.1 <= wait_s <= 0.5


def test_a_late_capture_gives_back_the_retry_that_it_did_not_make() -> None:
    scheduler, _ = scheduler_of([made()])
    job = sending(scheduler)
    assert scheduler.failed(job, failure(StoreErrorKind.CONNECTION), 0.0)
    assert job.paid
    late = chosen(scheduler, 301.0)
    assert late is job
    assert job.late is not None
    assert saved(scheduler) == MAX_SAVED_RETRIES


def test_requests_of_streams_leave_what_is_kept_for_finding_out() -> None:
    scheduler, _ = scheduler_of([made(body=None)])
    stream = sending(scheduler)
    made_again = 0
    while not scheduler.breaker.open:
        turn = Resend()
        scheduler.resend_failed(turn, stream, failure(StoreErrorKind.CONNECTION), 0.0)
        made_again += scheduler.resend_wait_s(turn, 100.0) == 0.0
    assert made_again == MAX_SAVED_RETRIES - RESERVED_RETRIES
    assert saved(scheduler) == RESERVED_RETRIES


def test_probes_take_at_most_half_of_the_uploads_at_once() -> None:
    scheduler, _ = scheduler_of([made() for _ in range(50)])
    scheduler.breaker.trip(0.0)
    now_s, probes = 1.0, 0
    for _ in range(20):
        now_s += 2 * PROBE_EVERY_S
        probe = chosen(scheduler, now_s)
        probes += probe is not None
    assert probes == LIMIT // 2


def test_the_first_hundred_pay_the_loan_back() -> None:
    budget = RetryBudget()
    while budget.take_retry():
        pass
    for _ in range(100):
        budget.first_attempt()
    assert not budget.take_retry()
    for _ in range(15):
        budget.first_attempt()
    assert budget.take_retry()


def test_what_is_given_back_beyond_what_can_be_saved_is_gone() -> None:
    budget = RetryBudget()
    for _ in range(50):
        budget.give_back()
    assert sum(budget.take_retry() for _ in range(100)) == MAX_SAVED_RETRIES


def test_the_thread_that_encoded_a_capture_sends_it_unless_somebody_is_before_it() -> None:
    def encoding(table: JobTable) -> Job:
        table.enter(job := made(), State.ENCODING)
        return job

    scheduler, table = scheduler_of([])
    assert scheduler.goes_on(encoding(table))
    table.enter(made(), State.READY)
    assert not scheduler.goes_on(encoding(table))  # an older one waits for a permit
    scheduler, table = scheduler_of([])
    scheduler.breaker.trip(0.0)
    assert not scheduler.goes_on(encoding(table))  # S3 is out
    scheduler, table = scheduler_of([])
    for _ in range(LIMIT):
        assert scheduler.goes_on(encoding(table))
    assert not scheduler.goes_on(encoding(table))  # no permit is left


def test_files_come_last_and_one_at_a_time_while_s3_is_out() -> None:
    scheduler, table = scheduler_of([made()])
    assert isinstance(scheduler.next(0.0, files=5), Send)
    assert isinstance(scheduler.next(0.0, files=5), Drain)
    assert isinstance(scheduler.next(0.0, files=5, short=True), Wait)  # none is brought into memory that is short
    scheduler.s3_said(0.0, Tried.OUT, wait_s=7.0)
    waits = scheduler.next(0.0, files=5)
    assert isinstance(waits, Wait)
    assert waits.seconds is not None
    assert waits.seconds >= 7.0
    assert isinstance(scheduler.next(40.0, files=5), Drain)
    scheduler.draining = 1
    assert isinstance(scheduler.next(40.0, files=5), Wait)
    scheduler.s3_said(40.0, Tried.WORKED)
    assert isinstance(scheduler.next(40.0, files=5), Drain)
    scheduler.halted = True
    assert scheduler.next(40.0, files=5) == Wait(None)
    assert len(table.sending) == 1


def test_many_refused_files_in_a_row_are_an_outage_and_a_few_are_not() -> None:
    scheduler, _ = scheduler_of([])
    for _ in range(3):
        for _ in range(REFUSED_IN_A_ROW - 1):
            assert not scheduler.s3_said(0.0, Tried.REFUSED)
        assert scheduler.drainable(5, 0.0) == 5
        assert not scheduler.s3_said(0.0, Tried.WORKED)  # nothing has to be woken: S3 took others all the time
    for _ in range(REFUSED_IN_A_ROW):
        scheduler.s3_said(0.0, Tried.REFUSED)
    assert scheduler.drainable(5, 0.0) == 0
    assert scheduler.drainable(5, 40.0) == 1
    assert not scheduler.s3_said(40.0, Tried.NOT)
    assert scheduler.s3_said(40.0, Tried.WORKED)
    assert scheduler.drainable(5, 40.0) == 5


@pytest.mark.parametrize("to", [State.READY, State.DONE, State.PARKED])
def test_a_job_changes_its_state_only_as_the_table_allows(to: State) -> None:
    table = JobTable(Account(10**9))
    table.enter(job := made(), State.QUEUED)
    if to is State.DONE:
        table.move(job, to)
        assert table.of(State.QUEUED) == []
    else:
        with pytest.raises(IllegalMove, match="from queued to"):
            table.move(job, to)
        assert table.of(State.QUEUED) == [job]


def test_an_account_that_does_not_add_up_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    account = Account(10**9)
    table = JobTable(account)
    account.submitted = 3
    for _ in range(3):
        table.enter(job := made(), State.QUEUED)
        table.move(job, State.DONE)  # without a fate in the account
    assert len(caplog.records) == 1
    assert "does not add up" in caplog.text
    assert not table.adds_up()


@pytest.mark.parametrize("most", [1, 3])
def test_a_capture_is_tried_so_often_and_not_once_more(most: int) -> None:
    scheduler, _ = scheduler_of([made()], max_attempts=most)
    waits = True
    while waits:
        job = sending(scheduler, 100.0)
        waits = scheduler.failed(job, failure(StoreErrorKind.CONNECTION), 0.0)
    assert job.attempts == most


def test_the_newest_goes_to_the_disk_and_gives_back_the_retry_that_it_did_not_make() -> None:
    scheduler, _ = scheduler_of([made(), made()], **LONG)
    jobs = [sending(scheduler) for _ in range(2)]
    for job in jobs:
        assert scheduler.failed(job, failure(StoreErrorKind.CONNECTION), 0.0)
    saved(scheduler)  # takes all
    assert scheduler.newest_retrying() is jobs[1]
    assert ([job.paid for job in jobs], saved(scheduler)) == ([True, False], 1)
