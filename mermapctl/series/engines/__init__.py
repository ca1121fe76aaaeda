# SPDX-License-Identifier: GPL-2.0-only
"""What runs the cells of a series: `local`, the lanes of this machine; `dask`, a farm of workers.

Only `cluster_client`, `cluster_security` and `cluster_worker` import distributed.
"""
