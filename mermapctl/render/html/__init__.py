# SPDX-License-Identifier: GPL-2.0-only
"""A record in, an HTML page out."""
