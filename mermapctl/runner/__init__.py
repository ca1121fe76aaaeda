# SPDX-License-Identifier: GPL-2.0-only
"""One kernel: build directory, kunit.py, guest, judge -> a Cell. Never imports commands."""
