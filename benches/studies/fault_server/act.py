"""What each kind of fault does to one request, on aiohttp's low-level server."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator

from aiohttp import web

from benches.studies.fault_server.answers import REFUSALS, Answer, portal, refusal
from benches.studies.fault_server.director import Director
from benches.studies.fault_server.objects import Objects, Request
from benches.studies.fault_server.script import Fault
from packhorse.units import KIB

#: Bytes after which a slow reader pauses: small against a socket's buffers, so that the client feels it.
SLOW_STEP_BYTES = 16 * KIB
_LINGER_RESET = struct.pack("ii", 1, 0)


class ConnectionGone(Exception):
    """The connection was ended on purpose; aiohttp has nothing left to answer on it."""


class Play:
    """One script being played: the director's decisions acted out before a fresh store."""

    def __init__(self, director: Director) -> None:
        self.director = director
        self.objects = Objects()

    async def handle(self, base: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, or do to it what the script wants."""
        headers = {name.lower(): text for name, text in base.headers.items()}
        request = Request(base.method, base.raw_path, headers)
        fault = self.director.request(request.operation, request.key, time.monotonic())
        if headers.get("expect", "").lower() == "100-continue" and base.transport is not None:
            base.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await _body(base, fault)
        if fault is not None and fault.kind in REFUSALS:
            answer = refusal(fault.kind, retry_after_s=fault.retry_after_s, location=_address(base))
        elif fault is not None and fault.kind == "portal":
            answer = portal()
        else:
            answer = await self._worked(base, request, body, fault)
        if self.director.in_hole(time.monotonic()):
            await _for_ever()
        return web.Response(status=answer.status, headers=answer.headers, body=answer.body)

    async def _worked(self, base: web.BaseRequest, request: Request, body: bytes, fault: Fault | None) -> Answer:
        """What the store says, with the faults around it that do not keep it from being asked."""
        kind = None if fault is None else fault.kind
        if kind == "damaged-body" and body:
            middle = len(body) // 2
            body = body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]
        if fault is not None and kind == "slow-answer":
            await asyncio.sleep(fault.delay_s)
        answer = self.objects.answer(request, body)
        if fault is not None and kind == "lost-answer":
            await asyncio.sleep(fault.delay_s)
            raise reset(base)
        if kind == "truncated-answer" and base.transport is not None:
            base.transport.write(f'HTTP/1.1 {answer.status} OK\r\nETag: "0123'.encode())
            base.transport.close()
            raise ConnectionGone
        return answer


async def _body(base: web.BaseRequest, fault: Fault | None) -> bytes:
    """Read the body as the fault allows. Raises ConnectionGone."""
    kind = None if fault is None else fault.kind
    if kind == "reset-before-body":
        raise reset(base)
    if kind == "black-hole":
        async for _ in base.content.iter_any():  # read, so that the client's hanging up is noticed
            pass
        await _for_ever()
    rate = None if fault is None else fault.rate_bytes_per_s
    parts, size = [], 0
    cut = -1
    if fault is not None and kind in {"reset-inside-body", "stall"}:
        cut = int((base.content_length or 0) * fault.fraction)
    async for part in _pieces(base, cut):
        parts.append(part)
        size += len(part)
        if fault is not None and size >= cut >= 0:
            cut = -1
            if kind == "reset-inside-body":
                raise reset(base)
            await asyncio.sleep(fault.delay_s)
        if rate is not None:
            await asyncio.sleep(len(part) / rate)
    if kind in {"reset-after-body", "reset-inside-body"}:  # an empty body has no inside
        raise reset(base)
    return b"".join(parts)


async def _pieces(base: web.BaseRequest, cut: int) -> AsyncIterator[bytes]:
    """The body in steps of at most :data:`SLOW_STEP_BYTES`, one of them ending at ``cut``."""
    size = 0
    while True:
        want = SLOW_STEP_BYTES if size >= cut else min(SLOW_STEP_BYTES, cut - size)
        part = await base.content.read(want)
        if not part:
            return
        size += len(part)
        yield part


def reset(base: web.BaseRequest) -> ConnectionGone:
    """End the connection with a TCP reset; the exception to raise afterwards."""
    if base.transport is not None:
        reset_transport(base.transport)
    return ConnectionGone()


def reset_transport(transport: asyncio.BaseTransport) -> None:
    """Close so that the kernel sends RST and not FIN (socket(7), SO_LINGER with zero seconds)."""
    peer = transport.get_extra_info("socket")
    if peer is not None:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()
    else:
        transport.close()


async def _for_ever() -> None:
    """Until the client hangs up, which cancels the handler."""
    await asyncio.Event().wait()


def _address(base: web.BaseRequest) -> str:
    scheme = "https" if base.secure else "http"
    return f"{scheme}://{base.host}{base.raw_path}"
