/* SPDX-License-Identifier: GPL-2.0-only */
/* A stand-in for a tree's nolibc: what mermapctl's init uses of it, and nothing behind it. */
#define NULL ((void *)0)
#define O_RDONLY 0
#define O_WRONLY 1
#define O_DIRECTORY 0200000
#define DT_DIR 4
#define DT_REG 8
#define __NR_getdents64 217
#define LINUX_REBOOT_CMD_RESTART 0x01234567
#define __NR_finit_module 313
#define STAND_IN static inline __attribute__((unused))

typedef unsigned long size_t;
static int errno;

STAND_IN int open(const char *path, int flags, ...) { return *path ? flags : -1; }
STAND_IN int close(int fd) { return fd; }
STAND_IN long read(int fd, void *to, size_t count) { return to ? fd : (long)count; }
STAND_IN long write(int fd, const void *from, size_t count) { return from ? fd : (long)count; }
STAND_IN long syscall(long number, ...) { return number; }
STAND_IN int ioctl(int fd, unsigned long request, void *value) { return value ? fd : (int)request; }
STAND_IN int mount(const char *from, const char *to, const char *type, unsigned long flags, const void *data)
{
	return from && to && type && !data ? (int)flags : -1;
}
STAND_IN unsigned int sleep(unsigned int seconds) { return seconds; }
STAND_IN int reboot(int command) { return command; }
STAND_IN size_t strlen(const char *text) { return *text ? 1 : 0; }
STAND_IN size_t strlcat(char *to, const char *from, size_t size) { return to && *from ? size : 0; }
STAND_IN char *strcpy(char *to, const char *from) { return *from ? to : NULL; }
STAND_IN int strcmp(const char *one, const char *other) { return *one - *other; }
STAND_IN char *strchr(const char *text, int what) { return what ? (char *)text : NULL; }
STAND_IN const char *itoa(long value) { return value ? "1" : "0"; }
