/* SPDX-License-Identifier: GPL-2.0-only */
/* Histories of the stress suite: made from a seed, read from text, printed as text. */
#ifndef STRESS_HISTORY_H
#define STRESS_HISTORY_H

#include <linux/types.h>

/* Processes of a history, and mappings that a thread may try to have of each. */
#define STRESS_MMS 3
#define STRESS_HANDLES 5
#define STRESS_STEPS 40
/* Of each thread of a random pair: its text must be a module parameter, which has 1023 bytes. */
#define STRESS_PAIR_STEPS 30
/* How often a pair is run that was given; one thread begins this much later each second time. */
#define STRESS_TURNS 64
#define STRESS_LATE_US 250
#define STRESS_TEXT 960

/**
 * struct step - one step of one thread
 * @what: a letter, one of
 *	g  get @pages pages, from page @from of the pool on
 *	f  get as many as fit behind the highest live mapping, less one, plus @pages
 *	t  get as many as are left behind the last address, less one, plus @pages
 *	G, F, T  the same, for reading only
 *	p  put
 *	r  get the reserve with interrupts off, write, read, put
 *	c  go to CPU @pages, or, with a mapping live, be sent there by another task
 *	x  end the process, and start another one in its place
 *	d  spend @pages microseconds
 * @mm: the process
 * @handle: which of the thread's mappings in that process
 * @from: the first page of the pool
 * @pages: see @what
 *
 * A get into a handle that is live does nothing, nor does a put of one that is not:
 * so any part of a history is a history.
 */
struct step {
	char what;
	u8 mm;
	u8 handle;
	u16 from;
	u16 pages;
};

/* A step of a table in C; thread 1 runs on a second CPU, beside thread 0. */
struct given_step {
	u8 thread;
	char what;
	u8 mm;
	u8 handle;
	u16 from;
	u16 pages;
};

struct thread_steps {
	unsigned int count;
	struct step steps[STRESS_STEPS];
};

struct history {
	bool pair;
	struct thread_steps threads[2];
};

void history_random(struct history *history, u64 seed, bool pair,
		    unsigned int region_pages);
int history_parse(struct history *history, const char *text);
int history_given(struct history *history, const struct given_step *steps,
		  unsigned int count);
void history_print(const struct history *history, char *text, size_t size);

#endif
