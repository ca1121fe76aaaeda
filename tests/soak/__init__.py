# SPDX-License-Identifier: GPL-2.0-only
"""Kill runs at random moments and fill up disks, and check that nothing is lost."""
