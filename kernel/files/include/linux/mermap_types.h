/* SPDX-License-Identifier: GPL-2.0-only */
/* Types of the reference mermap of mermapctl; see mm/mermap.c. */
#ifndef _LINUX_MERMAP_TYPES_H
#define _LINUX_MERMAP_TYPES_H

#include <linux/types.h>

/* Ordinary mappings that a process may have live on one CPU. */
#define MERMAP_NR_ALLOCS 4

/**
 * struct mermap_alloc - one live mapping
 * @in_use: the mapping is live; the other fields mean nothing while it is not
 * @base: its first address
 * @end: the address after its last one
 */
struct mermap_alloc {
	bool in_use;
	unsigned long base;
	unsigned long end;
};

/**
 * struct mermap_cpu - what a process has in the region of one CPU
 * @next_addr: from here up, no address was mapped since the last TLB flush
 * @allocs: the live ordinary mappings
 * @reserve: the mapping of the page kept back at the region's end
 * @reserve_stale: @reserve was unmapped after the last TLB flush
 * @tlb_flushes: flushes so far, for the KUnit suite. The guard is IS_ENABLED()
 *	because the suite may be a module.
 *
 * Only tasks on that CPU use it, with preemption disabled.
 */
struct mermap_cpu {
	unsigned long next_addr;
	struct mermap_alloc allocs[MERMAP_NR_ALLOCS];
	struct mermap_alloc reserve;
	bool reserve_stale;
#if IS_ENABLED(CONFIG_MERMAP_KUNIT_TEST)
	u64 tlb_flushes;
#endif
};

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
