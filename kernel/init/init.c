// SPDX-License-Identifier: GPL-2.0-only
/*
 * The only program of a guest: insert modules, then end the machine.
 *
 * It is built with the kernel tree's own tools/include/nolibc, so it needs no C
 * library, no shell and no package of a distribution, and its archive has a few
 * kilobytes. A line of /modules is a file, a blank, and the module's parameters.
 * If a file /linger exists, a thread prints the console (PREEMPT_RT), and a
 * reboot would not wait for it.
 */
#include <nolibc.h>

#define NAME "mermapctl-init: "

static char text[4096];
static int console = -1;

/*
 * Print through printk, so that no line of the kernel is torn: a second writer
 * to the console's own device would interleave with the kernel.
 */
static void say(const char *what, const char *name, const char *more)
{
	char line[256] = NAME;

	strlcat(line, what, sizeof(line));
	strlcat(line, name, sizeof(line));
	strlcat(line, more, sizeof(line));
	strlcat(line, "\n", sizeof(line));
	write(console, line, strlen(line));
}

static void complain(const char *what, const char *name)
{
	char more[32] = ": errno ";

	strlcat(more, itoa(errno), sizeof(more));
	say(what, name, more);
}

static void insert(const char *file, const char *parameters)
{
	int module = open(file, O_RDONLY);

	if (module < 0) {
		complain("cannot open ", file);
		return;
	}
	/* Returns when the suites of the module have run. */
	if (syscall(__NR_finit_module, module, parameters, 0) < 0)
		complain("cannot insert ", file);
	else
		say("inserted ", file, "");
	close(module);
}

static void insert_all(char *line)
{
	char *end, *blank;

	for (; *line; line = end + 1) {
		end = strchr(line, '\n');
		if (!end)
			return;
		*end = '\0';
		blank = strchr(line, ' ');
		if (blank)
			*blank = '\0';
		insert(line, blank ? blank + 1 : "");
	}
}

int main(void)
{
	int list;

	console = open("/dev/kmsg", O_WRONLY);
	if (console < 0)
		console = open("/dev/console", O_WRONLY);
	list = open("/modules", O_RDONLY);
	if (list < 0 || read(list, text, sizeof(text) - 1) < 0)
		complain("cannot read ", "/modules");
	insert_all(text);
	if (open("/linger", O_RDONLY) >= 0) {
		say("done", "", "");
		sleep(10);
	}
	reboot(LINUX_REBOOT_CMD_RESTART);
	complain("cannot ", "reboot");
	return 1;
}
