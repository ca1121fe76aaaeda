# SPDX-License-Identifier: GPL-2.0-only
"""Finds, inspects and makes kernel trees. Never imports a room that configures or runs."""
