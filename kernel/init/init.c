// SPDX-License-Identifier: GPL-2.0-only
/*
 * The only program of a guest: insert modules, then end the machine.
 *
 * It is built with the kernel tree's own tools/include/nolibc, so it needs no C
 * library, no shell and no package of a distribution, and its archive has a few
 * kilobytes. A line of /modules is a file, a blank, and the module's parameters.
 * If a file /counters exists, it sends the counters of gcov out after that.
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

/*
 * The counters of a kernel that profiles some of its objects, sent as text
 * (mermapctl/runner/counter_stream.py). The second serial port, because the
 * console must stay what the kernel printed.
 */
#define PORT "/dev/ttyS1"
#define ROW 64
#define DRAIN 0x5409 /* TCSBRK: waits until all is sent (asm-generic/ioctls.h) */

static int port = -1;
static int sent;

struct name {
	unsigned long long inode;
	long long offset;
	unsigned short length;
	unsigned char type;
	char text[];
};

static void put_bytes(const char *data, long size)
{
	while (size > 0) {
		long done = write(port, data, size);

		if (done <= 0)
			return; /* the end is missing then, and the reader sees it */
		data += done;
		size -= done;
	}
}

static void put(const char *word, const char *rest)
{
	put_bytes(word, strlen(word));
	put_bytes(" ", 1);
	put_bytes(rest, strlen(rest));
	put_bytes("\n", 1);
}

static void put_row(const unsigned char *data, long size)
{
	static const char digits[] = "0123456789abcdef";
	char row[2 * ROW + 1];
	long i;

	for (i = 0; i < size; i++) {
		row[2 * i] = digits[data[i] >> 4];
		row[2 * i + 1] = digits[data[i] & 15];
	}
	row[2 * size] = '\n';
	put_bytes(row, 2 * size + 1);
}

static void send_file(const char *path)
{
	static unsigned char data[4096];
	int file = open(path, O_RDONLY);
	long got, at, total = 0;

	put("file", path + strlen("/debug/gcov"));
	while ((got = read(file, data, sizeof(data))) > 0) {
		for (at = 0; at < got; at += ROW)
			put_row(data + at, got - at < ROW ? got - at : ROW);
		total += got;
	}
	if (file < 0 || got < 0)
		put("error a file of counters cannot be read:", path);
	put("bytes", itoa(total));
	close(file);
	sent++;
}

static int ends_with(const char *text, const char *end)
{
	size_t whole = strlen(text), part = strlen(end);

	return whole >= part && !strcmp(text + whole - part, end);
}

static void send_below(char *path, size_t size)
{
	size_t length = strlen(path);
	int directory = open(path, O_RDONLY | O_DIRECTORY);
	char names[2048];
	long got, at;

	while ((got = syscall(__NR_getdents64, directory, names, sizeof(names))) > 0) {
		for (at = 0; at < got; at += ((struct name *)(names + at))->length) {
			struct name *name = (struct name *)(names + at);

			if (!strcmp(name->text, ".") || !strcmp(name->text, "..") ||
			    length + strlen(name->text) + 2 > size)
				continue;
			path[length] = '/';
			strcpy(path + length + 1, name->text);
			if (name->type == DT_DIR)
				send_below(path, size);
			else if (name->type == DT_REG && ends_with(path, ".gcda"))
				send_file(path);
			path[length] = '\0';
		}
	}
	close(directory);
}

static void send_counters(void)
{
	static char path[4096] = "/debug/gcov";

	port = open(PORT, O_WRONLY);
	if (port < 0) {
		complain("cannot open ", PORT);
		return;
	}
	put("mermapctl-counters", "1");
	if (mount("none", "/debug", "debugfs", 0, NULL) < 0)
		put("error debugfs cannot be mounted, errno", itoa(errno));
	send_below(path, sizeof(path));
	put("files", itoa(sent));
	ioctl(port, DRAIN, (void *)1);
	close(port);
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
	if (open("/counters", O_RDONLY) >= 0)
		send_counters();
	if (open("/linger", O_RDONLY) >= 0) {
		say("done", "", "");
		sleep(10);
	}
	reboot(LINUX_REBOOT_CMD_RESTART);
	complain("cannot ", "reboot");
	return 1;
}
