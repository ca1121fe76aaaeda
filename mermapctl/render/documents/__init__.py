# SPDX-License-Identifier: GPL-2.0-only
"""Record -> a document for other programs."""
