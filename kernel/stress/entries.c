// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a mapping must be: a present entry for each of its pages, and for no other
 * address of the region; and through it the contents of the pages that were asked
 * for.
 */
#include <linux/mm.h>
#include <linux/pgtable.h>

#include "stress.h"

/* The entry of an address, an empty one if there is no table. */
static pte_t entry_of(struct mm_struct *mm, unsigned long addr)
{
	pgd_t *pgd = pgd_offset(mm, addr);
	p4d_t *p4d;
	pud_t *pud;
	pmd_t *pmd;

	if (pgd_none(*pgd))
		return __pte(0);
	p4d = p4d_offset(pgd, addr);
	if (p4d_none(*p4d))
		return __pte(0);
	pud = pud_offset(p4d, addr);
	if (pud_none(*pud) || pud_leaf(*pud))
		return __pte(0);
	pmd = pmd_offset(pud, addr);
	if (pmd_none(*pmd) || pmd_leaf(*pmd))
		return __pte(0);
	return ptep_get(pte_offset_kernel(pmd, addr));
}

static const struct mapping *mapping_at(struct runner *runner, unsigned int mm,
					unsigned long addr)
{
	unsigned int i;

	for (i = 0; i < STRESS_HANDLES; i++) {
		const struct mapping *mapping = &runner->map[mm][i];

		if (mapping->alloc && mapping->base <= addr &&
		    addr < mapping_end(mapping))
			return mapping;
	}
	return NULL;
}

static void check_mapped(struct runner *runner, const struct mapping *mapping,
			 unsigned long addr, pte_t pte)
{
	unsigned long index = (addr - mapping->base) >> PAGE_SHIFT;
	unsigned long pfn = page_to_pfn(runner->pool) + mapping->from + index;
	pteval_t bits = _PAGE_RW | _PAGE_USER | _PAGE_GLOBAL | _PAGE_NX;
	pteval_t got = pte_flags(pte);

	bits &= __supported_pte_mask;
	if (pte_pfn(pte) != pfn)
		wrong(runner, "page %lu of %u at %lx shows pfn %lx, not %lx",
		      index, mapping->pages, addr, pte_pfn(pte), pfn);
	else if ((got ^ pgprot_val(mapping->prot)) & bits)
		wrong(runner, "page %lu at %lx has protection %llx, not %llx",
		      index, addr, (u64)got & bits,
		      (u64)pgprot_val(mapping->prot) & bits);
}

/* Every entry of one CPU's region, against what is live there. */
void check_entries(struct runner *runner, unsigned int mm, int cpu)
{
	unsigned long addr = mermap_cpu_base(cpu);
	unsigned long end = mermap_cpu_end(cpu);

	for (; addr < end && !runner_wrong(runner); addr += PAGE_SIZE) {
		const struct mapping *mapping = NULL;
		pte_t pte = entry_of(runner->mms[mm], addr);
		bool present = pte_flags(pte) & _PAGE_PRESENT;

		if (cpu == runner->cpu)
			mapping = mapping_at(runner, mm, addr);
		if (present && !mapping)
			wrong(runner, "%lx is mapped (pfn %lx), and nothing is live there",
			      addr, pte_pfn(pte));
		else if (!present && mapping)
			wrong(runner, "page %lu of %u at %lx is not mapped",
			      (addr - mapping->base) >> PAGE_SHIFT,
			      mapping->pages, addr);
		else if (mapping)
			check_mapped(runner, mapping, addr, pte);
	}
}

static void check_words(struct runner *runner, struct mapping *mapping,
			unsigned int index, bool fresh)
{
	u64 *mapped = (u64 *)(mapping->base + index * PAGE_SIZE);
	u64 *direct = page_address(runner->pool + mapping->from + index);
	unsigned int last = PAGE_SIZE / sizeof(u64) - 1;

	if (READ_ONCE(mapped[0]) != READ_ONCE(direct[0]) ||
	    READ_ONCE(mapped[last]) != READ_ONCE(direct[last])) {
		wrong(runner, "page %u of %u at %px reads %llx, not %llx", index,
		      mapping->pages, mapped, READ_ONCE(mapped[0]),
		      READ_ONCE(direct[0]));
		return;
	}
	if (!fresh || !(pgprot_val(mapping->prot) & _PAGE_RW))
		return;
	WRITE_ONCE(mapped[last], ++runner->value);
	if (READ_ONCE(direct[last]) != runner->value)
		wrong(runner, "page %u of %u at %px was written, and its page not",
		      index, mapping->pages, mapped);
}

/*
 * The contents of each page of a mapping, by the thread that has adopted its mm. A
 * fresh mapping is written, too.
 */
void check_contents(struct runner *runner, unsigned int mm,
		    struct mapping *mapping, bool fresh)
{
	unsigned int i;

	for (i = 0; i < mapping->pages && !runner_wrong(runner); i++)
		check_words(runner, mapping, i, fresh);
}
