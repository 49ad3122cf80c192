"""What the cells say about each client, in words with their figures. Every figure comes from the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benches.studies.pools.plan import DEFAULT_POOL, SMALL
from packhorse.units import format_bytes

Row = Mapping[str, Any]

#: Clients whose pool is DEFAULT_POOL unless it is set; the others have no such default of their own.
HAVE_DEFAULT = frozenset({"boto3", "boto3-transfer", "aiobotocore"})
#: A rate this much higher counts as a difference; below it lies what repeats of a cell differ by on a quiet machine.
MATTERS_RATIO = 1.1
#: Connections per 100 PUTs from which a pool is said to throw them away.
CHURN = 1.0
#: A Python process that uses so much of a core is limited by itself: threads share one interpreter lock.
OUT_OF_CPU_CORES = 0.9
#: Of the machine's cores in use: from here on nothing can go faster here, whatever the client.
MACHINE_FULL_RATIO = 0.93
COMPARED_IN_FLIGHT = 100
#: When those that were served had so many turns each, the ones that had none were passed over and not just late.
STARVING_TURNS = 2.0


def findings(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """One finding per client: ``client``, ``text``, and the ``figures`` in it."""
    good = [row for row in rows if row.get("puts")]
    clients = list(dict.fromkeys(row["client"] for row in rows))
    return [_finding(client, [row for row in good if row["client"] == client]) for client in sorted(clients)]


def _finding(client: str, rows: Sequence[Row]) -> dict[str, Any]:
    figures: dict[str, Any] = {"pools": []}
    sentences = []
    for body, link in dict.fromkeys((row["body_bytes"], row["link"]) for row in rows):
        pair = _pair([row for row in rows if (row["body_bytes"], row["link"]) == (body, link)])
        if pair is not None:
            default, best = pair
            figures["pools"].append(_compared(default, best))
    figures["pools"].sort(key=lambda one: (one["body_bytes"] != SMALL, one["link"] != "same-region", one["link"]))
    sentences += [_pool_words(client, one) for one in figures["pools"][:3]]
    small = [row for row in rows if row["body_bytes"] == SMALL] or list(rows)
    if small:
        top = max(small, key=lambda row: row["puts_per_s"])
        kept = ("link", "pool", "in_flight", "body_bytes", "puts_per_s", "client_cores", "busy_cores", "cpu_ms_per_put")
        figures["top"] = {name: top[name] for name in kept}
        sentences.append(_top_words(top))
    starving = [row for row in rows if row["waited_all_through"] and row["puts"] >= STARVING_TURNS * row["served"]]
    if starving:
        worst = max(starving, key=lambda row: row["waited_all_through"])
        figures["starved"] = {name: worst[name] for name in ("link", "pool", "in_flight", "waited_all_through")}
        sentences.append(
            f"Turns are not fair: with a pool of {worst['pool']}, {worst['waited_all_through']} of the "
            f"{worst['in_flight']} in flight on {worst['link']} had no answer while others had theirs again and again."
        )
    return {"client": client, "text": " ".join(sentences) or "Nothing was measured.", "figures": figures}


def _pair(rows: Sequence[Row]) -> tuple[Row, Row] | None:
    """The cell with botocore's default pool and the best one with a larger pool, at the number in flight compared."""
    flights = {row["in_flight"] for row in rows if row["pool"] == DEFAULT_POOL}
    flights &= {row["in_flight"] for row in rows if row["pool"] > DEFAULT_POOL}
    if not flights:
        return None
    flight = min(flights, key=lambda count: abs(count - COMPARED_IN_FLIGHT))
    at = [row for row in rows if row["in_flight"] == flight]
    default = next(row for row in at if row["pool"] == DEFAULT_POOL)
    return default, max((row for row in at if row["pool"] > DEFAULT_POOL), key=lambda row: row["puts_per_s"])


def _compared(default: Row, best: Row) -> dict[str, Any]:
    kept = ("puts_per_s", "latency_p50_ms", "latency_p99_ms", "cpu_ms_per_put", "connections_per_100_puts")
    return {
        **{name: default[name] for name in ("link", "body_bytes", "in_flight")},
        "best_pool": best["pool"],
        "default_open": default["wire"]["open_now"],
        "ratio": best["puts_per_s"] / default["puts_per_s"],
        "default": {name: default[name] for name in kept},
        "best": {name: best[name] for name in kept},
    }


def _pool_words(client: str, one: Mapping[str, Any]) -> str:
    pool = f"its default pool of {DEFAULT_POOL}" if client in HAVE_DEFAULT else f"a pool of {DEFAULT_POOL}"
    where = f"at {one['in_flight']} in flight on {one['link']} with bodies of {format_bytes(one['body_bytes'])}"
    rates = (
        f"{one['default']['puts_per_s']:.0f} PUT/s; {one['best']['puts_per_s']:.0f} with a pool of {one['best_pool']}"
    )
    if one["ratio"] >= MATTERS_RATIO:
        words = f"{pool} costs {one['ratio']:.1f}× {where} ({rates})"
    elif one["ratio"] <= 1 / MATTERS_RATIO:
        words = f"{pool} is {1 / one['ratio']:.1f}× faster than larger ones {where} ({rates})"
    else:
        words = f"{pool} costs no rate {where} ({rates})"
    return f"{words[0].upper()}{words[1:]}; {_churn_words(one)}."


def _churn_words(one: Mapping[str, Any]) -> str:
    opened, then = one["default"]["connections_per_100_puts"], one["best"]["connections_per_100_puts"]
    cpu = f"{one['default']['cpu_ms_per_put']:.2g} ms of CPU a PUT, then {one['best']['cpu_ms_per_put']:.2g}"
    if opened < CHURN and one["default_open"] > DEFAULT_POOL:
        return f"the pool is no cap: {one['default_open']} connections were open, and kept while all were busy; {cpu}"
    if opened < CHURN:
        return f"it keeps its connections, and what does not fit waits; {cpu}"
    return f"it opens {opened:.0f} connections per 100 PUTs, each a TLS handshake, then {then:.0f}; {cpu}"


def _top_words(top: Row) -> str:
    words = (
        f"Its best with {format_bytes(top['body_bytes'])}: {top['puts_per_s']:.0f} PUT/s, {top['in_flight']} in flight "
        f"and a pool of {top['pool']} on {top['link']}, at {top['cpu_ms_per_put']:.2g} ms of CPU a PUT"
    )
    if top["busy_cores"] >= MACHINE_FULL_RATIO * top.get("machine_cores", float("inf")):
        return f"{words}; the whole machine was busy."
    if top["client_cores"] >= OUT_OF_CPU_CORES:
        return f"{words}; the client's own CPU was the limit."
    return f"{words}."
