# SPDX-License-Identifier: GPL-2.0-only
"""A record in, a document for other programs out."""
