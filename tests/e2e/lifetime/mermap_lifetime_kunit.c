// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a mermap leaves behind when its process has ended: nothing. A suite of
 * mermapctl's own tests, put into a tree for one run (test_lifetime.py).
 *
 * Each test makes and drops a thousand address spaces, and compares the memory
 * in use after the first hundred with that after all.
 */
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/kprobes.h>
#include <linux/kthread.h>
#include <linux/mermap.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/swap.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <linux/vmstat.h>

#include <asm/ldt.h>
#include <asm/pgtable.h>
#include <asm/ptrace.h>

#include <kunit/test.h>

/* Where these are declared depends on the version, or nowhere. */
void drain_all_pages(struct zone *zone);
asmlinkage long __x64_sys_modify_ldt(const struct pt_regs *regs);

#define FIRST_ROUNDS 100
#define ALL_ROUNDS 1000
/* The kernel's own use varies; one page lost in every fourth round would not pass. */
#define SLACK ((ALL_ROUNDS - FIRST_ROUNDS) / 4)
/* A CPU that is idle may still hold on to the top of the last address space's tables. */
#define LAZY (2 * num_online_cpus())

/* All in pages. */
struct usage {
	long tables;
	long percpu;
	long free;
};

/* The counts of the CPUs that have not been folded in yet are part of it. */
static long in_use(enum node_stat_item item)
{
	long pages = global_node_page_state_pages(item);
	struct pglist_data *node;
	int cpu;

	for_each_online_pgdat(node) {
		for_each_online_cpu(cpu)
			pages += per_cpu_ptr(node->per_cpu_nodestats, cpu)
					 ->vm_node_stat_diff[item];
	}
	return pages;
}

static struct usage measure(void)
{
	struct usage usage = { };
	struct zone *zone;

	/* Tables, tasks and stacks are freed after a grace period, or two. */
	rcu_barrier();
	rcu_barrier();
	/* The shadow that KASAN keeps of stacks which have gone. */
	vm_unmap_aliases();
	lru_add_drain_all();
	drain_all_pages(NULL);
	usage.tables = in_use(NR_PAGETABLE);
	usage.percpu = pcpu_nr_pages();
	for_each_populated_zone(zone)
		usage.free += zone_page_state_snapshot(zone, NR_FREE_PAGES);
	return usage;
}

typedef int (*round_fn)(struct kunit *test, struct page *page);

/* A round returns 0, or the number of the step that failed. */
static void rounds(struct kunit *test, round_fn fn)
{
	struct page *page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	struct usage first = { }, all;
	int i, failed = 0;

	KUNIT_ASSERT_NOT_NULL(test, page);
	for (i = 0; i < ALL_ROUNDS && !failed; i++) {
		if (i == FIRST_ROUNDS)
			first = measure();
		failed = fn(test, page);
		cond_resched();
	}
	all = measure();
	__free_page(page);

	KUNIT_ASSERT_EQ_MSG(test, failed, 0, "step failed in round %d", i);
	kunit_info(test, "after %d: %ld pages of tables, %ld percpu, %ld free",
		   FIRST_ROUNDS, first.tables, first.percpu, first.free);
	kunit_info(test, "after %d: %ld pages of tables, %ld percpu, %ld free",
		   ALL_ROUNDS, all.tables, all.percpu, all.free);
	KUNIT_EXPECT_LE(test, all.tables, first.tables + LAZY);
	KUNIT_EXPECT_LE(test, all.percpu, first.percpu);
	/* KASAN keeps what was freed, and every stack trace that it has seen. */
	if (!IS_ENABLED(CONFIG_KASAN))
		KUNIT_EXPECT_GT(test, all.free, first.free - SLACK);
}

/* Maps a page, looks at it as the process would, and lets go. */
static bool exercised(struct mm_struct *mm, struct page *page)
{
	struct mermap_alloc *alloc;
	bool same;

	*(unsigned long *)page_address(page) = (unsigned long)mm;
	alloc = __mermap_get(mm, page, PAGE_SIZE, PAGE_KERNEL, false);
	if (!alloc)
		return false;
	same = *(unsigned long *)mermap_addr(alloc) == (unsigned long)mm;
	__mermap_put(mm, alloc);
	return same;
}

/* The system call, for the mm that this thread has adopted. */
static long set_ldt_entry(unsigned int entry)
{
	struct user_desc desc = {
		.entry_number = entry,
		.limit = 0xfffff,
		.seg_32bit = 1,
		.limit_in_pages = 1,
		.useable = 1,
	};
	struct pt_regs regs = { .di = 0x11, .dx = sizeof(desc) };
	unsigned long user = vm_mmap(NULL, 0, PAGE_SIZE, PROT_READ | PROT_WRITE,
				     MAP_ANONYMOUS | MAP_PRIVATE, 0);

	if (IS_ERR_VALUE(user))
		return user;
	if (copy_to_user((void __user *)user, &desc, sizeof(desc)))
		return -EFAULT;
	regs.si = user;
	return (int)__x64_sys_modify_ldt(&regs);
}

static struct mm_struct *adopt(void)
{
	struct mm_struct *mm = mm_alloc();

	if (!mm)
		return NULL;
	arch_pick_mmap_layout(mm, &current->signal->rlim[RLIMIT_STACK]);
	kthread_use_mm(mm);
	return mm;
}

static int drop(struct mm_struct *mm, int step)
{
	kthread_unuse_mm(mm);
	mmput(mm);
	return step;
}

static int bare_round(struct kunit *test, struct page *page)
{
	struct mm_struct *mm = adopt();

	if (!mm)
		return 1;
	if (mermap_mm_prepare(mm) || mermap_mm_prepare(mm))
		return drop(mm, 2);
	return drop(mm, exercised(mm, page) ? 0 : 3);
}

static void test_mermap_alone(struct kunit *test)
{
	rounds(test, bare_round);
}

static int ldt_first_round(struct kunit *test, struct page *page)
{
	struct mm_struct *mm = adopt();

	if (!mm)
		return 1;
	if (set_ldt_entry(0))
		return drop(mm, 2);
	if (mermap_mm_prepare(mm))
		return drop(mm, 3);
	if (!exercised(mm, page))
		return drop(mm, 4);
	/* Now in the other of the two places that an LDT has. */
	return drop(mm, set_ldt_entry(1) ? 5 : 0);
}

static void test_ldt_before_mermap(struct kunit *test)
{
	rounds(test, ldt_first_round);
}

static int mermap_first_round(struct kunit *test, struct page *page)
{
	struct mm_struct *mm = adopt();

	if (!mm)
		return 1;
	if (mermap_mm_prepare(mm))
		return drop(mm, 2);
	if (!exercised(mm, page))
		return drop(mm, 3);
	if (set_ldt_entry(0) || set_ldt_entry(511))
		return drop(mm, 4);
	return drop(mm, exercised(mm, page) ? 0 : 5);
}

static void test_mermap_before_ldt(struct kunit *test)
{
	rounds(test, mermap_first_round);
}

struct child {
	struct page *page;
	int failed;
};

/* A process: it has inherited the address space and the LDT, but no mermap. */
static int child_main(void *data)
{
	struct child *child = data;
	struct mm_struct *mm = current->mm;

	if (!mm || mm->mermap.cpu || mm->mermap.has_tables)
		child->failed = 11;
	else if (mermap_mm_prepare(mm))
		child->failed = 12;
	else if (!exercised(mm, child->page))
		child->failed = 13;
	else
		child->failed = 0;
	do_exit(0);
}

static int fork_round(struct kunit *test, struct page *page)
{
	struct child child = { .page = page, .failed = 10 };
	struct kernel_clone_args args = {
		.flags = CLONE_UNTRACED,
		.exit_signal = SIGCHLD,
		.fn = child_main,
		.fn_arg = &child,
	};
	struct mm_struct *mm = adopt();
	int status;
	pid_t pid;

	if (!mm)
		return 1;
	if (set_ldt_entry(0) || mermap_mm_prepare(mm))
		return drop(mm, 2);

	/* A thread of the kernel would not be told of its children. */
	kernel_sigaction(SIGCHLD, SIG_DFL);
	pid = kernel_clone(&args);
	if (pid > 0)
		kernel_wait(pid, &status);
	kernel_sigaction(SIGCHLD, SIG_IGN);

	if (child.failed)
		return drop(mm, child.failed);
	return drop(mm, exercised(mm, page) ? 0 : 3);
}

static void test_forked_processes(struct kunit *test)
{
	rounds(test, fork_round);
}

/* Out of memory: the table that `refusals` counts down to is not to be had. */
static struct mm_struct *refused;
static int refusals;

static int refuse_table(struct kprobe *probe, struct pt_regs *regs)
{
	if (!refused || (struct mm_struct *)regs->di != refused || --refusals)
		return 0;
	/* As if it had returned NULL at once. */
	regs->ax = 0;
	regs->ip = *(unsigned long *)regs->sp;
	regs->sp += sizeof(long);
	return 1;
}
NOKPROBE_SYMBOL(refuse_table);

/* With this, no jump takes the probe's place: one would not go where the probe says. */
static void after_table(struct kprobe *probe, struct pt_regs *regs,
			unsigned long flags)
{
}
NOKPROBE_SYMBOL(after_table);

static struct kprobe table_probe = {
	.symbol_name = "pte_alloc_one",
	.pre_handler = refuse_table,
	.post_handler = after_table,
};

static void refuse(struct mm_struct *mm, int nth)
{
	refusals = nth;
	refused = mm;
}

static int no_memory_round(struct kunit *test, struct page *page)
{
	static int round;
	struct mm_struct *mm = adopt();
	/* The first table, or the last. */
	int nth = round++ % 2 ? nr_cpu_ids : 1;

	if (!mm)
		return 1;
	refuse(mm, nth);
	if (mermap_mm_prepare(mm) != -ENOMEM)
		return drop(mm, 2);
	if (mm->mermap.cpu)
		return drop(mm, 3);
	/* Every third ends like that. */
	if (round % 3 == 0)
		return drop(mm, 0);
	if (mermap_mm_prepare(mm))
		return drop(mm, 4);
	if (!exercised(mm, page))
		return drop(mm, 5);

	/* The first LDT must not take the tables along when it fails. */
	if (boot_cpu_has(X86_FEATURE_PTI)) {
		struct mermap_alloc *live;
		bool same;

		live = __mermap_get(mm, page, PAGE_SIZE, PAGE_KERNEL, false);
		if (!live)
			return drop(mm, 6);
		*(unsigned long *)page_address(page) = 1;
		/* One for user memory first. */
		refuse(mm, 2);
		same = set_ldt_entry(0) == -ENOMEM;
		same = same && *(unsigned long *)mermap_addr(live) == 1;
		__mermap_put(mm, live);
		if (!same)
			return drop(mm, 7);
	}
	refuse(NULL, 0);
	if (set_ldt_entry(0))
		return drop(mm, 8);
	return drop(mm, exercised(mm, page) ? 0 : 9);
}

KUNIT_DEFINE_ACTION_WRAPPER(remove_probe, unregister_kprobe, struct kprobe *);

static void test_out_of_memory(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, register_kprobe(&table_probe), 0);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, remove_probe,
							   &table_probe));
	rounds(test, no_memory_round);
	refuse(NULL, 0);
}

static struct kunit_case lifetime_test_cases[] = {
	KUNIT_CASE(test_mermap_alone),
	KUNIT_CASE(test_ldt_before_mermap),
	KUNIT_CASE(test_mermap_before_ldt),
	KUNIT_CASE(test_forked_processes),
	KUNIT_CASE(test_out_of_memory),
	{}
};

static struct kunit_suite lifetime_test_suite = {
	.name = "mermap_lifetime",
	.test_cases = lifetime_test_cases,
};

kunit_test_suite(lifetime_test_suite);

MODULE_DESCRIPTION("What a mermap leaves behind");
MODULE_LICENSE("GPL");
