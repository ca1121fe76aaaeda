# SPDX-License-Identifier: GPL-2.0-only
"""`python -m mermapctl`, and the one place where errors are printed.

`main` sets the handlers of the ending signals before it imports anything that Python has not
loaded by then. `signal` itself imports enum, which takes 3 ms; its half in C is built in.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # typing takes 5 ms to import
if TYPE_CHECKING:
    from typing import NoReturn

    import click

    from mermapctl.errors import Exit

INTERRUPTED, NO_VERDICT, BISECT_ABORT = 130, 3, 128
"""Those of `errors.Exit`, before that can be imported."""


def main() -> None:
    """Run the command line and exit with the documented code, as the last thing of the process.

    INT, TERM and HUP are ignored from then on, and not put back: between the handlers of before and
    Python's own end, one of them would change the code. A caller with a life of its own calls
    `mermapctl.cli.root.root`, which sets no handler.
    """
    _exit_on_signals()
    try:
        _main()
    except Exception as error:  # noqa: BLE001 - an import fails: Python's own code 1 means "failed"
        _cannot_start(error)


def _cannot_start(error: Exception) -> NoReturn:
    """Report a broken installation, or a limit under which nothing more can be opened."""
    try:
        if "--debug" in sys.argv[1:]:
            sys.excepthook(type(error), error, error.__traceback__)
        what = "".join(char if char.isprintable() else "?" for char in str(error))
        said = f"mermapctl: error: it cannot start: {type(error).__name__}: {what}\n"
        said += "  hint: install it again; `mermapctl --debug …` shows where\n"
        os.write(2, said.encode("utf-8", "backslashreplace"))
    finally:  # whatever becomes of stderr
        os._exit(BISECT_ABORT if "--bisect-exit" in sys.argv[1:] else NO_VERDICT)


def _main() -> None:
    from mermapctl.system import signals, stdio

    stdio.make_ready()
    try:
        code = _run()
    except KeyboardInterrupt:
        code = INTERRUPTED
    try:
        sys.stdout.flush()
    except OSError as error:
        from mermapctl.errors import Exit

        if not stdio.reader_gone(error):
            code = _failed(f"cannot write to stdout: {error.strerror}", None, Exit.NO_VERDICT)
        stdio.let_go(sys.stdout)
    # Python's own end takes 20 ms, in which it takes our handlers away.
    signals.ignore()
    sys.exit(INTERRUPTED if signals.received() else code)


def _exit_on_signals() -> None:
    """Until a command begins, and after it has ended, nothing needs to be put away."""
    c_signal = __import__("_signal")
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(c_signal, name)
        if c_signal.getsignal(number) != c_signal.SIG_IGN:  # as nohup leaves it
            c_signal.signal(number, lambda _signum, _frame: os._exit(INTERRUPTED))


def _run() -> int:
    """Run the command line to its code. Raises KeyboardInterrupt."""
    import click

    from mermapctl.cli.root import root
    from mermapctl.errors import Exit, MermapctlError
    from mermapctl.system import environment, signals, stdio

    try:
        environment.settle()
        environment.require_completion()
        with signals.ending_signals():
            # In its standalone mode click makes exit code 1 of ^C: here that means "failed".
            returned = root.main(standalone_mode=False)
        code = _under_bisect(Exit.BISECT_ABORT, returned) if returned else Exit.PASSED
    except SystemExit as ended:  # the way in which commands say their code
        code = _code_of(ended)
    except click.ClickException as error:
        stdio.tell(_usage(error))
        code = _under_bisect(Exit.BISECT_ABORT, error.exit_code)
    except click.Abort as error:  # click makes one of a file that ends too early as well
        early = isinstance(error.__cause__, EOFError)
        code = _defect(error.__cause__) if early else Exit.INTERRUPTED
    except MermapctlError as error:
        code = _failed(error.message, error.hint, error.exit, error.bisect)
    except OSError as error:
        where = error.filename or "a file, or stdout"
        code = _failed(f"{where}: {error.strerror or error}", None, Exit.NO_VERDICT)
    except (ImportError, MemoryError) as error:  # each command imports what it needs
        what = f"{type(error).__name__}: {error}"
        hint = "is there a limit on memory (ulimit -v)? Else install mermapctl again"
        code = _failed(what, hint, Exit.NO_VERDICT)
    except Exception as error:  # noqa: BLE001 - the last net: a sentence, and no verdict
        code = _defect(error)
    return code


def _defect(error: BaseException | None) -> int:
    """Say what the last net has caught; 130 where somebody made that of an interruption."""
    from mermapctl.errors import Exit
    from mermapctl.system import signals

    if signals.received():
        return Exit.INTERRUPTED
    what = f"a defect in mermapctl: {type(error).__name__}: {error}"
    return _failed(what, "`mermapctl --debug …` shows where; please report it", Exit.NO_VERDICT)


def _code_of(ended: SystemExit) -> int:
    """The code of sys.exit(CODE), or 0 of sys.exit(); a text is not "passed"."""
    if isinstance(ended.code, int):
        return ended.code
    return 0 if ended.code is None else NO_VERDICT


def _usage(error: click.ClickException) -> str:
    """What click would write itself, wherever it can be written to; arguments made visible."""
    import io

    from mermapctl.render.visible import visible

    said = io.StringIO()
    error.show(said)
    return visible(said.getvalue().rstrip("\n"))


def _failed(message: str, hint: str | None, code: Exit, bisect: Exit | None = None) -> int:
    from mermapctl.errors import Exit
    from mermapctl.render.visible import visible
    from mermapctl.system import stdio

    if "--debug" in sys.argv[1:] and sys.exc_info()[0]:
        import traceback

        traceback.print_exc()
    stdio.tell(visible(f"mermapctl: error: {message}"))
    if hint:
        stdio.tell(visible(f"  hint: {hint}"))
    return _under_bisect(bisect or Exit.BISECT_ABORT, code)


def _under_bisect(bisect: Exit, code: int) -> int:
    """`bisect` where `git bisect run` asks: it takes 1 to 124 for "bad", and blames a commit."""
    return bisect if "--bisect-exit" in sys.argv[1:] else code


if __name__ == "__main__":
    main()
