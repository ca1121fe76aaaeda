/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The reference mermap of mermapctl: short-lived mappings of pages, local to a
 * process and logically to a CPU. See mm/mermap.c.
 */
#ifndef _LINUX_MERMAP_H
#define _LINUX_MERMAP_H

#include <linux/mm_types.h>

#ifdef CONFIG_MERMAP

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
