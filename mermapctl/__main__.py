# SPDX-License-Identifier: GPL-2.0-only
"""`python -m mermapctl`, and the one place where errors are printed."""

from __future__ import annotations

import sys

from mermapctl.errors import Exit, MermapctlError


def main() -> None:
    """Run the command line and exit with the documented code."""
    from mermapctl.cli.root import root  # noqa: PLC0415 - so that ^C during start-up is caught too

    debug = "--debug" in sys.argv[1:]
    try:
        root.main(standalone_mode=True)
    except MermapctlError as error:
        if debug:
            raise
        sys.stderr.write(f"mermapctl: error: {error.message}\n")
        if error.hint:
            sys.stderr.write(f"  hint: {error.hint}\n")
        sys.exit(error.exit)
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)


if __name__ == "__main__":
    main()
