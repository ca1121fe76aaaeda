# SPDX-License-Identifier: GPL-2.0-only
"""Run the command line in children that have everything imported: thousands of commands in seconds.

`command` sends a request to a server process (`python -m tests.forkserver`), which has one thread
and so may fork: its child runs `mermapctl.__main__.main`, the whole program except the imports.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import io
import json
import os
import pkgutil
import select
import signal
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

SECONDS = 60
"""Seconds after which a command counts as hung."""


@dataclass(frozen=True, slots=True)
class Done:
    """The result of a command; `returncode` is negative for a signal, -14 (SIGALRM) for a hang."""

    returncode: int
    stdout: str
    stderr: str


def command(
    *argv: str,
    cwd: Path | None = None,
    stdin: str = "",
    env: Mapping[str, str | None] | None = None,
    seconds: int = SECONDS,
    gone: bool = False,
    first: str = "",
) -> Done:
    """Run `mermapctl ARGV`; `env` is added to this environment, None removes a variable.

    `gone` removes the directory `cwd` once the command is in it. `first` is Python that runs
    before the command, to set what a user cannot.
    """
    wanted = {**os.environ, **(env or {})}
    request = {
        "argv": argv,
        "cwd": str(cwd or Path.cwd()),
        "stdin": stdin,
        "env": {name: value for name, value in wanted.items() if value is not None},
        "seconds": seconds,
        "gone": gone,
        "first": first,
    }
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(json.dumps(request) + "\n")
    server.stdin.flush()
    return Done(**json.loads(server.stdout.readline()))


@functools.cache
def _server() -> subprocess.Popen[str]:
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.forkserver"],
        cwd=Path(__file__).parent.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(_end, server)
    return server


def _end(server: subprocess.Popen[str]) -> None:
    for stream in (server.stdin, server.stdout):
        if stream is not None:
            stream.close()
    server.wait()


def import_all() -> None:
    """Import all that a command may import, compile the templates, fill the cache of `re`."""
    import mermapctl  # noqa: PLC0415 - in the server only

    for found in pkgutil.walk_packages(mermapctl.__path__, "mermapctl."):
        importlib.import_module(found.name)
    os.environ["GIT_PYTHON_REFRESH"] = "quiet"
    importlib.import_module("git")
    importlib.import_module("jinja2")
    from mermapctl.judge.console_verdict import judge  # noqa: PLC0415 - in the server only
    from mermapctl.render.html import page  # noqa: PLC0415
    from tests import sample_records as samples  # noqa: PLC0415
    from tests.tables import LOGS, MANIFEST  # noqa: PLC0415

    page.render(samples.failed())

    judge([(LOGS / "good.log").read_bytes()], manifest=MANIFEST)  # re caches its patterns
    gc.freeze()  # a collection in a child would copy every page


def _serve(requests: IO[str]) -> Iterator[Done]:
    for line in requests:
        request = json.loads(line)
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            pid = os.fork()
            if pid == 0:
                os.setpgid(0, 0)
                streams = (_holding(str(request["stdin"])), out.fileno(), err.fileno())
                be_mermapctl(request, streams)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            if code == -signal.SIGALRM:  # a test may look for other processes
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
            yield Done(code, _text(out), _text(err))


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "surrogateescape")


def _holding(text: str) -> int:
    """Return a pipe's end that gives `text`."""
    given, giving = os.pipe()
    os.write(giving, text.encode("utf-8", "surrogateescape")[: select.PIPE_BUF])
    os.close(giving)
    return given


def be_mermapctl(request: Mapping[str, object], streams: tuple[int, int, int]) -> NoReturn:
    """Become, in a forked child, the command that `request` describes, with these streams."""
    code = 70
    try:
        argv, env = request["argv"], request["env"]
        assert isinstance(argv, Sequence)
        assert isinstance(env, dict)
        os.environ.clear()
        os.environ.update(env)
        os.chdir(str(request["cwd"]))
        if request["gone"]:
            Path(str(request["cwd"])).rmdir()
        _put(streams)
        warnings.resetwarnings()
        warnings.simplefilter("ignore")
        sys.executable = os.environ.get("FORKED_PYTHON", sys.executable)
        sys.argv = ["mermapctl", *map(str, argv)]
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(int(str(request["seconds"])))
        exec(str(request["first"]), {})  # noqa: S102 - a test's own
        from mermapctl.__main__ import main  # noqa: PLC0415 - in the server only

        main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
    except BaseException:  # noqa: BLE001 - a traceback is what is looked for
        traceback.print_exc()
    with contextlib.suppress(BaseException):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _put(streams: tuple[int, int, int]) -> None:
    for place, fd in enumerate(streams):
        os.dup2(fd, place)
    sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False), encoding="utf-8")
    sys.stdout = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "w", closefd=False)), "utf-8")
    sys.stderr = io.TextIOWrapper(
        io.BufferedWriter(io.FileIO(2, "w", closefd=False)),
        "utf-8",
        errors="backslashreplace",
        line_buffering=True,
    )


if __name__ == "__main__":
    replies = os.fdopen(os.dup(1), "w")
    import_all()
    for done in _serve(sys.stdin):
        reply = {"returncode": done.returncode, "stdout": done.stdout, "stderr": done.stderr}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()
