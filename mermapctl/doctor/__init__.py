# SPDX-License-Identifier: GPL-2.0-only
"""What this machine lacks, and the command that installs it. Never imports the runner."""
