# SPDX-License-Identifier: GPL-2.0-only
"""One file a command: each composes the stages, returns a value, and prints nothing."""
