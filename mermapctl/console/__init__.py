# SPDX-License-Identifier: GPL-2.0-only
"""Console bytes -> KTAP suites, splats, boot facts. Pure; imports system alone."""
