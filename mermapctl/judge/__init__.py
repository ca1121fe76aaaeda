# SPDX-License-Identifier: GPL-2.0-only
"""A parsed console -> findings and its verdict. Pure; never imports the runner."""
