// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs the steps of a thread, and checks after each one what the mermap promises:
 * where a mapping lies, what it shows, when a get is refused, that the task stays on
 * its CPU. How addresses follow each other, and when the TLB is flushed, is left to
 * the trace.
 */
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/irqflags.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include <kunit/visibility.h>

#include "stress.h"

bool runner_wrong(const struct runner *runner)
{
	return runner->why[0];
}

/* Keep the first thing that is wrong: it explains the later ones. */
void wrong(struct runner *runner, const char *format, ...)
{
	va_list args;

	if (runner_wrong(runner))
		return;
	va_start(args, format);
	vscnprintf(runner->why, sizeof(runner->why), format, args);
	va_end(args);
}

/* Global mappings are refused; PAGE_KERNEL is global without page-table isolation. */
static pgprot_t protection(bool read_only)
{
	pgprot_t prot = read_only ? PAGE_KERNEL_RO : PAGE_KERNEL;

	return __pgprot(pgprot_val(prot) & ~_PAGE_GLOBAL);
}

static unsigned int pinned(void)
{
#ifdef CONFIG_SMP
	return current->migration_disabled;
#else
	return 0;
#endif
}

static unsigned int live_of(struct runner *runner, unsigned int mm)
{
	unsigned int i, live = 0;

	for (i = 0; i < STRESS_HANDLES; i++)
		live += !!runner->map[mm][i].alloc;
	return live;
}

static unsigned int live(struct runner *runner)
{
	unsigned int mm, sum = 0;

	for (mm = 0; mm < STRESS_MMS; mm++)
		sum += live_of(runner, mm);
	return sum;
}

/* The end of the highest live mapping, the region's base if none. */
static unsigned long live_end(struct runner *runner, unsigned int mm)
{
	unsigned long end = mermap_cpu_base(runner->cpu);
	unsigned int i;

	for (i = 0; i < STRESS_HANDLES; i++) {
		struct mapping *mapping = &runner->map[mm][i];

		if (mapping->alloc)
			end = max(end, mapping_end(mapping));
	}
	return end;
}

static unsigned long ordinary_end(struct runner *runner)
{
	return mermap_cpu_end(runner->cpu) - PAGE_SIZE;
}

static unsigned int size_of(struct runner *runner, const struct step *step)
{
	unsigned int most = region_pages(runner->cpu);
	unsigned long start = live_end(runner, step->mm);
	unsigned int pages;

	switch (step->what) {
	case 'g': case 'G':
		pages = step->pages;
		break;
	case 't': case 'T':
		start = max(start, runner->next[step->mm][runner->cpu]);
		fallthrough;
	default:
		pages = 0;
		if (start < ordinary_end(runner))
			pages = (ordinary_end(runner) - start) >> PAGE_SHIFT;
		pages = pages + step->pages > 1 ? pages + step->pages - 1 : 1;
	}
	return clamp(pages, 1U, most);
}

static bool prepare(struct runner *runner, unsigned int mm)
{
	int err;

	if (runner->prepared[mm])
		return true;
	err = mermap_mm_prepare(runner->mms[mm]);
	if (err)
		wrong(runner, "mermap_mm_prepare() returned %d", err);
	runner->prepared[mm] = !err;
	return !err;
}

/* Bounds, and no address that is live. */
static void check_place(struct runner *runner, unsigned int mm,
			const struct mapping *new, unsigned long limit)
{
	unsigned int i;

	if (new->base < mermap_cpu_base(runner->cpu) ||
	    mapping_end(new) > limit || !PAGE_ALIGNED(new->base)) {
		wrong(runner, "%u pages at %lx lie outside [%lx, %lx)", new->pages,
		      new->base, mermap_cpu_base(runner->cpu), limit);
		return;
	}
	for (i = 0; i < STRESS_HANDLES; i++) {
		const struct mapping *other = &runner->map[mm][i];

		if (other == new || !other->alloc ||
		    mapping_end(other) <= new->base ||
		    mapping_end(new) <= other->base)
			continue;
		wrong(runner, "%u pages at %lx overlap %u live ones at %lx",
		      new->pages, new->base, other->pages, other->base);
	}
}

/*
 * Behind a wrap this CPU's TLB has been flushed, so an address that was put, and not
 * used since, must not translate.
 */
static void check_flushed(struct runner *runner, unsigned int mm,
			  const struct mapping *new)
{
	unsigned long addr = runner->stale[mm][runner->cpu];
	unsigned int i;
	u64 word;

	if (!addr || new->base >= runner->next[mm][runner->cpu])
		return;
	if (new->base <= addr && addr < mapping_end(new))
		return;
	for (i = 0; i < STRESS_HANDLES; i++) {
		const struct mapping *mapping = &runner->map[mm][i];

		if (mapping->alloc && mapping->base <= addr &&
		    addr < mapping_end(mapping))
			return;
	}
	if (!copy_from_kernel_nofault(&word, (void *)addr, sizeof(word)))
		wrong(runner, "%lx was put, and still reads %llx behind a flush",
		      addr, word);
}

static void check_all(struct runner *runner)
{
	unsigned int mm, i;

	for (mm = 0; mm < STRESS_MMS; mm++) {
		int cpu;

		if (!runner->prepared[mm])
			continue;
		for_each_online_cpu(cpu) {
			/* A second thread has the region of the other CPU. */
			if (cpu == runner->cpu || !runner->paired)
				check_entries(runner, mm, cpu);
		}
		if (!live_of(runner, mm) || runner_wrong(runner))
			continue;
		kthread_use_mm(runner->mms[mm]);
		for (i = 0; i < STRESS_HANDLES; i++) {
			if (runner->map[mm][i].alloc)
				check_contents(runner, mm, &runner->map[mm][i],
					       false);
		}
		kthread_unuse_mm(runner->mms[mm]);
	}
	if (!runner_wrong(runner) && raw_smp_processor_id() != runner->cpu)
		wrong(runner, "the task is on CPU %d, not %d",
		      raw_smp_processor_id(), runner->cpu);
}

/* Why a get must be refused; NULL if it must not. */
static const char *refusal(struct runner *runner, unsigned int mm,
			   unsigned int pages)
{
	if (live_of(runner, mm) >= STRESS_SLOTS)
		return "no slot is free";
	if (live_end(runner, mm) + pages * PAGE_SIZE > ordinary_end(runner))
		return "there is no room";
	return NULL;
}

static void step_get(struct runner *runner, const struct step *step)
{
	struct mapping *mapping = &runner->map[step->mm][step->handle];
	unsigned int before = pinned(), mm = step->mm, pages;
	struct mermap_alloc *alloc;
	const char *why;

	if (mapping->alloc || !prepare(runner, mm))
		return;
	pages = size_of(runner, step);
	why = refusal(runner, mm, pages);
	*mapping = (struct mapping){
		.from = step->from % (region_pages(runner->cpu) - pages + 1),
		.pages = pages,
		.prot = protection(step->what < 'a'),
	};
	kthread_use_mm(runner->mms[mm]);
	alloc = __mermap_get(runner->mms[mm], runner->pool + mapping->from,
			     pages * PAGE_SIZE, mapping->prot, false);
	if (!alloc) {
		if (!why)
			wrong(runner, "a get of %u pages was refused: %u live of %u, room for %lu",
			      pages, live_of(runner, mm),
			      (unsigned int)STRESS_SLOTS,
			      (ordinary_end(runner) - live_end(runner, mm)) >> PAGE_SHIFT);
		else if (pinned() != before)
			wrong(runner, "a refused get left migration disabled");
		goto out;
	}
	if (why)
		wrong(runner, "a get of %u pages was granted: %s", pages, why);
	if (IS_ENABLED(CONFIG_SMP) && pinned() <= before)
		wrong(runner, "migration is enabled while a mapping is live");
	mapping->base = (unsigned long)mermap_addr(alloc);
	check_place(runner, mm, mapping, ordinary_end(runner));
	mapping->alloc = alloc;
	check_flushed(runner, mm, mapping);
	check_contents(runner, mm, mapping, true);
	runner->next[mm][runner->cpu] = mapping_end(mapping);
out:
	kthread_unuse_mm(runner->mms[mm]);
}

/* Where nothing is live, the task may go again where another one has sent it. */
static void settle(struct runner *runner)
{
	if (live(runner))
		return;
	if (pinned()) {
		wrong(runner, "migration is disabled, and nothing is live");
		while (pinned())
			migrate_enable();
	}
	if (!runner->moving)
		return;
	flush_work(&runner->mover);
	runner->moving = false;
	runner->cpu = runner->target;
}

static void step_put(struct runner *runner, const struct step *step)
{
	struct mapping *mapping = &runner->map[step->mm][step->handle];

	if (!mapping->alloc)
		return;
	kthread_use_mm(runner->mms[step->mm]);
	__mermap_put(runner->mms[step->mm], mapping->alloc);
	kthread_unuse_mm(runner->mms[step->mm]);
	runner->stale[step->mm][runner->cpu] = mapping->base;
	mapping->alloc = NULL;
	settle(runner);
}

/*
 * As the users of the reserve do: nothing else runs on this CPU from the get to the
 * put. Where it shares the slots with ordinary gets, it may find none free.
 */
static void step_reserved(struct runner *runner, const struct step *step)
{
	unsigned int mm = step->mm, before = pinned();
	struct mapping mapping = {
		.from = step->from % region_pages(runner->cpu),
		.pages = 1,
		.prot = protection(false),
	};
	unsigned long flags;

	if (STRESS_SHARED && live_of(runner, mm) >= STRESS_SLOTS)
		return;
	if (!prepare(runner, mm))
		return;
	kthread_use_mm(runner->mms[mm]);
	local_irq_save(flags);
	mapping.alloc = __mermap_get(runner->mms[mm],
				     runner->pool + mapping.from, PAGE_SIZE,
				     mapping.prot, true);
	if (mapping.alloc) {
		mapping.base = (unsigned long)mermap_addr(mapping.alloc);
		check_place(runner, mm, &mapping, mermap_cpu_end(runner->cpu));
		check_flushed(runner, mm, &mapping);
		check_contents(runner, mm, &mapping, true);
		__mermap_put(runner->mms[mm], mapping.alloc);
		runner->next[mm][runner->cpu] = mapping_end(&mapping);
		runner->stale[mm][runner->cpu] = mapping.base;
	}
	local_irq_restore(flags);
	kthread_unuse_mm(runner->mms[mm]);
	if (!mapping.alloc)
		wrong(runner, "a reserved get was refused: %u live",
		      live_of(runner, mm));
	if (pinned() != before) {
		wrong(runner, "a reserved get left migration disabled");
		while (pinned() > before)
			migrate_enable();
	}
}

static void send(struct work_struct *work)
{
	struct runner *runner = container_of(work, struct runner, mover);

	/* Waits until the task may migrate. */
	set_cpus_allowed_ptr(runner->task, cpumask_of(runner->target));
}

static void step_cpu(struct runner *runner, const struct step *step)
{
	int cpu = step->pages % STRESS_CPUS;

	if (runner->paired || runner->moving)
		return;
	while (!cpu_online(cpu))
		cpu = cpu ? cpu - 1 : cpumask_first(cpu_online_mask);
	if (cpu == runner->cpu)
		return;
	runner->target = cpu;
	if (!live(runner)) {
		set_cpus_allowed_ptr(current, cpumask_of(cpu));
		runner->cpu = cpu;
		return;
	}
	runner->task = current;
	runner->moving = true;
	INIT_WORK(&runner->mover, send);
	queue_work(system_unbound_wq, &runner->mover);
	schedule_timeout_uninterruptible(2);
}

static void step_end_process(struct runner *runner, const struct step *step)
{
	unsigned int mm = step->mm;
	struct mm_struct *fresh;

	if (runner->paired || live_of(runner, mm))
		return;
	fresh = mm_alloc();
	if (!fresh)
		return;
	mmput(runner->mms[mm]);
	runner->mms[mm] = fresh;
	runner->prepared[mm] = false;
	memset(runner->next[mm], 0, sizeof(runner->next[mm]));
	memset(runner->stale[mm], 0, sizeof(runner->stale[mm]));
}

static void run_step(struct runner *runner, const struct step *step)
{
	switch (step->what) {
	case 'p':
		step_put(runner, step);
		break;
	case 'r':
		step_reserved(runner, step);
		break;
	case 'c':
		step_cpu(runner, step);
		break;
	case 'x':
		step_end_process(runner, step);
		break;
	case 'd':
		udelay(min_t(unsigned int, step->pages, 1000));
		break;
	default:
		step_get(runner, step);
	}
}

static void put_all(struct runner *runner)
{
	struct step step = { .what = 'p' };

	for (step.mm = 0; step.mm < STRESS_MMS; step.mm++) {
		for (step.handle = 0; step.handle < STRESS_HANDLES; step.handle++)
			step_put(runner, &step);
	}
}

/* As udelay(), without its PAUSE, at which QEMU's emulation lets the next CPU run. */
static void stay(unsigned int us)
{
	u64 until = ktime_get_ns() + us * NSEC_PER_USEC;

	while (ktime_get_ns() < until)
		barrier();
}

/* Ends with nothing live, whatever was wrong. */
void run_steps(struct runner *runner)
{
	unsigned int i;

	stay(runner->late);
	for (i = 0; i < runner->steps->count && !runner_wrong(runner); i++) {
		runner->at = i + 1;
		run_step(runner, &runner->steps->steps[i]);
		if (!runner_wrong(runner))
			check_all(runner);
		cond_resched();
	}
	put_all(runner);
	if (!runner_wrong(runner))
		check_all(runner);
}
