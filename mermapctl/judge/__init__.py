# SPDX-License-Identifier: GPL-2.0-only
"""Turns parsed consoles into findings and a verdict. Pure; never imports the runner."""
