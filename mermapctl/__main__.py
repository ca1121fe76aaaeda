# SPDX-License-Identifier: GPL-2.0-only
"""`python -m mermapctl`, and the one place where errors are printed."""

from __future__ import annotations

import sys

from mermapctl.errors import Exit, MermapctlError


def main() -> None:
    """Run the command line and exit with the documented code."""
    import click  # noqa: PLC0415 - so that ^C during start-up is caught too

    from mermapctl.cli.root import root  # noqa: PLC0415 - the same

    debug = "--debug" in sys.argv[1:]
    try:
        # In its standalone mode click makes exit code 1 of ^C: here that means "failed".
        sys.exit(root.main(standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(Exit.INTERRUPTED)
    except MermapctlError as error:
        if debug:
            raise
        sys.stderr.write(f"mermapctl: error: {error.message}\n")
        if error.hint:
            sys.stderr.write(f"  hint: {error.hint}\n")
        sys.exit(error.exit)
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output went away (`| head`): nobody is left to tell.
        sys.stderr.close()
        sys.exit(Exit.NO_VERDICT)
    except Exception as error:
        if debug:
            raise
        sys.stderr.write(f"mermapctl: internal error: {type(error).__name__}: {error}\n")
        sys.stderr.write("  hint: a defect: --debug shows where; please report it\n")
        sys.exit(Exit.NO_VERDICT)


if __name__ == "__main__":
    main()
