// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests for the reference mermap of mermapctl.
 *
 * Each test makes an mm of its own. A mapping must be put by the task that got
 * it, since migration is disabled in between, but KUnit runs what was deferred
 * in another thread. So the tests put their mappings themselves, and assert
 * only while nothing is mapped; the deferred actions are left with what a test
 * that died has left behind.
 */
#include <linux/cpumask.h>
#include <linux/gfp.h>
#include <linux/irqflags.h>
#include <linux/kthread.h>
#include <linux/mermap.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/smp.h>
#include <linux/workqueue.h>

#include <kunit/resource.h>
#include <kunit/test.h>

/* More rounds than any region has pages. */
#define MAX_ROUNDS 1000000

struct mapping {
	struct mm_struct *mm;
	struct mermap_alloc *alloc;
	int cpu;
	bool test_puts;
};

struct pages {
	struct page *page;
	unsigned int order;
};

static void free_pages_action(void *data)
{
	struct pages *pages = data;

	__free_pages(pages->page, pages->order);
}

/* Zeroed and physically contiguous, @size bytes or more. */
static struct page *get_pages(struct kunit *test, unsigned long size)
{
	struct pages *pages = kunit_kzalloc(test, sizeof(*pages), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, pages);
	pages->order = get_order(size);
	pages->page = alloc_pages(GFP_KERNEL | __GFP_ZERO, pages->order);
	KUNIT_ASSERT_NOT_NULL(test, pages->page);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test,
							   free_pages_action,
							   pages));
	return pages->page;
}

static void put_mm_action(void *data)
{
	mmput(data);
}

/*
 * A prepared mm. It is this CPU's mermap that is tested, so stay here; unlike
 * migrate_disable(), this needs no undoing when an assertion ends the thread.
 */
static struct mm_struct *get_mm(struct kunit *test)
{
	struct mm_struct *mm = mm_alloc();
	int cpu = raw_smp_processor_id();

	KUNIT_ASSERT_NOT_NULL(test, mm);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, put_mm_action,
							   mm));
	KUNIT_ASSERT_EQ(test, 0, set_cpus_allowed_ptr(current, cpumask_of(cpu)));
	KUNIT_ASSERT_EQ(test, 0, mermap_mm_prepare(mm));
	return mm;
}

static long put_for_dead_test(void *data)
{
	struct mapping *args = data;

	/* Balances the put; the test's own count died with it. */
	migrate_disable();
	__mermap_put(args->mm, args->alloc);
	return 0;
}

static void put_action(void *data)
{
	struct mapping *args = data;

	if (!args->alloc)
		return;
	if (args->test_puts)
		__mermap_put(args->mm, args->alloc);
	else
		work_on_cpu(args->cpu, put_for_dead_test, args);
}

/* Never NULL, but its alloc is if the mermap gives none. */
static struct mapping *get(struct kunit *test, struct mm_struct *mm,
			   struct page *page, unsigned long size)
{
	struct mapping *args = kunit_kzalloc(test, sizeof(*args), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, args);
	args->mm = mm;
	args->cpu = raw_smp_processor_id();
	/* Before the get, so that running out of memory ends nothing mapped. */
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action(test, put_action, args));
	args->alloc = __mermap_get(mm, page, size, PAGE_KERNEL, false);
	return args;
}

static void put(struct kunit *test, struct mapping *args)
{
	args->test_puts = true;
	kunit_release_action(test, put_action, args);
}

/* What serves ordinary gets: the region without the reserved page. */
static unsigned long ordinary_size(void)
{
	int cpu = raw_smp_processor_id();

	return mermap_cpu_end(cpu) - mermap_cpu_base(cpu) - PAGE_SIZE;
}

static void test_basic_alloc(struct kunit *test)
{
	struct mm_struct *mm = get_mm(test);
	struct page *page = get_pages(test, PAGE_SIZE);
	struct mapping *args = get(test, mm, page, PAGE_SIZE);

	KUNIT_ASSERT_NOT_NULL(test, args->alloc);
	put(test, args);
}

static void test_size(struct kunit *test)
{
	struct mm_struct *mm = get_mm(test);
	unsigned long size = ordinary_size();
	struct page *page = get_pages(test, size + PAGE_SIZE);
	struct mapping *full, *fail, *large, *small;
	struct mermap_alloc *alloc;

	full = get(test, mm, page, size);
	KUNIT_ASSERT_NOT_NULL(test, full->alloc);
	put(test, full);

	fail = get(test, mm, page, size + PAGE_SIZE);
	KUNIT_EXPECT_NULL(test, fail->alloc);
	put(test, fail);

	large = get(test, mm, page, size - PAGE_SIZE);
	KUNIT_ASSERT_NOT_NULL(test, large->alloc);

	small = get(test, mm, page, PAGE_SIZE);
	KUNIT_EXPECT_NOT_NULL(test, small->alloc);

	fail = get(test, mm, page, PAGE_SIZE);
	KUNIT_EXPECT_NULL(test, fail->alloc);
	put(test, fail);

	local_irq_disable();
	alloc = __mermap_get(mm, page, PAGE_SIZE, PAGE_KERNEL, true);
	if (alloc)
		__mermap_put(mm, alloc);
	local_irq_enable();
	KUNIT_EXPECT_NOT_NULL(test, alloc);

	put(test, small);
	put(test, large);
}

static void check_address(struct kunit *test, struct mapping *args, int i)
{
	unsigned long addr = (unsigned long)mermap_addr(args->alloc);

	KUNIT_EXPECT_GE_MSG(test, addr, mermap_cpu_base(args->cpu),
			    "alloc %d out of range", i);
	KUNIT_EXPECT_LE_MSG(test, addr + PAGE_SIZE, mermap_cpu_end(args->cpu),
			    "alloc %d out of range", i);
}

/*
 * Maps and reads a page in the way of the reserve's users, with preemption off.
 * So nothing is asserted in here. NULL if there was no mapping; the one that is
 * returned has been put.
 */
static struct mermap_alloc *read_reserved(struct mm_struct *mm,
					  struct page *page,
					  unsigned long *content)
{
	struct mermap_alloc *alloc;

	preempt_disable();
	alloc = __mermap_get(mm, page, PAGE_SIZE, PAGE_KERNEL, true);
	if (alloc) {
		*content = *(unsigned long *)mermap_addr(alloc);
		__mermap_put(mm, alloc);
	}
	preempt_enable();
	return alloc;
}

/* The thread has adopted the mm, of which it holds a reference of its own. */
static void check_contents(struct kunit *test, struct mapping **mappings,
			   struct page *reserved, unsigned long magic)
{
	struct mermap_alloc *reserved_alloc;
	unsigned long content, *ptr;
	int i;

	for (i = 0; i < MERMAP_NR_NORMAL; i++) {
		ptr = mermap_addr(mappings[i]->alloc);
		KUNIT_EXPECT_EQ(test, *ptr, magic + i);
	}

	ptr = &content;
	reserved_alloc = read_reserved(mappings[0]->mm, reserved, ptr);
	KUNIT_EXPECT_NOT_NULL(test, reserved_alloc);
	if (reserved_alloc)
		KUNIT_EXPECT_EQ(test, *ptr, magic + i);
}

static void test_multiple_allocs(struct kunit *test)
{
	struct mapping *mappings[MERMAP_NR_NORMAL], *fail;
	struct page *pages[MERMAP_NR_NORMAL + 1];
	struct mm_struct *mm = get_mm(test);
	const unsigned long magic = 0xE4A4;
	int i, nr;

	for (i = 0; i <= MERMAP_NR_NORMAL; i++) {
		pages[i] = get_pages(test, PAGE_SIZE);
		*(unsigned long *)page_address(pages[i]) = magic + i;
	}

	for (nr = 0; nr < MERMAP_NR_NORMAL; nr++) {
		struct mapping *args = get(test, mm, pages[nr], PAGE_SIZE);

		KUNIT_EXPECT_NOT_NULL_MSG(test, args->alloc,
					  "alloc %d failed", nr);
		if (!args->alloc)
			break;
		check_address(test, args, nr);
		mappings[nr] = args;
	}

	if (nr == MERMAP_NR_NORMAL) {
		/* There is room for one more, but no slot. */
		fail = get(test, mm, pages[nr], PAGE_SIZE);
		KUNIT_EXPECT_NULL(test, fail->alloc);
		put(test, fail);

		/* A reference for the case that a read is this thread's end. */
		mmget(mm);
		kthread_use_mm(mm);
		check_contents(test, mappings, pages[nr], magic);
		kthread_unuse_mm(mm);
		mmput(mm);
	}

	for (i = 0; i < nr; i++)
		put(test, mappings[i]);
}

/* Gets and puts a page until an address comes back; the flushes by then. */
static void test_tlb_flushed(struct kunit *test)
{
	struct mm_struct *mm = get_mm(test);
	struct page *page = get_pages(test, PAGE_SIZE);
	struct mermap_cpu *mc = per_cpu_ptr(mm->mermap.cpu,
					    raw_smp_processor_id());
	unsigned long addr, last = 0;
	int i;

	for (i = 0; i < MAX_ROUNDS; i++) {
		struct mermap_alloc *alloc;

		KUNIT_ASSERT_EQ_MSG(test, mc->tlb_flushes, 0,
				    "unexpected flush before alloc %d", i);
		alloc = __mermap_get(mm, page, PAGE_SIZE, PAGE_KERNEL, false);
		KUNIT_ASSERT_NOT_NULL_MSG(test, alloc, "alloc %d failed", i);
		addr = (unsigned long)mermap_addr(alloc);
		__mermap_put(mm, alloc);

		if (addr <= last)
			break;
		last = addr;
		cond_resched();
	}

	if (i == MAX_ROUNDS) {
		KUNIT_FAIL(test, "no address reuse");
		return;
	}
	KUNIT_ASSERT_EQ(test, mc->tlb_flushes, 1);
}

static struct kunit_case mermap_test_cases[] = {
	KUNIT_CASE(test_basic_alloc),
	KUNIT_CASE(test_size),
	KUNIT_CASE(test_multiple_allocs),
	KUNIT_CASE(test_tlb_flushed),
	{}
};

static struct kunit_suite mermap_test_suite = {
	.name = "mermap",
	.test_cases = mermap_test_cases,
};

kunit_test_suite(mermap_test_suite);

MODULE_DESCRIPTION("Tests for the mermap");
MODULE_LICENSE("GPL");
/* MODULE_IMPORT_NS() takes a name before 6.13, a string since; this is both. */
MODULE_INFO(import_ns, "EXPORTED_FOR_KUNIT_TESTING");
