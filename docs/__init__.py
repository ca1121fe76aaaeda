# SPDX-License-Identifier: GPL-2.0-only
"""The documentation, and the programs that make parts of it: `make man`, `make screenshots`."""
