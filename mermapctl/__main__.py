# SPDX-License-Identifier: GPL-2.0-only
"""`python -m mermapctl`, and the one place where errors are printed.

`main` first sets the handlers of INT, TERM and HUP; until then this module imports only modules
that Python has loaded at its start. The handlers are set with the built-in module `_signal`,
because `signal` imports enum, which takes 3 ms.
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
"""Exit codes, the same as in `errors.Exit`, for use while `mermapctl.errors` is not imported."""


def main() -> None:
    """Run the command line, then end the process with the documented exit code.

    Ignores INT, TERM and HUP once the command has ended, and does not restore their earlier
    handlers: with those, a signal that arrives while Python ends would change the exit code. To run
    a command inside another program, call `mermapctl.cli.root.root`, which sets no handler.
    """
    _exit_on_signals()
    try:
        _main()
    except Exception as error:  # noqa: BLE001 - an import fails: Python's own code 1 means "failed"
        _cannot_start(error)


def _cannot_start(error: Exception) -> NoReturn:
    """Report what keeps mermapctl from starting, and exit.

    The cause is a broken installation, or a limit on open files or memory.
    """
    try:
        if "--debug" in sys.argv[1:]:
            sys.excepthook(type(error), error, error.__traceback__)
        what = "".join(char if char.isprintable() else "?" for char in str(error))
        said = f"mermapctl: error: it cannot start: {type(error).__name__}: {what}\n"
        said += "  hint: install it again; `mermapctl --debug …` shows where\n"
        os.write(2, said.encode("utf-8", "backslashreplace"))
    finally:  # also if stderr cannot be written to
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
    # Python takes 20 ms to end, and removes our handlers in that time.
    signals.ignore()
    sys.exit(INTERRUPTED if signals.received() else code)


def _exit_on_signals() -> None:
    """Make INT, TERM and HUP exit with 130 at once: outside a command nothing has to be cleaned up.

    A signal that is ignored already stays ignored.
    """
    c_signal = __import__("_signal")
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(c_signal, name)
        if c_signal.getsignal(number) != c_signal.SIG_IGN:  # as nohup leaves it
            c_signal.signal(number, lambda _signum, _frame: os._exit(INTERRUPTED))


def _run() -> int:
    """Run the command line and return its exit code. Raises KeyboardInterrupt."""
    import click

    from mermapctl.cli.root import root
    from mermapctl.errors import Exit, MermapctlError
    from mermapctl.system import environment, signals, stdio

    try:
        environment.settle()
        environment.require_completion()
        with signals.ending_signals():
            # In standalone mode click exits with 1 on ^C; here 1 means "failed".
            returned = root.main(standalone_mode=False)
        code = _under_bisect(Exit.BISECT_ABORT, returned) if returned else Exit.PASSED
    except SystemExit as ended:  # a command ends with its exit code
        code = _code_of(ended)
    except click.ClickException as error:
        stdio.tell(_usage(error))
        code = _under_bisect(Exit.BISECT_ABORT, error.exit_code)
    except click.Abort as error:  # click raises it on ^C, and also instead of EOFError
        early = isinstance(error.__cause__, EOFError)
        code = _defect(error.__cause__) if early else Exit.INTERRUPTED
    except MermapctlError as error:
        code = _failed(error.message, error.hint, error.exit, error.bisect)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        code = _failed(f"{where}{error.strerror or error}", None, Exit.NO_VERDICT)
    except (ImportError, MemoryError) as error:  # each command imports what it needs
        what = f"{type(error).__name__}: {error}"
        hint = "is there a limit on memory (ulimit -v)? Else install mermapctl again"
        code = _failed(what, hint, Exit.NO_VERDICT)
    except Exception as error:  # noqa: BLE001 - unforeseen: print a sentence, no verdict
        code = _defect(error)
    return code


def _defect(error: BaseException | None) -> int:
    """Report an unforeseen exception as a defect; return the exit code.

    Returns 130 without a report if an ending signal has arrived, which may have caused it.
    """
    from mermapctl.errors import Exit
    from mermapctl.system import signals

    if signals.received():
        return Exit.INTERRUPTED
    what = f"a defect in mermapctl: {type(error).__name__}: {error}"
    return _failed(what, "`mermapctl --debug …` shows where; please report it", Exit.NO_VERDICT)


def _code_of(ended: SystemExit) -> int:
    """Return the code passed to sys.exit(): 0 if there is none, NO_VERDICT if it is a text."""
    if isinstance(ended.code, int):
        return ended.code
    return 0 if ended.code is None else NO_VERDICT


def _usage(error: click.ClickException) -> str:
    """Return the error and its hint, with control characters made visible."""
    import click

    from mermapctl.render.visible import visible

    said, hint = error.format_message().rstrip("."), ""
    if isinstance(error, click.NoSuchOption) and error.possibilities:  # the nearest one is first
        said = f"{error.message.rstrip('.')}: did you mean {' or '.join(error.possibilities)}?"
    if isinstance(error, click.UsageError) and error.ctx is not None:
        path = " ".join(["mermapctl", *error.ctx.command_path.split("mermapctl", 1)[-1].split()])
        hint = f"\n  hint: `{path} --help` lists what it takes"
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return visible(error.format_message())
    return visible(f"mermapctl: error: {said}{hint}")


def _failed(message: str, hint: str | None, code: Exit, bisect: Exit | None = None) -> int:
    """Print the error and its hint; return the exit code: `bisect` under `--bisect-exit`."""
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
    """Return `bisect` under `--bisect-exit`, else `code`.

    `git bisect run` reads 1 to 124 as "bad" and would blame a commit.
    """
    return bisect if "--bisect-exit" in sys.argv[1:] else code


if __name__ == "__main__":
    main()
