/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The reference mermap of mermapctl: where it lives on x86-64, and what it needs
 * from the MMU.
 */
#ifndef _ASM_X86_MERMAP_H
#define _ASM_X86_MERMAP_H

#include <linux/cpufeature.h>
#include <linux/pgtable.h>

#include <asm/tlbflush.h>

/*
 * The top-level slot of the LDT remap area is the one kernel slot that each
 * process has for itself. The LDT uses the first PMD of it, and only under page
 * table isolation; the mermap begins right after.
 */
#define ARCH_MERMAP_BASE	(LDT_BASE_ADDR + PMD_SIZE)
#define ARCH_MERMAP_CPU_SIZE	PMD_SIZE

/* All page tables in here die with the process: whoever built them. */
#define ARCH_MERMAP_SLOT_START	LDT_BASE_ADDR
#define ARCH_MERMAP_SLOT_END	LDT_END_ADDR

/* A slot has 2^18 PMDs with four levels of page tables, more with five. */
#if CONFIG_NR_CPUS >= 1 << 18
#error "the mermap has no room for so many CPUs"
#endif

static inline bool arch_mermap_available(void)
{
	/*
	 * Xen wants the page tables of a PV guest pinned, and those of this
	 * slot are not: nothing but the LDT under isolation puts any here, and
	 * PV guests have no isolation.
	 */
	return !cpu_feature_enabled(X86_FEATURE_XENPV);
}

/*
 * A global entry would survive the flush of an address space, and a user one
 * would give the process a mapping that it never asked for. One that is not
 * present might be all zeroes, which apply_to_existing_page_range() skips ever
 * after.
 */
static inline bool arch_mermap_prot_ok(pgprot_t prot)
{
	return (pgprot_val(prot) & (_PAGE_PRESENT | _PAGE_GLOBAL | _PAGE_USER)) ==
		_PAGE_PRESENT;
}

/*
 * Not present, but not "none" either, so that apply_to_existing_page_range()
 * visits it. The address bits are all ones: an L1TF-vulnerable CPU speculates
 * on them as if the entry were present, and there is no memory up there.
 */
static inline pte_t arch_mermap_unmapped_pte(void)
{
	return __pte(PTE_PFN_MASK | _PAGE_SOFTW1);
}

/*
 * Drop every translation that this CPU holds, of all address space IDs. The
 * process' own ID would do, but the caller may not be running in that process
 * (the KUnit suite is not), and under isolation it has a second ID whose tables
 * contain this slot as soon as the process has an LDT.
 */
static inline void arch_mermap_flush_tlb(void)
{
	__flush_tlb_all();
}

#endif /* _ASM_X86_MERMAP_H */
