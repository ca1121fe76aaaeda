// SPDX-License-Identifier: GPL-2.0-only
/*
 * The reference mermap of mermapctl: short-lived mappings of pages that are
 * local to one process and, logically, to one CPU. (mermapctl knows files of its
 * own by the first six words.)
 *
 * Every process that has been prepared owns a region of kernel addresses for
 * each possible CPU. A get on some CPU hands out addresses from that CPU's
 * region in ascending order; a put makes the page table entries non-present
 * and flushes nothing. So an address that was used may still be translated by
 * this CPU's TLB, and is not handed out again until the bump pointer has hit
 * the region's end and this CPU has flushed its TLB.
 *
 * No other CPU needs that flush. Another CPU may cache translations of this
 * region too, because CPUs speculate, but only tasks on this CPU ever use
 * addresses of it: migration is disabled between a get and its put.
 *
 * Nothing is flushed when an entry becomes present: x86 does not cache
 * non-present entries, and the architectures that do must not select
 * ARCH_SUPPORTS_MERMAP.
 */
#include <linux/bug.h>
#include <linux/cleanup.h>
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/mermap.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/spinlock.h>

#include <asm/mermap.h>
#include <asm/tlb.h>

#include <kunit/visibility.h>

VISIBLE_IF_KUNIT unsigned long mermap_cpu_base(int cpu)
{
	return ARCH_MERMAP_BASE + cpu * ARCH_MERMAP_CPU_SIZE;
}
EXPORT_SYMBOL_IF_KUNIT(mermap_cpu_base);

VISIBLE_IF_KUNIT unsigned long mermap_cpu_end(int cpu)
{
	return mermap_cpu_base(cpu) + ARCH_MERMAP_CPU_SIZE;
}
EXPORT_SYMBOL_IF_KUNIT(mermap_cpu_end);

/*
 * Where a mapping must end. Ordinary ones leave the region's last page alone:
 * so a reserved get, which may have it, finds room whatever is live.
 */
static unsigned long mermap_limit(int cpu, bool use_reserve)
{
	return mermap_cpu_end(cpu) - (use_reserve ? 0 : PAGE_SIZE);
}

/* Where the highest live mapping ends, the region's base if none. */
static unsigned long mermap_live_end(struct mermap_cpu *mc, int cpu)
{
	unsigned long end = mermap_cpu_base(cpu);
	int i;

	for (i = 0; i < MERMAP_NR_NORMAL; i++) {
		if (mc->normal_allocs[i].in_use)
			end = max(end, mc->normal_allocs[i].end);
	}
	if (mc->reserve_alloc.in_use)
		end = max(end, mc->reserve_alloc.end);
	return end;
}

static void mermap_count_flush(struct mermap_cpu *mc)
{
#if IS_ENABLED(CONFIG_MERMAP_KUNIT_TEST)
	mc->tlb_flushes++;
#endif
}

/* After this, all of the region that is not live may be handed out again. */
static void mermap_flush(struct mermap_cpu *mc)
{
	arch_mermap_flush_tlb();
	mermap_count_flush(mc);
}

static bool mermap_fits(unsigned long addr, unsigned long size,
			unsigned long limit)
{
	return addr + size <= limit;
}

static struct mermap_alloc *mermap_free_slot(struct mermap_cpu *mc,
					     bool use_reserve)
{
	int i;

	if (use_reserve) {
		/* Its user keeps this CPU from get to put, so it cannot nest. */
		if (WARN_ON_ONCE(mc->reserve_alloc.in_use))
			return NULL;
		return &mc->reserve_alloc;
	}
	for (i = 0; i < MERMAP_NR_NORMAL; i++) {
		if (!mc->normal_allocs[i].in_use)
			return &mc->normal_allocs[i];
	}
	return NULL;
}

static struct mermap_alloc *mermap_take(struct mermap_cpu *mc, int cpu,
					unsigned long size, bool use_reserve)
{
	struct mermap_alloc *alloc = mermap_free_slot(mc, use_reserve);
	unsigned long limit = mermap_limit(cpu, use_reserve);
	unsigned long restart = mermap_live_end(mc, cpu);

	if (!alloc)
		return NULL;

	if (!mermap_fits(mc->next_addr, size, limit)) {
		/* Do not pay for a flush that would not help. */
		if (!mermap_fits(restart, size, limit))
			return NULL;
		mermap_flush(mc);
		mc->next_addr = restart;
	}

	alloc->base = mc->next_addr;
	alloc->end = alloc->base + size;
	alloc->in_use = true;
	mc->next_addr = alloc->end;
	return alloc;
}

struct mermap_fill {
	struct mm_struct *mm;
	unsigned long pfn;
	pgprot_t prot;
};

/* These two are noinline so that a kprobe sees each entry that is written. */
static noinline int mermap_fill_pte(pte_t *ptep, unsigned long addr,
				    void *data)
{
	struct mermap_fill *fill = data;

	set_pte_at(fill->mm, addr, ptep, pfn_pte(fill->pfn, fill->prot));
	fill->pfn++;
	return 0;
}

static noinline int mermap_empty_pte(pte_t *ptep, unsigned long addr,
				     void *data)
{
	struct mm_struct *mm = data;

	set_pte_at(mm, addr, ptep, arch_mermap_unmapped_pte());
	return 0;
}

static int mermap_prepare_pte(pte_t *ptep, unsigned long addr, void *data)
{
	struct mm_struct *mm = data;

	/* Somebody else may have prepared, and be using, this entry already. */
	if (pte_none(ptep_get(ptep)))
		set_pte_at(mm, addr, ptep, arch_mermap_unmapped_pte());
	return 0;
}

/* The tables are there from mermap_mm_prepare() to the teardown. */
static pte_t *mermap_ptep(struct mm_struct *mm, unsigned long addr)
{
	p4d_t *p4d = p4d_offset(pgd_offset(mm, addr), addr);

	return pte_offset_kernel(pmd_offset(pud_offset(p4d, addr), addr), addr);
}

/*
 * apply_to_existing_page_range() takes the lock of each page table, which under
 * PREEMPT_RT sleeps, and a get must not. Nor does it need the lock: once the
 * state is published, only tasks on this CPU write these entries, one at a time.
 */
static int mermap_apply(struct mm_struct *mm, unsigned long addr,
			unsigned long size, pte_fn_t fn, void *data)
{
	unsigned long end = addr + size;

	if (!IS_ENABLED(CONFIG_PREEMPT_RT))
		return apply_to_existing_page_range(mm, addr, size, fn, data);

	for (; addr < end; addr += PAGE_SIZE) {
		int err = fn(mermap_ptep(mm, addr), addr, data);

		if (err)
			return err;
	}
	return 0;
}

/* Neither of these allocates, nor can it fail. */
static void mermap_map(struct mm_struct *mm, struct mermap_alloc *alloc,
		       struct page *page, pgprot_t prot)
{
	struct mermap_fill fill = {
		.mm = mm,
		.pfn = page_to_pfn(page),
		.prot = prot,
	};
	unsigned long size = alloc->end - alloc->base;

	WARN_ON_ONCE(mermap_apply(mm, alloc->base, size, mermap_fill_pte,
				  &fill));
}

static void mermap_unmap(struct mm_struct *mm, struct mermap_alloc *alloc)
{
	unsigned long size = alloc->end - alloc->base;

	WARN_ON_ONCE(mermap_apply(mm, alloc->base, size, mermap_empty_pte, mm));
}

static bool mermap_size_ok(unsigned long size)
{
	return size && size <= ARCH_MERMAP_CPU_SIZE;
}

/* noinline: boot-time kprobes count on the symbol, see mermapctl's traces. */
VISIBLE_IF_KUNIT noinline struct mermap_alloc *
__mermap_get(struct mm_struct *mm, struct page *page, unsigned long size,
	     pgprot_t prot, bool use_reserve)
{
	struct mermap_alloc *alloc;
	int cpu;

	/* Pairs with mermap_publish(): whoever sees the state sees the tables. */
	if (WARN_ON_ONCE(!in_task() || !mm || !smp_load_acquire(&mm->mermap.cpu)))
		return NULL;
	if (WARN_ON_ONCE(!arch_mermap_prot_ok(prot)))
		return NULL;
	if (!mermap_size_ok(size))
		return NULL;

	migrate_disable();
	/* The tasks of a process share the state of a CPU. */
	preempt_disable();
	cpu = smp_processor_id();
	alloc = mermap_take(this_cpu_ptr(mm->mermap.cpu), cpu, PAGE_ALIGN(size),
			    use_reserve);
	if (alloc)
		mermap_map(mm, alloc, page, prot);

	preempt_enable();
	if (!alloc)
		migrate_enable();
	return alloc;
}
EXPORT_SYMBOL_IF_KUNIT(__mermap_get);

VISIBLE_IF_KUNIT noinline void __mermap_put(struct mm_struct *mm,
					    struct mermap_alloc *alloc)
{
	if (WARN_ON_ONCE(!alloc->in_use))
		return;

	preempt_disable();
	WARN_ON_ONCE(alloc->base < mermap_cpu_base(smp_processor_id()) ||
		     alloc->end > mermap_cpu_end(smp_processor_id()));
	mermap_unmap(mm, alloc);
	alloc->in_use = false;
	preempt_enable();
	migrate_enable();
}
EXPORT_SYMBOL_IF_KUNIT(__mermap_put);

/**
 * mermap_get - map pages for the current process on the current CPU
 * @page: first of the physically contiguous pages
 * @size: bytes to map, rounded up to whole pages
 * @prot: protection, neither global nor user-accessible
 *
 * Context: A task whose mm has been prepared, holding none of that mm's page
 * table locks. Never sleeps, never allocates, and flushes this CPU's TLB only
 * if its region has been used up. Disables migration until mermap_put(), which
 * the same task must call.
 * Return: The mapping, or NULL if too many are live or too little room is left.
 */
struct mermap_alloc *mermap_get(struct page *page, unsigned long size,
				pgprot_t prot)
{
	return __mermap_get(current->mm, page, size, prot, false);
}

/**
 * mermap_get_reserved - map one page where failing is not an option
 * @page: the page
 * @prot: protection, neither global nor user-accessible
 *
 * Context: As mermap_get(), but interrupts or preemption stay disabled until
 * mermap_put(). Flushes this CPU's TLB only if its region has been used up.
 * Return: The mapping. NULL only behind a warning, for a caller's mistake.
 */
struct mermap_alloc *mermap_get_reserved(struct page *page, pgprot_t prot)
{
	WARN_ON_ONCE(preemptible());
	return __mermap_get(current->mm, page, PAGE_SIZE, prot, true);
}

/**
 * mermap_put - end a mapping
 * @alloc: what the current task got from mermap_get() or mermap_get_reserved()
 */
void mermap_put(struct mermap_alloc *alloc)
{
	__mermap_put(current->mm, alloc);
}

/*
 * The tables are complete, so let gets have the state. Of several tasks that
 * come here at once one wins; the state that is not needed is returned.
 */
static struct mermap_cpu __percpu *mermap_publish(struct mm_struct *mm,
						  struct mermap_cpu __percpu *mcs)
{
	guard(spinlock)(&mm->page_table_lock);

	if (mm->mermap.cpu)
		return mcs;
	/* Pairs with smp_load_acquire() in __mermap_get(). */
	smp_store_release(&mm->mermap.cpu, mcs);
	return NULL;
}

/**
 * mermap_mm_prepare - give a process its mermap
 * @mm: the process' address space; the caller holds a reference as a user
 *
 * All that a get will ever need is allocated here. May be called again, also
 * from several tasks at once.
 *
 * Context: May sleep.
 * Return: 0, -ENOMEM, or -EOPNOTSUPP if this machine cannot have a mermap.
 */
int mermap_mm_prepare(struct mm_struct *mm)
{
	struct mermap_cpu __percpu *mcs;
	int cpu, err;

	if (!arch_mermap_available())
		return -EOPNOTSUPP;
	if (READ_ONCE(mm->mermap.cpu))
		return 0;

	mcs = alloc_percpu_gfp(struct mermap_cpu, GFP_KERNEL_ACCOUNT);
	if (!mcs)
		return -ENOMEM;
	for_each_possible_cpu(cpu)
		per_cpu_ptr(mcs, cpu)->next_addr = mermap_cpu_base(cpu);

	/* What a failure leaves behind is for the next try, or the teardown. */
	WRITE_ONCE(mm->mermap.has_tables, true);
	err = apply_to_page_range(mm, mermap_cpu_base(0),
				  nr_cpu_ids * ARCH_MERMAP_CPU_SIZE,
				  mermap_prepare_pte, mm);
	if (!err)
		mcs = mermap_publish(mm, mcs);
	free_percpu(mcs);
	return err;
}
EXPORT_SYMBOL_IF_KUNIT(mermap_mm_prepare);

static bool mermap_cpu_busy(struct mermap_cpu *mc, int cpu)
{
	return mermap_live_end(mc, cpu) != mermap_cpu_base(cpu);
}

static void mermap_free_state(struct mm_struct *mm)
{
	int cpu;

	for_each_possible_cpu(cpu)
		WARN_ON_ONCE(mermap_cpu_busy(per_cpu_ptr(mm->mermap.cpu, cpu), cpu));
	free_percpu(mm->mermap.cpu);
	mm->mermap.cpu = NULL;
}

/*
 * The whole slot, not just the mermap's part: the upper tables are shared with
 * whatever else the architecture keeps there, and what it has freed already is
 * found empty. The gather flushes every CPU that may still walk the tables,
 * also lazily.
 */
static void mermap_free_tables(struct mm_struct *mm)
{
	struct mmu_gather tlb;

	tlb_gather_mmu_fullmm(&tlb, mm);
	free_pgd_range(&tlb, ARCH_MERMAP_SLOT_START, ARCH_MERMAP_SLOT_END,
		       ARCH_MERMAP_SLOT_START, ARCH_MERMAP_SLOT_END);
	tlb_finish_mmu(&tlb);
	mm->mermap.has_tables = false;
}

/**
 * mermap_mm_teardown - take a process' mermap away
 * @mm: an address space without users, after its arch_exit_mmap()
 */
void mermap_mm_teardown(struct mm_struct *mm)
{
	if (mm->mermap.cpu)
		mermap_free_state(mm);
	if (mm->mermap.has_tables)
		mermap_free_tables(mm);
}
