# SPDX-License-Identifier: GPL-2.0-only
"""`python -m mermapctl`, and the one place where errors are printed."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

from mermapctl import streams
from mermapctl.errors import Exit, MermapctlError

if TYPE_CHECKING:
    import click


def main() -> None:
    """Run the command line and exit with the documented code."""
    streams.make_ready()
    try:
        code = _run()
    except KeyboardInterrupt:
        code = Exit.INTERRUPTED
    try:
        sys.stdout.flush()
    except OSError as error:
        if not streams.reader_gone(error):
            code = _failed(f"cannot write to stdout: {error.strerror}", None, Exit.NO_VERDICT)
        streams.let_go(sys.stdout)
    sys.exit(code)


def _run() -> int:
    import click  # noqa: PLC0415 - so that ^C during start-up is caught too

    from mermapctl import environment  # noqa: PLC0415 - the same
    from mermapctl.cli.root import root  # noqa: PLC0415 - the same

    try:
        environment.settle()
        environment.require_completion()
        # In its standalone mode click makes exit code 1 of ^C: here that means "failed".
        returned = root.main(standalone_mode=False)
        code = _under_bisect(Exit.BISECT_ABORT, returned) if returned else Exit.PASSED
    except SystemExit as ended:  # the way in which commands say their code
        code = ended.code if isinstance(ended.code, int) else Exit.PASSED
    except click.ClickException as error:
        streams.tell(_usage(error))
        code = _under_bisect(Exit.BISECT_ABORT, error.exit_code)
    except click.Abort:
        code = Exit.INTERRUPTED
    except MermapctlError as error:
        code = _failed(error.message, error.hint, error.exit, error.bisect)
    except OSError as error:
        where = error.filename or "a file, or stdout"
        code = _failed(f"{where}: {error.strerror or error}", None, Exit.NO_VERDICT)
    except Exception as error:  # noqa: BLE001 - the last net: a sentence, and no verdict
        what = f"a defect in mermapctl: {type(error).__name__}: {error}"
        code = _failed(what, "`mermapctl --debug …` shows where; please report it", Exit.NO_VERDICT)
    return code


def _usage(error: click.ClickException) -> str:
    """What click would write itself, wherever it can be written to; arguments made visible."""
    from mermapctl.render.visible import visible  # noqa: PLC0415 - only for an error

    said = io.StringIO()
    error.show(said)
    return visible(said.getvalue().rstrip("\n"))


def _failed(message: str, hint: str | None, code: Exit, bisect: Exit = Exit.BISECT_ABORT) -> int:
    from mermapctl.render.visible import visible  # noqa: PLC0415 - only for an error

    if "--debug" in sys.argv[1:] and sys.exc_info()[0]:
        import traceback  # noqa: PLC0415 - the same

        traceback.print_exc()
    streams.tell(visible(f"mermapctl: error: {message}"))
    if hint:
        streams.tell(visible(f"  hint: {hint}"))
    return _under_bisect(bisect, code)


def _under_bisect(bisect: Exit, code: int) -> int:
    """`bisect` where `git bisect run` asks: it takes 1 to 124 for "bad", and blames a commit."""
    return bisect if "--bisect-exit" in sys.argv[1:] else code


if __name__ == "__main__":
    main()
