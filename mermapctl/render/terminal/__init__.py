# SPDX-License-Identifier: GPL-2.0-only
"""Record -> text for a terminal."""
