# SPDX-License-Identifier: GPL-2.0-only
"""Many kernels: commits x cells, their order, lanes, reuse, first bad. Imports no command."""
