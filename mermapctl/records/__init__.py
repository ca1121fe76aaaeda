# SPDX-License-Identifier: GPL-2.0-only
"""What is kept of a run: stored, judged again, compared. Never imports the runner."""
