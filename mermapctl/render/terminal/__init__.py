# SPDX-License-Identifier: GPL-2.0-only
"""A record in, a terminal's text out."""
