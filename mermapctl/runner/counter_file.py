# SPDX-License-Identifier: GPL-2.0-only
"""Whether a file of counters (.gcda) is whole. Pure.

gcov takes a file that is cut off for one whose last functions never ran, with exit code 0, and its
coverage would be false. The file is a header and records, each a tag and a length (gcc/gcov-io.h).
"""

from __future__ import annotations

import struct

_ORDERS = {b"adcg": "<", b"gcda": ">"}
"""The magic number, and with it the order of bytes."""
_LAYOUTS = ((16, 1), (12, 4))
"""The bytes of a header and of a unit of length: gcc 12 and newer; gcc before that, and clang."""


def is_whole(data: bytes, *, by_libgcov: bool) -> bool:
    """Return whether the file ends where a record does.

    libgcov ends it with a tag of zero (write_one_data() in libgcc/libgcov-driver.c); a kernel that
    writes its counters itself does not (kernel/gcov/gcc_4_7.c).
    """
    order = _ORDERS.get(data[:4])
    ends = {bytes(4)} if by_libgcov else {bytes(4), b""}
    return order is not None and any(_rest(data, order, *each) in ends for each in _LAYOUTS)


def _rest(data: bytes, order: str, at: int, unit: int) -> bytes | None:
    """Return what follows the records; None if the last one does not end in the file."""
    while at + 8 <= len(data):
        tag, length = struct.unpack_from(f"{order}Ii", data, at)
        if tag == 0:
            return None
        at += 8 + max(length, 0) * unit  # negative: counters that are all zero, and left out
    return data[at:] if at <= len(data) else None
