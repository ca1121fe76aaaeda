# SPDX-License-Identifier: GPL-2.0-only
"""One module per command: it composes the other rooms, returns a value and prints nothing."""
