# SPDX-License-Identifier: GPL-2.0-only
"""Runs that are killed at random moments, and disks that fill up: what must survive them."""
