/* SPDX-License-Identifier: GPL-2.0-only */
/* The stress suite of mermapctl: what its files share. */
#ifndef STRESS_H
#define STRESS_H

#include <linux/completion.h>
#include <linux/mermap.h>
#include <linux/mm.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include "history.h"

#define STRESS_CPUS 8
#define STRESS_WHY 192

#ifdef STRESS_OWN_RESERVE
/* Slots of ordinary gets; the reserve has one of its own. */
#define STRESS_SLOTS ARRAY_SIZE(((struct mermap_cpu *)NULL)->normal_allocs)
#define STRESS_SHARED false
#else
/* Slots of all gets, also reserved ones. */
#define STRESS_SLOTS ARRAY_SIZE(((struct mermap_cpu *)NULL)->allocs)
#define STRESS_SHARED true
#endif

/**
 * struct mapping - what a thread believes to be mapped
 * @alloc: NULL if it is not live
 * @base: its first address
 * @from: its first page in the pool
 * @pages: how many
 * @prot: what was asked for
 */
struct mapping {
	struct mermap_alloc *alloc;
	unsigned long base;
	unsigned int from;
	unsigned int pages;
	pgprot_t prot;
};

/**
 * struct runner - a thread that runs its steps of a history
 * @steps: the steps
 * @mms: the processes; each is prepared by its first user
 * @prepared: whether this thread has prepared it
 * @map: the mappings of this thread, all on @cpu
 * @next: where the last get in a region ended, 0 if there was none
 * @stale: where the last put in a region began, 0 if there was none
 * @pool: contiguous pages of this thread alone, as many as a region has
 * @value: the last value that was written; no two are the same
 * @late: microseconds to spend before the first step
 * @mover: sends this thread to CPU @target, as soon as it has nothing live
 * @at: the step that is run, counted from 1
 * @why: the first thing that was wrong, empty if nothing was
 */
struct runner {
	const struct thread_steps *steps;
	struct mm_struct **mms;
	bool prepared[STRESS_MMS];
	struct mapping map[STRESS_MMS][STRESS_HANDLES];
	unsigned long next[STRESS_MMS][STRESS_CPUS];
	unsigned long stale[STRESS_MMS][STRESS_CPUS];
	struct page *pool;
	u64 value;
	unsigned int late;
	int cpu;
	bool paired;
	struct work_struct mover;
	struct task_struct *task;
	int target;
	bool moving;
	unsigned int at;
	char why[STRESS_WHY];
};

void run_steps(struct runner *runner);
bool runner_wrong(const struct runner *runner);
__printf(2, 3) void wrong(struct runner *runner, const char *format, ...);

void check_entries(struct runner *runner, unsigned int mm, int cpu);
void check_contents(struct runner *runner, unsigned int mm,
		    struct mapping *mapping, bool fresh);

static inline unsigned int region_pages(int cpu)
{
	return (mermap_cpu_end(cpu) - mermap_cpu_base(cpu)) >> PAGE_SHIFT;
}

static inline unsigned long mapping_end(const struct mapping *mapping)
{
	return mapping->base + mapping->pages * PAGE_SIZE;
}

#endif
