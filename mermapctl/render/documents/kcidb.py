# SPDX-License-Identifier: GPL-2.0-only
"""RunRecord -> KernelCI's submission JSON: a checkout, a build for each cell, tests, findings.

It uses schema 5.0 of kcidb-io, the oldest with all needed fields, so that any 5.x service accepts
it. No file is given as a URL, since the files of this machine have none. Findings become issues,
one for each code, and an incident for each occurrence.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Iterator

import msgspec

from mermapctl.console.ktap import Status
from mermapctl.judge.result_types import Finding, Reason, Severity, Verdict
from mermapctl.records.json_text import encoded
from mermapctl.records.record import Cell, RunRecord
from mermapctl.render import account
from mermapctl.render.excerpt import Gap, Window, excerpt
from mermapctl.render.missing import missing_lines
from mermapctl.render.visible import cut, one_line, visible

ORIGIN = "mermapctl"
_EXCERPT_LIMIT = 16_000  # characters; the schema takes 16,384
_ISSUE_VERSION = 1
_STATUS = {
    Status.PASSED: "PASS",
    Status.FAILED: "FAIL",
    Status.CRASHED: "FAIL",
    Status.HUNG: "FAIL",
    Status.MISSING: "MISS",
    Status.SKIPPED: "SKIP",
}
# No verdict is never FAIL: the status of the tested code is unknown.
_NO_VERDICT = {Reason.BOOT_FAILED: "ERROR", Reason.BUILD_FAILED: "MISS"}


class Base(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Fields of every object of a submission; empty ones are omitted, since null is not allowed."""

    id: str
    origin: str
    comment: str = ""
    misc: dict[str, object] = {}


class Checkout(Base, frozen=True, omit_defaults=True, kw_only=True):
    """The tree."""

    git_commit_hash: str = ""
    git_commit_name: str = ""
    patchset_hash: str | msgspec.UnsetType = msgspec.UNSET
    start_time: str = ""
    valid: bool = False


class Build(Base, frozen=True, omit_defaults=True, kw_only=True):
    """The build of a cell; `duration` in seconds."""

    checkout_id: str
    architecture: str = ""
    compiler: str = ""
    config_name: str = ""
    duration: float | msgspec.UnsetType = msgspec.UNSET
    log_excerpt: str = ""
    start_time: str = ""
    status: str = ""


class KcidbTest(Base, frozen=True, omit_defaults=True, kw_only=True):
    """A boot, a suite or a test; `duration` in seconds."""

    __test__ = False  # not a pytest class

    build_id: str
    path: str
    status: str
    duration: float | msgspec.UnsetType = msgspec.UNSET
    environment: dict[str, object] = {}
    log_excerpt: str = ""
    start_time: str = ""


class Issue(Base, frozen=True, omit_defaults=True, kw_only=True):
    """A code of a finding."""

    version: int
    culprit: dict[str, bool]


class Incident(Base, frozen=True, omit_defaults=True, kw_only=True):
    """A finding."""

    issue_id: str
    issue_version: int
    test_id: str
    present: bool


class Submission(msgspec.Struct, frozen=True):
    """The whole document."""

    version: dict[str, int]
    checkouts: list[Checkout]
    builds: list[Build]
    tests: list[KcidbTest]
    issues: list[Issue]
    incidents: list[Incident]


def render(
    record: RunRecord,
    *,
    console: Callable[[Cell], Iterable[str]] | None = None,
    origin: str = ORIGIN,
) -> str:
    """Return the submission; `origin` is the sender's name at KernelCI."""
    run = f"{origin}:{_id(record.run.id)}"
    # Another run built and booted what is reused here.
    told = [c for c in record.cells if not (c.reused or c.inherited or c.reason is Reason.ABSENT)]
    trees = dict.fromkeys(_tree(cell, record) for cell in told)
    checkouts = {tree: f"{run}.{n}" for n, tree in enumerate(trees)}
    whole = Submission({"major": 5, "minor": 0}, [], [], [], [], [])
    for tree, key in checkouts.items():
        whole.checkouts.append(_checkout(record, tree, key, origin))
    issues: dict[str, Issue] = {}
    for n, cell in enumerate(told):
        build = _build(record, cell, f"{run}.{n}", checkouts[_tree(cell, record)])
        whole.builds.append(build)
        lines = console(cell) if console else ()
        rows = list(_rows(record, cell, build, lines))
        whole.tests.extend(rows)
        for m, finding in enumerate(cell.findings):
            issue = issues.setdefault(finding.code, _issue(finding, origin))
            incident = Incident(
                id=f"{build.id}.{m}",
                origin=origin,
                comment=one_line(finding.summary),
                issue_id=issue.id,
                issue_version=issue.version,
                test_id=_where(cell, finding, rows),
                present=True,
                misc={
                    "evidence": one_line(account.evidence(finding)),
                    "where": _text(finding.where),
                },
            )
            whole.incidents.append(incident)
    whole.issues.extend(issues.values())
    return encoded(whole, indent=1).decode("utf-8") + "\n"


def _tree(cell: Cell, record: RunRecord) -> tuple[str | None, str | None, str]:
    """Return the identity of a cell's tree: its commit, its kernel's version, and both in words."""
    (version,) = account.kernels(record, (cell,))
    return cell.commit or record.tree.commit, version, account.kernel(record, cell)


def _checkout(
    record: RunRecord, of: tuple[str | None, str | None, str], key: str, origin: str
) -> Checkout:
    tree = record.tree
    commit, version, words = of
    sha1 = commit if commit and re.fullmatch(r"[0-9a-f]{40}", commit) else ""
    here = commit == tree.commit
    return Checkout(
        id=key,
        origin=origin,
        comment=one_line(words),
        git_commit_hash=sha1,
        git_commit_name=_text(tree.describe) if here else "",
        # an empty string means "no patches", which is certain of a clean commit only
        patchset_hash="" if sha1 and not tree.dirty else msgspec.UNSET,
        start_time=_time(record.run.started),
        valid=True,
        misc={"kernel": _text(version), "dirty": tree.dirty, "commit": _text(commit)},
    )


def _build(record: RunRecord, cell: Cell, key: str, checkout: str) -> Build:
    host = record.run.host
    built = {
        Reason.BUILD_FAILED: "FAIL",
        Reason.CONFIG_UNSATISFIED: "ERROR",
        Reason.HARNESS_ERROR: "MISS",
        Reason.WORKER_LOST: "MISS",
        Reason.INTERRUPTED: "MISS",
    }
    status = built.get(cell.reason, "PASS") if cell.reason else "PASS"
    seconds = cell.phases.build
    return Build(
        id=key,
        origin=checkout.partition(":")[0],
        checkout_id=checkout,
        comment=one_line(account.label(cell, record)),
        architecture=re.sub(r"[^a-z0-9_]", "_", (cell.target or "")[:60].lower()),
        compiler=_text(host.compiler) if host else "",
        config_name=_text(cell.variant),
        duration=seconds if seconds is not None else msgspec.UNSET,
        log_excerpt=_build_said(cell, status),
        start_time=_time(record.run.started),
        status=status,
        misc={
            "missing": [
                f"CONFIG_{_text(m.symbol)}={_text(m.requested)} is {_text(m.resolved) or 'absent'}"
                for m in cell.missing
            ],
        },
    )


def _build_said(cell: Cell, status: str) -> str:
    """Return the error of a failed build, or the reason why a configuration was not built."""
    if status == "FAIL":
        return visible(cell.detail or "", limit=4000)
    if cell.reason is not Reason.CONFIG_UNSATISFIED:
        return ""
    said = [cell.detail or "", *("\n".join(missing_lines(symbol)) for symbol in cell.missing)]
    return visible("\n\n".join(filter(None, said)), limit=_EXCERPT_LIMIT // 2)


def _rows(record: RunRecord, cell: Cell, build: Build, lines: Iterable[str]) -> Iterator[KcidbTest]:
    """Yield the boot, then each suite and its tests."""
    told = account.account(cell)
    missed = _NO_VERDICT.get(cell.reason, "MISS") if cell.reason else "PASS"
    boot = cell.phases.boot
    yield KcidbTest(
        id=f"{build.id}.boot",
        origin=build.origin,
        build_id=build.id,
        path="boot",
        status="PASS" if cell.suites else missed,
        comment=one_line(account.why(cell)) if cell.verdict is Verdict.NO_VERDICT else "",
        duration=boot if boot is not None else msgspec.UNSET,
        environment=_environment(cell, record),
        log_excerpt=_excerpt(lines, cell),
        start_time=_time(record.run.started),
        misc={
            "reproduce": [_text(line, 2000) for line in cell.reproduce],
            "tests": told.total,
            "not_listed": account.not_listed(told) or "",
        },
    )
    number = 0
    for suite in cell.suites:
        rows = told.of(suite)
        base = f"kunit.{_word(suite.name)}"
        bad = any(row.bad for row in rows) or (suite.unlisted is not None and suite.unlisted.bad)
        status = "FAIL" if bad else _STATUS[suite.status]
        if cell.verdict is Verdict.FAILED and len(cell.suites) == 1:
            status = "FAIL"
        number += 1
        yield KcidbTest(
            id=f"{build.id}.{number}",
            origin=build.origin,
            build_id=build.id,
            path=base,
            status=status,
            environment=_environment(cell, record),
            duration=suite.seconds if suite.seconds is not None else msgspec.UNSET,
        )
        for row in rows:
            number += 1
            yield _test(row, build, f"{build.id}.{number}", base)


def _test(row: account.Row, build: Build, key: str, base: str) -> KcidbTest:
    seconds = row.test.seconds
    comment = next((f.summary for f in row.errors), row.test.reason or "")
    shown = visible("\n\n".join(account.test_blocks(row)), limit=_EXCERPT_LIMIT)
    return KcidbTest(
        id=key,
        origin=build.origin,
        build_id=build.id,
        path=".".join([base, *map(_word, row.path)]),
        status="FAIL" if row.errors else _STATUS[row.test.status],
        comment=one_line(comment),
        duration=seconds if seconds is not None else msgspec.UNSET,
        log_excerpt=cut(shown, _EXCERPT_LIMIT),
        misc={"name": _text(row.name), "ktap": str(row.test.status)},
    )


def _issue(finding: Finding, origin: str) -> Issue:
    environment = finding.code in {"global-mapping-refused", "accelerator-failed"}
    return Issue(
        id=f"{origin}:{_id(finding.code)}",
        origin=origin,
        version=_ISSUE_VERSION,
        comment=one_line(f"{finding.code}: {finding.advice or finding.summary}"),
        culprit={"code": not environment, "tool": False, "harness": environment},
        misc={"severity": str(finding.severity)},
    )


def _where(cell: Cell, finding: Finding, rows: list[KcidbTest]) -> str:
    """Return the test with the finding, else the failed suite, else the boot."""
    path = f".{_word(finding.test)}" if finding.test else None
    named = next((row.id for row in rows if path and row.path.endswith(path)), None)
    suite = rows[1].id if len(rows) > 1 and finding.severity is Severity.ERROR else rows[0].id
    return named or (suite if cell.suites else rows[0].id)


def _environment(cell: Cell, record: RunRecord) -> dict[str, object]:
    facts = {
        "accelerator": _text(cell.accelerator),
        "cpu": _text(cell.cpu),
        "smp": cell.smp,
        "kernel_args": [_text(arg) for arg in cell.kernel_args],
    }
    known = {key: value for key, value in facts.items() if value}
    return {"comment": one_line(account.label(cell, record)), "misc": known}


def _excerpt(lines: Iterable[str], cell: Cell) -> str:
    """Return the lines around the findings; the schema allows 16 KiB."""
    shown: list[str] = []
    room = _EXCERPT_LIMIT
    for item in excerpt(lines, account.marks(cell), Window(head=0, tail=20, around=12)):
        text = "[…]" if isinstance(item, Gap) else visible(item.text, limit=1000)
        room -= len(text) + 1
        if room < 0:
            break
        shown.append(text)
    return "\n".join(shown)


def _text(text: str | None, limit: int = 400) -> str:
    return one_line(text or "", limit=limit)


def _id(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._+-]+", "_", text[:120])


def _word(text: str) -> str:
    """Return one part of a path."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", text[:120]) or "_"


def _time(started: str) -> str:
    """Return the time in RFC 3339, "" if the record's time is invalid."""
    try:
        moment = dt.datetime.fromisoformat(started)
    except ValueError:
        return ""
    return moment.isoformat() if moment.tzinfo else ""
