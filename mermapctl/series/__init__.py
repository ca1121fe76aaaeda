# SPDX-License-Identifier: GPL-2.0-only
"""Many kernels: commits x cells, order, lanes, reuse; bisect; watch. Imports no command."""
