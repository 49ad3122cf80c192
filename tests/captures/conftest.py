"""Captures as people have them, made here: each is small, and each has what its recorder is known for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Entry = dict[str, Any]


def har_entry(index: int = 0, **response: Any) -> Entry:
    return {
        "startedDateTime": "2024-05-01T10:00:00.000Z",
        "time": 12.5 + index,
        "request": {
            "method": "GET",
            "url": f"https://shop{index % 3}.example/items/{index}?q=%C3%A9",
            "httpVersion": "HTTP/1.1",
            "headers": [{"name": "Accept", "value": "*/*"}, {"name": "X-Index", "value": str(index)}],
            "queryString": [{"name": "q", "value": "é"}],
            "cookies": [],
            "headersSize": -1,
            "bodySize": 0,
        },
        "response": {
            "status": 200,
            "headers": [{"name": "Content-Type", "value": "text/html"}],
            "cookies": [],
            "content": {"size": 5, "mimeType": "text/html", "text": f'<p class="x">\n{index} – ünï\u2028😀</p>'},
            **response,
        },
        "timings": {"send": 0, "wait": -1, "receive": 1e-3},
    }


def har(count: int = 3, creator: str = "WebInspector", version: str = "1.2", **log: Any) -> dict[str, Any]:
    entries = [har_entry(index) for index in range(count)]
    return {"log": {"version": version, "creator": {"name": creator, "version": "537.36"}, "entries": entries, **log}}


def flavours() -> dict[str, bytes]:
    """Text of a HAR as each program writes it, by the program's name."""
    firefox = har(creator="Firefox", version="1.1", browser={"name": "Firefox", "version": "45.0"}, pages=[])
    firefox["log"]["comment"] = "keys after the entries"
    safari = har(creator="WebKit Web Inspector")
    safari["log"]["entries"][0]["_fetchType"] = "Network Load"
    charles = har(creator="Charles Proxy")
    charles["log"]["entries"][1]["response"]["cookies"] = "a=1; b=2"
    fiddler = har(creator="Fiddler", comment="exported")
    mitmproxy = har(creator="mitmproxy")
    mitmproxy["log"]["entries"][0]["_webSocketMessages"] = [{"type": "send", "opcode": 1, "data": "{}"}]
    pagetest = har(creator="WebPagetest", version="1.1", pages=[{"id": "page_1", "_steps": list(range(50))}])
    texts = {
        "Chrome": json.dumps(har(), indent=2, ensure_ascii=False),
        "Firefox": json.dumps(firefox),
        "Safari": json.dumps(safari, indent="\t"),
        "Charles": json.dumps(charles, separators=(",", ":")),
        "Fiddler": "\ufeff" + json.dumps(fiddler),
        "mitmproxy": json.dumps(mitmproxy, indent=4),
        "WebPagetest": json.dumps(pagetest),
    }
    return {name: text.encode() for name, text in texts.items()}


@pytest.fixture
def save(tmp_path: Path) -> Callable[[bytes], Path]:
    """Writes bytes to a file whose name says nothing about them."""
    count = 0

    def write(data: bytes) -> Path:
        nonlocal count
        count += 1
        path = tmp_path / f"recording-{count}.bin"
        path.write_bytes(data)
        return path

    return write
