# SPDX-License-Identifier: GPL-2.0-only
"""Kprobe events -> what the mermap did, held against its rules. Pure; imports console alone."""
