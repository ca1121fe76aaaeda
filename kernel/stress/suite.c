// SPDX-License-Identifier: GPL-2.0-only
/*
 * The stress suite of mermapctl: random histories of gets and puts. It is a module
 * beside the mermap, of which it uses the functions that are exported for KUnit, and
 * changes nothing. A trace of the boot judges the flushes.
 *
 * A history is a few dozen steps on new processes, so that each one fails alone, and
 * can be run again alone: `history=` takes the text that was printed in front of it.
 */
#include <linux/atomic.h>
#include <linux/cpumask.h>
#include <linux/gfp.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include <kunit/resource.h>
#include <kunit/test.h>

#include "stress.h"
#include "given.h"

static ulong seed = 1;
module_param(seed, ulong, 0444);
MODULE_PARM_DESC(seed, "of the random histories");

static uint rounds = 100;
module_param(rounds, uint, 0444);
MODULE_PARM_DESC(rounds, "histories of one thread; a quarter as many have two");

static char *history = "";
module_param(history, charp, 0444);
MODULE_PARM_DESC(history, "the only history to run, in place of random ones");

/**
 * struct round - one history while it is run
 * @history: the steps
 * @text: the same, as text
 * @runners: the threads
 * @mms: their processes
 * @pools: the pages of each thread
 * @late: microseconds by which each thread of a pair begins later
 * @arrived: threads that are ready to begin
 * @done: the second thread has ended
 */
struct round {
	struct history history;
	char text[STRESS_TEXT];
	struct runner runners[2];
	struct mm_struct *mms[STRESS_MMS];
	struct page *pools[2];
	unsigned int order;
	unsigned int late[2];
	atomic_t arrived;
	struct completion done;
	bool lost;
};

static void free_round(void *data)
{
	struct round *round = data;
	int i;

	/* A thread that did not come back may still use all of this. */
	if (round->lost)
		return;
	for (i = 0; i < 2; i++) {
		if (round->pools[i])
			__free_pages(round->pools[i], round->order);
	}
	kfree(round);
}

static struct page *get_pool(struct kunit *test, struct round *round, u64 tag)
{
	unsigned int i, pages = region_pages(0);
	struct page *pool;

	round->order = get_order(pages * PAGE_SIZE);
	pool = alloc_pages(GFP_KERNEL | __GFP_NOWARN, round->order);
	if (!pool)
		kunit_skip(test, "no %u contiguous pages", pages);
	for (i = 0; i < pages; i++) {
		u64 *words = page_address(pool + i);

		words[0] = words[PAGE_SIZE / sizeof(u64) - 1] = tag + i;
	}
	return pool;
}

static struct round *get_round(struct kunit *test)
{
	struct round *round = kzalloc(sizeof(*round), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, round);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_round,
							   round));
	round->pools[0] = get_pool(test, round, 0x57e55000000000ULL);
	round->pools[1] = get_pool(test, round, 0x57e56000000000ULL);
	kunit_info(test, "seed %lu, %u rounds, %u slots%s, %u pages a region",
		   seed, rounds, (unsigned int)STRESS_SLOTS,
		   STRESS_SHARED ? "" : " and the reserve's", region_pages(0));
	return round;
}

static void put_mms(struct round *round)
{
	int i;

	for (i = 0; i < STRESS_MMS; i++) {
		if (round->mms[i])
			mmput(round->mms[i]);
		round->mms[i] = NULL;
	}
}

static void get_mms(struct kunit *test, struct round *round)
{
	int i;

	for (i = 0; i < STRESS_MMS; i++) {
		round->mms[i] = mm_alloc();
		if (round->mms[i])
			continue;
		put_mms(round);
		kunit_skip(test, "out of memory");
	}
}

static void set_up(struct round *round, int index, int cpu)
{
	struct runner *runner = &round->runners[index];

	*runner = (struct runner){
		.steps = &round->history.threads[index],
		.mms = round->mms,
		.pool = round->pools[index],
		.value = (u64)(index + 1) << 56,
		.late = round->late[index],
		.cpu = cpu,
		.paired = round->history.pair,
	};
}

/* Both begin at once, so that their first prepares may meet. */
static void arrive(struct round *round)
{
	unsigned long until = jiffies + 10 * HZ;

	atomic_inc(&round->arrived);
	while (atomic_read(&round->arrived) < 2 && time_before(jiffies, until)) {
		cpu_relax();
		cond_resched();
	}
}

static int second_thread(void *data)
{
	struct round *round = data;

	arrive(round);
	run_steps(&round->runners[1]);
	complete(&round->done);
	return 0;
}

static void run_pair(struct kunit *test, struct round *round, int cpu)
{
	struct task_struct *second;

	atomic_set(&round->arrived, 0);
	init_completion(&round->done);
	set_up(round, 1, cpu);
	second = kthread_create(second_thread, round, "mermap_stress");
	if (IS_ERR(second)) {
		put_mms(round);
		kunit_skip(test, "no second thread");
	}
	kthread_bind(second, cpu);
	wake_up_process(second);
	arrive(round);
	run_steps(&round->runners[0]);
	if (wait_for_completion_timeout(&round->done, 60 * HZ))
		return;
	round->lost = true;
	wrong(&round->runners[0], "the second thread does not come back");
}

/* Returns whether nothing was wrong. */
static bool run(struct kunit *test, struct round *round, unsigned int number)
{
	const char *kind = round->history.pair ? "pair" : "history";
	int i, cpu = cpumask_first(cpu_online_mask);

	history_print(&round->history, round->text, sizeof(round->text));
	pr_info("mermap_stress: %s %u: %s\n", kind, number, round->text);
	get_mms(test, round);
	set_cpus_allowed_ptr(current, cpumask_of(cpu));
	set_up(round, 0, cpu);
	if (round->history.pair)
		run_pair(test, round, cpumask_next(cpu, cpu_online_mask));
	else
		run_steps(&round->runners[0]);
	if (!round->lost)
		put_mms(round);

	for (i = 0; i < 2; i++) {
		struct runner *runner = &round->runners[i];

		if (!runner_wrong(runner))
			continue;
		KUNIT_FAIL(test, "%s %u, thread %d, step %u: %s", kind, number,
			   i, runner->at, runner->why);
		return false;
	}
	return true;
}

static bool is_given(void)
{
	return *history || ARRAY_SIZE(given);
}

/*
 * A get of the first thread alone, so that a trace knows its CPU before two gets
 * are in progress: printk prints a CPU in place of a thread in a breakpoint.
 */
static bool run_first(struct kunit *test, struct round *round)
{
	return !history_parse(&round->history, "g0.0.0.1,p0.0") &&
	       run(test, round, 0);
}

static void run_given(struct kunit *test, struct round *round, bool pair)
{
	unsigned int i;
	int err = *history ? history_parse(&round->history, history) :
			     history_given(&round->history, given,
					   ARRAY_SIZE(given));

	KUNIT_ASSERT_EQ_MSG(test, err, 0, "no history: %s", history);
	if (round->history.pair != pair)
		kunit_skip(test, "the history that was given is another one");
	/*
	 * How two threads meet depends on their turns: let them try several. An
	 * emulator's CPUs run in turn, for some milliseconds each, so one of them must
	 * reach a critical place just before its turn ends.
	 */
	for (i = 0; i < (pair ? STRESS_TURNS : 1); i++) {
		round->late[i % 2] = i / 2 * STRESS_LATE_US;
		round->late[!(i % 2)] = 0;
		if (!run(test, round, i))
			return;
	}
}

static void run_all(struct kunit *test, bool pair, unsigned int count)
{
	struct round *round;
	unsigned int i;

	if (pair && num_online_cpus() < 2)
		kunit_skip(test, "there is one CPU");
	round = get_round(test);
	if (pair && !run_first(test, round))
		return;
	if (is_given()) {
		run_given(test, round, pair);
		return;
	}
	for (i = 0; i < count; i++) {
		/* A stream of seeds of its own for each of the two tests. */
		history_random(&round->history,
			       (seed << 33) + ((u64)pair << 32) + i, pair,
			       region_pages(0));
		if (!run(test, round, i))
			return;
	}
}

static void test_histories(struct kunit *test)
{
	run_all(test, false, rounds);
}

static void test_two_cpus(struct kunit *test)
{
	run_all(test, true, DIV_ROUND_UP(rounds, 4));
}

static struct kunit_case mermap_stress_cases[] = {
	KUNIT_CASE(test_histories),
	KUNIT_CASE(test_two_cpus),
	{}
};

static struct kunit_suite mermap_stress_suite = {
	.name = "mermap_stress",
	.test_cases = mermap_stress_cases,
};

kunit_test_suite(mermap_stress_suite);

MODULE_DESCRIPTION("Random histories for the mermap");
MODULE_LICENSE("GPL");
/* MODULE_IMPORT_NS() takes a name before 6.13, a string since; this is both. */
MODULE_INFO(import_ns, "EXPORTED_FOR_KUNIT_TESTING");
