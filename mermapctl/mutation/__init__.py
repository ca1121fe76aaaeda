# SPDX-License-Identifier: GPL-2.0-only
"""One file changed a line at a time, each change built and booted; never imports commands."""
