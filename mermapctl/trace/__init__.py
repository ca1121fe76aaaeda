# SPDX-License-Identifier: GPL-2.0-only
"""Events of probes and of the witness -> what the mermap did, held against its rules. Pure."""
