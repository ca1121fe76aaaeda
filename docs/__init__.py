# SPDX-License-Identifier: GPL-2.0-only
"""The documentation, and what makes parts of it: `make man`, `make screenshots`."""
