# SPDX-License-Identifier: GPL-2.0-only
"""Seeded faults (kernel/faults/) and good configurations, each built, booted and judged.

`python -m tests.faults` runs them all; `make test` runs a few.
"""
