# SPDX-License-Identifier: GPL-2.0-only
"""The events that prove a broken rule, as a finding lists them."""

from __future__ import annotations

from mermapctl.trace.events import Event
from mermapctl.trace.rules import CpuState, Live
from mermapctl.trace.state import Put, Thread
from mermapctl.trace.violations import FUNCTION, Evidence, span


def idle_in_get(thread: Thread, cpu: CpuState, new: Live, done: int, *, needed: bool) -> Evidence:
    """Describe a get that flushed `done` times, more than it had to."""
    if needed or not cpu.waiting:
        why = "no address was waiting for a flush"
    else:
        why = "the get took an address that was not waiting for a flush"
    return {
        "flush": _lines(thread),
        "get": f"console line {new.line}: {span(new.base, new.end)}",
        "flushes in this get": done,
        "why": why,
        "mm": f"{cpu.mm:#x}",
        **_site(thread.flush_sites),
    }


def idle_in_refusal(thread: Thread, cpu: CpuState, get: Event, line: int) -> Evidence:
    """Describe a get that flushed although it was refused."""
    return {
        "flush": _lines(thread),
        "get": f"console line {line}: refused, {get.size} bytes",
        "why": "the get was refused, so that nothing was reused",
        "mm": f"{cpu.mm:#x}",
        **_site(thread.flush_sites),
    }


def idle_at_put(put: Put, flush: Event) -> Evidence:
    """Describe a put that flushed."""
    return {
        "put": f"console line {put.line}: {span(put.base, put.end)}",
        "flush": f"console line {flush.line}, by {flush.by}",
        "why": "a put needs no flush: its addresses wait until they are reused",
        "mm": f"{put.cpu.mm:#x}",
        **_site({flush.site}),
    }


def not_unmapped(put: Put) -> Evidence:
    """Describe a put that walked less than its range."""
    return {
        "put": f"console line {put.line}: {span(put.base, put.end)}",
        "page tables walked": span(put.low, put.high) if put.low < put.high else "nothing",
        "mm": f"{put.cpu.mm:#x}",
    }


def stays_pinned(mm: int, line: int, what: str) -> Evidence:
    """Migration stayed disabled behind a put, or a get that was refused."""
    return {
        "line": f"console line {line}: {what}",
        "migrate_enable": "none by this thread before its next get or put",
        "mm": f"{mm:#x}",
    }


def _lines(thread: Thread) -> str:
    return "line " + ", ".join(map(str, thread.flush_lines))


def _site(sites: set[str | None]) -> Evidence:
    """Name the place from which flushes were called, if the console shows that it was one."""
    site = next(iter(sites)) if len(sites) == 1 else None
    return {FUNCTION: site} if site else {}
