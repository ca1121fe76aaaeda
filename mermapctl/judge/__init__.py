# SPDX-License-Identifier: GPL-2.0-only
"""What was read -> findings and the verdict. Pure; never imports the runner."""
