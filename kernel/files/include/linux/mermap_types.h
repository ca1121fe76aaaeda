/* SPDX-License-Identifier: GPL-2.0-only */
/* What mm_struct holds of the reference mermap of mermapctl; see <linux/mermap.h>. */
#ifndef _LINUX_MERMAP_TYPES_H
#define _LINUX_MERMAP_TYPES_H

#include <linux/types.h>

struct mermap_cpu;

/**
 * struct mermap_mm - the mermap of a process
 * @cpu: its state on each CPU, NULL until it has been prepared
 * @has_tables: there may be page tables to free, even if preparing failed
 */
struct mermap_mm {
	struct mermap_cpu __percpu *cpu;
	bool has_tables;
};

#endif /* _LINUX_MERMAP_TYPES_H */
