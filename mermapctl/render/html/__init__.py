# SPDX-License-Identifier: GPL-2.0-only
"""Record -> an HTML page."""
