# SPDX-License-Identifier: GPL-2.0-only
"""Stores runs, and calls `mermapctl report` on them."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from click.testing import CliRunner, Result

from mermapctl.cli.root import root
from mermapctl.errors import MermapctlError
from mermapctl.records.record import RunRecord, State, new_run
from mermapctl.records.store import Store
from tests import sample_records as samples


def report(*words: str) -> Result:
    result = CliRunner().invoke(root, ["report", *words])
    known = (SystemExit, MermapctlError, type(None))
    assert isinstance(result.exception, known), result.exception
    return result


def document(*words: str) -> Any:
    return json.loads(report(*words, "--format", "json").stdout)


def kept(
    record: RunRecord, run_id: str | None = None, console: bytes = b"", **changes: Any
) -> RunRecord:
    """Store a record with a console, an id and a time."""
    run = dataclasses.replace(record.run, id=run_id or new_run(("x",)).id, state=State.FINISHED)
    if "started" in changes:
        run = dataclasses.replace(run, started=changes.pop("started"))
    record = dataclasses.replace(record, run=run, **changes)
    store = Store.open()
    folder = store.begin(record)
    (samples.cell_folder(folder) / "console.log").write_bytes(console)
    return store.finish(record)
