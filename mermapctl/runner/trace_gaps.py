# SPDX-License-Identifier: GPL-2.0-only
"""After a traced boot that passed with gaps in its trace, boot the same kernel once more.

No conclusion is drawn from a trace with gaps, so such a pass depends on the suite alone.
"""

from __future__ import annotations

from mermapctl.events import Note
from mermapctl.judge.result_types import Verdict
from mermapctl.judge.trace_findings import INCOMPLETE
from mermapctl.records.record import Cell
from mermapctl.runner import boot, unprobed
from mermapctl.runner.boot import Booted
from mermapctl.runner.job import Job

FIRST = "console-gaps.log"
"""The console of the boot whose trace has gaps, kept beside the one that is judged."""


def found(cell: Cell, booted: Booted) -> str | None:
    """Describe the gaps in the trace of a boot that passed; None if another boot adds nothing."""
    if not booted.limits.traced or cell.verdict is not Verdict.PASSED:
        return None
    return _gaps(cell)


def boot_again(job: Job, gaps: str, booted: Booted) -> Booted:
    """Boot once more with probes; keep the console of the first boot as FIRST.

    Restore the first console if there is no second one. Raises Interrupted, HarnessError, OSError.
    """
    job.tell(Note(f"the trace has gaps ({gaps}): booting once more"))
    first = job.console.rename(job.folder / FIRST)
    try:
        return boot.boot(unprobed.bounded(job, booted), booted.kernel, booted.accelerator)
    except Exception:
        first.replace(job.console)
        raise


def compared(gaps: str, second: Cell) -> str:
    """Return a sentence on what the second boot adds."""
    told = f"the first trace has gaps ({gaps}, {FIRST}): booted once more"
    if second.verdict is not Verdict.PASSED:
        return f"{told}, with another verdict than the first boot, which passed"
    again = _gaps(second)
    return f"{told}, and there are gaps again ({again})" if again else f"{told}, without gaps"


def _gaps(cell: Cell) -> str | None:
    finding = next((each for each in cell.findings if each.code == INCOMPLETE), None)
    if finding is None:
        return None
    counted = {what: n for what, n in finding.evidence.items() if not what.startswith("first")}
    return ", ".join(f"{what}: {n}" for what, n in counted.items())
