# SPDX-License-Identifier: GPL-2.0-only
"""Parsed consoles -> findings and a verdict. Pure; never imports the runner."""
