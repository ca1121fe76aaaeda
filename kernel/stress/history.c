// SPDX-License-Identifier: GPL-2.0-only
/* Histories of the stress suite: made from a seed, read from text, printed as text. */
#include <linux/ctype.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "history.h"

/* What a random history may have live, to choose steps that do something. */
struct maker {
	u64 state;
	bool pair;
	unsigned int region_pages;
	bool live[STRESS_MMS][STRESS_HANDLES];
	u8 mm;
	struct thread_steps *made;
};

/* splitmix64: any seed will do, also neighbouring ones. */
static u64 next_random(struct maker *maker)
{
	u64 z = (maker->state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* 0 to below - 1 */
static unsigned int below(struct maker *maker, unsigned int below)
{
	return (next_random(maker) >> 32) % below;
}

static struct step *add(struct maker *maker, char what)
{
	unsigned int most = maker->pair ? STRESS_PAIR_STEPS : STRESS_STEPS;
	struct thread_steps *made = maker->made;
	struct step *step;

	if (made->count == most)
		return NULL;
	step = &made->steps[made->count++];
	*step = (struct step){ .what = what, .mm = maker->mm };
	return step;
}

static void choose_size(struct maker *maker, struct step *step)
{
	unsigned int most = maker->region_pages;

	switch (below(maker, 16)) {
	case 0 ... 5:
		step->pages = 1;
		break;
	case 6 ... 8:
		step->pages = 2 + below(maker, 4);
		break;
	case 9:
		step->pages = min(6 + below(maker, 60), most);
		break;
	case 10:
		step->pages = 1 + below(maker, most);
		break;
	case 11:
		step->pages = most - below(maker, 4);
		break;
	case 12 ... 13:
		step->what = 'f';
		step->pages = below(maker, 3);
		break;
	default:
		step->what = 't';
		step->pages = below(maker, 3);
	}
}

static void add_get(struct maker *maker)
{
	unsigned int handle = below(maker, STRESS_HANDLES);
	struct step *step;

	while (maker->live[maker->mm][handle] && handle)
		handle--;
	step = add(maker, 'g');
	if (!step)
		return;
	step->handle = handle;
	choose_size(maker, step);
	step->from = below(maker, maker->region_pages);
	if (!below(maker, 8))
		step->what = toupper(step->what);
	maker->live[maker->mm][handle] = true;
}

static void add_put(struct maker *maker)
{
	unsigned int handle = below(maker, STRESS_HANDLES);
	unsigned int tries;
	struct step *step;

	for (tries = 0; tries < STRESS_HANDLES; tries++) {
		if (maker->live[maker->mm][handle])
			break;
		handle = (handle + 1) % STRESS_HANDLES;
	}
	if (tries == STRESS_HANDLES) {
		add_get(maker);
		return;
	}
	step = add(maker, 'p');
	if (!step)
		return;
	step->handle = handle;
	maker->live[maker->mm][handle] = false;
}

static void add_reserved(struct maker *maker)
{
	unsigned int times = 1 + below(maker, 3);
	struct step *step;

	while (times--) {
		step = add(maker, 'r');
		if (step)
			step->from = below(maker, maker->region_pages);
	}
}

static void add_other(struct maker *maker)
{
	struct step *step;
	unsigned int times;

	switch (below(maker, 4)) {
	case 0:
		for (times = 0; times < 5; times++)
			add_get(maker);
		break;
	case 1:
		step = maker->pair ? NULL : add(maker, 'x');
		if (step)
			memset(maker->live[maker->mm], 0, STRESS_HANDLES);
		break;
	default:
		if (maker->pair) {
			step = add(maker, 'd');
			if (step)
				step->pages = 1 + below(maker, 50);
		} else {
			step = add(maker, 'c');
			if (step)
				step->pages = below(maker, 4);
		}
	}
}

static void make_thread(struct maker *maker, struct thread_steps *made)
{
	unsigned int rounds = 6 + below(maker, 20);

	maker->made = made;
	memset(maker->live, 0, sizeof(maker->live));
	maker->mm = 0;
	if (maker->pair && below(maker, 2)) {
		/* So that the two meet at other places of their first prepare. */
		struct step *step = add(maker, 'd');

		step->pages = 1 + below(maker, 200);
	}
	if (maker->pair)
		add_get(maker);
	while (rounds--) {
		if (!below(maker, 5))
			maker->mm = below(maker, STRESS_MMS);
		switch (below(maker, 20)) {
		case 0 ... 9:
			add_get(maker);
			break;
		case 10 ... 15:
			add_put(maker);
			break;
		case 16 ... 17:
			add_reserved(maker);
			break;
		default:
			add_other(maker);
		}
	}
}

void history_random(struct history *history, u64 seed, bool pair,
		    unsigned int region_pages)
{
	struct maker maker = {
		.state = seed,
		.pair = pair,
		.region_pages = region_pages,
	};

	memset(history, 0, sizeof(*history));
	history->pair = pair;
	make_thread(&maker, &history->threads[0]);
	if (pair)
		make_thread(&maker, &history->threads[1]);
}

/* The numbers behind each letter, in the order of the text. */
static const char *fields_of(char what)
{
	switch (what) {
	case 'g': case 'f': case 't': case 'G': case 'F': case 'T':
		return "mhfn";
	case 'p':
		return "mh";
	case 'r':
		return "mf";
	case 'x':
		return "m";
	case 'c': case 'd':
		return "n";
	}
	return NULL;
}

static unsigned int value_of(const struct step *step, char field)
{
	switch (field) {
	case 'm':
		return step->mm;
	case 'h':
		return step->handle;
	case 'f':
		return step->from;
	}
	return step->pages;
}

static int set_value(struct step *step, char field, unsigned int value)
{
	switch (field) {
	case 'm':
		step->mm = value;
		return value < STRESS_MMS ? 0 : -EINVAL;
	case 'h':
		step->handle = value;
		return value < STRESS_HANDLES ? 0 : -EINVAL;
	case 'f':
		step->from = value;
		break;
	default:
		step->pages = value;
	}
	return value <= U16_MAX ? 0 : -EINVAL;
}

static const char *parse_step(struct step *step, const char *text)
{
	const char *fields = fields_of(*text);

	*step = (struct step){ .what = *text };
	if (!fields)
		return NULL;
	for (text++; *fields; fields++) {
		unsigned int value = 0;

		if (!isdigit(*text))
			return NULL;
		while (isdigit(*text) && value <= U16_MAX)
			value = value * 10 + (*text++ - '0');
		if (set_value(step, *fields, value))
			return NULL;
		if (fields[1] && *text++ != '.')
			return NULL;
	}
	return text;
}

/* "g0.1.5.3,p0.1|g0.0.0.1": steps of one thread, or of two. */
int history_parse(struct history *history, const char *text)
{
	struct thread_steps *made = &history->threads[0];

	memset(history, 0, sizeof(*history));
	while (*text) {
		if (*text == '|' && !history->pair) {
			history->pair = true;
			made = &history->threads[1];
			text++;
			continue;
		}
		if (made->count == STRESS_STEPS)
			return -E2BIG;
		text = parse_step(&made->steps[made->count++], text);
		if (!text)
			return -EINVAL;
		if (*text == ',')
			text++;
		else if (*text && *text != '|')
			return -EINVAL;
	}
	return 0;
}

int history_given(struct history *history, const struct given_step *steps,
		  unsigned int count)
{
	memset(history, 0, sizeof(*history));
	for (; count; count--, steps++) {
		struct thread_steps *made;

		if (steps->thread > 1 || !fields_of(steps->what) ||
		    steps->mm >= STRESS_MMS || steps->handle >= STRESS_HANDLES)
			return -EINVAL;
		made = &history->threads[steps->thread];
		if (made->count == STRESS_STEPS)
			return -E2BIG;
		history->pair = history->pair || steps->thread;
		made->steps[made->count++] = (struct step){
			.what = steps->what,
			.mm = steps->mm,
			.handle = steps->handle,
			.from = steps->from,
			.pages = steps->pages,
		};
	}
	return 0;
}

static size_t print_thread(const struct thread_steps *made, char *text,
			   size_t size)
{
	size_t used = 0;
	unsigned int i;

	text[0] = '\0';
	for (i = 0; i < made->count; i++) {
		const struct step *step = &made->steps[i];
		const char *field;
		bool first = true;

		used += scnprintf(text + used, size - used, "%s%c",
				  i ? "," : "", step->what);
		for (field = fields_of(step->what); *field; field++) {
			used += scnprintf(text + used, size - used, "%s%u",
					  first ? "" : ".",
					  value_of(step, *field));
			first = false;
		}
	}
	return used;
}

void history_print(const struct history *history, char *text, size_t size)
{
	size_t used = print_thread(&history->threads[0], text, size);

	if (!history->pair)
		return;
	used += scnprintf(text + used, size - used, "|");
	print_thread(&history->threads[1], text + used, size - used);
}
