/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The reference mermap of mermapctl: short-lived mappings of pages, local to a
 * process and logically to a CPU. See mm/mermap.c.
 */
#ifndef _LINUX_MERMAP_H
#define _LINUX_MERMAP_H

#include <linux/mm_types.h>

#ifdef CONFIG_MERMAP

/* Ordinary mappings that a process may have live on one CPU. */
#define MERMAP_NR_NORMAL 3

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
 * @normal_allocs: the live ordinary mappings
 * @reserve_alloc: the live mapping of mermap_get_reserved()
 * @tlb_flushes: flushes so far, for the KUnit suite. The guard is IS_ENABLED()
 *	because the suite may be a module.
 *
 * Only tasks on that CPU use it, with preemption disabled.
 */
struct mermap_cpu {
	unsigned long next_addr;
	struct mermap_alloc normal_allocs[MERMAP_NR_NORMAL];
	struct mermap_alloc reserve_alloc;
#if IS_ENABLED(CONFIG_MERMAP_KUNIT_TEST)
	u64 tlb_flushes;
#endif
};

static inline void mermap_mm_init(struct mm_struct *mm)
{
	mm->mermap = (struct mermap_mm){ };
}

int mermap_mm_prepare(struct mm_struct *mm);
void mermap_mm_teardown(struct mm_struct *mm);

struct mermap_alloc *mermap_get(struct page *page, unsigned long size,
				pgprot_t prot);
struct mermap_alloc *mermap_get_reserved(struct page *page, pgprot_t prot);
void mermap_put(struct mermap_alloc *alloc);

static inline void *mermap_addr(struct mermap_alloc *alloc)
{
	return (void *)alloc->base;
}

#if IS_ENABLED(CONFIG_KUNIT)
struct mermap_alloc *__mermap_get(struct mm_struct *mm, struct page *page,
				  unsigned long size, pgprot_t prot,
				  bool use_reserve);
void __mermap_put(struct mm_struct *mm, struct mermap_alloc *alloc);
unsigned long mermap_cpu_base(int cpu);
unsigned long mermap_cpu_end(int cpu);
#endif

#else /* !CONFIG_MERMAP */

static inline void mermap_mm_init(struct mm_struct *mm)
{
}

static inline void mermap_mm_teardown(struct mm_struct *mm)
{
}

#endif /* CONFIG_MERMAP */

#endif /* _LINUX_MERMAP_H */
