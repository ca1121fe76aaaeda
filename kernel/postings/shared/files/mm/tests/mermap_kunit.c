// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests for the reference mermap of mermapctl that behave like those of the
 * postings. Other than its own suite they leave most puts to KUnit's clean-up,
 * which runs in another thread.
 */
#include <linux/array_size.h>
#include <linux/gfp.h>
#include <linux/irqflags.h>
#include <linux/kthread.h>
#include <linux/mermap.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/smp.h>

#include <kunit/resource.h>
#include <kunit/test.h>

/* More rounds than any region has pages. */
#define MAX_ROUNDS 1000000

struct mapping {
	struct mm_struct *mm;
	struct mermap_alloc *alloc;
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

static struct mm_struct *get_mm(struct kunit *test)
{
	struct mm_struct *mm = mm_alloc();

	KUNIT_ASSERT_NOT_NULL(test, mm);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, put_mm_action,
							   mm));
	KUNIT_ASSERT_EQ(test, 0, mermap_mm_prepare(mm));
	return mm;
}

static void put_action(void *data)
{
	struct mapping *args = data;

	__mermap_put(args->mm, args->alloc);
}

/* Never NULL, but its alloc is if the mermap gives none. */
static struct mapping *get(struct kunit *test, struct mm_struct *mm,
			   struct page *page, unsigned long size)
{
	struct mapping *args = kunit_kzalloc(test, sizeof(*args), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, args);
	args->mm = mm;
	args->alloc = __mermap_get(mm, page, size, PAGE_KERNEL, false);
	if (args->alloc)
		KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test,
								   put_action,
								   args));
	return args;
}

static void test_basic_alloc(struct kunit *test)
{
	struct mm_struct *mm = get_mm(test);
	struct page *page = get_pages(test, PAGE_SIZE);
	struct mapping *args = get(test, mm, page, PAGE_SIZE);

	KUNIT_ASSERT_NOT_NULL(test, args->alloc);
}

static void test_size(struct kunit *test)
{
	struct mm_struct *mm = get_mm(test);
	struct mapping *full, *fail, *large, *small;
	struct mermap_alloc *alloc;
	struct page *page;
	unsigned long size;
	int cpu;

	/* Never enabled again. */
	migrate_disable();
	cpu = raw_smp_processor_id();
	size = mermap_cpu_end(cpu) - mermap_cpu_base(cpu) - PAGE_SIZE;
	page = get_pages(test, size + PAGE_SIZE);

	full = get(test, mm, page, size);
	KUNIT_ASSERT_NOT_NULL(test, full->alloc);
	kunit_release_action(test, put_action, full);

	fail = get(test, mm, page, size + PAGE_SIZE);
	KUNIT_EXPECT_NULL(test, fail->alloc);

	large = get(test, mm, page, size - PAGE_SIZE);
	KUNIT_ASSERT_NOT_NULL(test, large->alloc);

	small = get(test, mm, page, PAGE_SIZE);
	KUNIT_EXPECT_NOT_NULL(test, small->alloc);

	fail = get(test, mm, page, PAGE_SIZE);
	KUNIT_EXPECT_NULL(test, fail->alloc);

	local_irq_disable();
	alloc = __mermap_get(mm, page, PAGE_SIZE, PAGE_KERNEL, true);
	if (alloc)
		__mermap_put(mm, alloc);
	local_irq_enable();
	KUNIT_EXPECT_NOT_NULL(test, alloc);
}

static void check_address(struct kunit *test, struct mapping *args, int i)
{
	unsigned long addr = (unsigned long)mermap_addr(args->alloc);
	int cpu = raw_smp_processor_id();

	KUNIT_EXPECT_GE_MSG(test, addr, mermap_cpu_base(cpu),
			    "alloc %d out of range", i);
	KUNIT_EXPECT_LT_MSG(test, addr, mermap_cpu_end(cpu),
			    "alloc %d out of range", i);
}

static void test_multiple_allocs(struct kunit *test)
{
	struct mapping *mappings[MERMAP_NR_NORMAL];
	struct page *pages[MERMAP_NR_NORMAL + 1];
	struct mm_struct *mm = get_mm(test);
	const unsigned long magic = 0xE4A4;
	struct mermap_alloc *reserved_alloc;
	unsigned long *ptr;
	int i;

	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		pages[i] = get_pages(test, PAGE_SIZE);
		*(unsigned long *)page_address(pages[i]) = magic + i;
	}

	for (i = 0; i < ARRAY_SIZE(mappings); i++) {
		struct mapping *args = get(test, mm, pages[i], PAGE_SIZE);

		KUNIT_ASSERT_NOT_NULL_MSG(test, args->alloc,
					  "alloc %d failed", i);
		check_address(test, args, i);
		mappings[i] = args;
	}
	KUNIT_ASSERT_NULL(test, __mermap_get(mm, pages[ARRAY_SIZE(mappings)],
					     PAGE_SIZE, PAGE_KERNEL, false));

	/* A reference for the case that a read is this thread's end. */
	mmget(mm);
	kthread_use_mm(mm);
	for (i = 0; i < ARRAY_SIZE(mappings); i++) {
		ptr = mermap_addr(mappings[i]->alloc);
		KUNIT_EXPECT_EQ(test, *ptr, magic + i);
	}

	preempt_disable();
	reserved_alloc = __mermap_get(mm, pages[ARRAY_SIZE(mappings)],
				      PAGE_SIZE, PAGE_KERNEL, true);
	KUNIT_EXPECT_NOT_NULL(test, reserved_alloc);
	if (reserved_alloc) {
		ptr = mermap_addr(reserved_alloc);
		KUNIT_EXPECT_EQ(test, *ptr, magic + ARRAY_SIZE(mappings));
		mermap_put(reserved_alloc);
	}
	preempt_enable();
	kthread_unuse_mm(mm);
	mmput(mm);
}

/* Gets and puts a page until an address comes back; the flushes by then. */
static void test_tlb_flushed(struct kunit *test)
{
	struct mm_struct *mm = get_mm(test);
	struct page *page = get_pages(test, PAGE_SIZE);
	unsigned long addr, last = 0;
	struct mermap_cpu *mc;
	int i;

	migrate_disable();
	mc = this_cpu_ptr(mm->mermap.cpu);
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
	migrate_enable();

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
