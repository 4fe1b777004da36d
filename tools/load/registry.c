// SPDX-License-Identifier: BSD-2-Clause
/*
 * registry.c - see registry.h. One file a process: "ADDRESS LO-HI\n".
 */
#include "registry.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"

#define LINE_SIZE 128

static int registry_dir(char *buf, size_t size)
{
	const char *base = getenv("XDG_RUNTIME_DIR");

	if (geteuid() == 0 || !base)
		base = geteuid() == 0 ? "/run" : "/tmp";
	if (snprintf(buf, size, "%s/moshrelay-load-%u", base, geteuid()) >= (int)size)
		return -ENAMETOOLONG;
	if (mkdir(buf, 0700) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

static int own_path(char *buf, size_t size)
{
	char dir[PATH_MAX];
	int r = registry_dir(dir, sizeof(dir));

	if (r < 0)
		return r;
	return snprintf(buf, size, "%s/%d", dir, getpid()) >= (int)size ? -ENAMETOOLONG : 0;
}

int mr_registry_add(const union mr_sockaddr *address, struct mr_port_range ports, int *ret_fd)
{
	char path[PATH_MAX], text[INET6_ADDRSTRLEN];
	mr_cleanup(mr_close_fd) int fd = -1;
	int r = own_path(path, sizeof(path));

	if (r < 0)
		return r;
	fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	mr_sockaddr_format(text, sizeof(text), address);
	if (dprintf(fd, "%s %u-%u\n", text, ports.lo, ports.hi) < 0)
		return -errno;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

void mr_registry_remove(void)
{
	char path[PATH_MAX];

	if (own_path(path, sizeof(path)) == 0)
		unlink(path);
}

/** Reads the announcement in `name`; -ESTALE: its owner is gone, and now the file is, too. */
static int read_entry(int dir_fd, const char *name, struct timespec *ret_time,
	union mr_sockaddr *ret_address, struct mr_port_range *ret_ports)
{
	mr_cleanup(mr_close_fd) int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
	char line[LINE_SIZE], *space, *end;
	struct stat stat;
	ssize_t length;

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_SH | LOCK_NB) == 0) {
		unlinkat(dir_fd, name, 0);
		return -ESTALE;
	}
	if (fstat(fd, &stat) < 0)
		return -errno;
	length = read(fd, line, sizeof(line) - 1);
	if (length <= 0)
		return -EINVAL;
	line[length] = '\0';
	space = strchr(line, ' ');
	end = strchr(line, '\n');
	if (!space || !end)
		return -EINVAL;
	*space = *end = '\0';
	*ret_time = stat.st_mtim;
	if (mr_sockaddr_parse(line, ret_address) < 0)
		return -EINVAL;
	return mr_port_range_parse(space + 1, ret_ports);
}

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

int mr_registry_find(union mr_sockaddr *ret_address, struct mr_port_range *ret_ports)
{
	mr_cleanup(close_dir) DIR *dir = NULL;
	struct timespec newest = {0}, time = {0};
	struct dirent *entry;
	char path[PATH_MAX];
	int r = registry_dir(path, sizeof(path));
	bool found = false;

	if (r < 0)
		return r;
	dir = opendir(path);
	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		struct mr_port_range ports;
		union mr_sockaddr address;

		if (entry->d_name[0] == '.' ||
			read_entry(dirfd(dir), entry->d_name, &time, &address, &ports) < 0)
			continue;
		if (found &&
			(time.tv_sec < newest.tv_sec ||
				(time.tv_sec == newest.tv_sec && time.tv_nsec < newest.tv_nsec)))
			continue;
		newest = time;
		found = true;
		*ret_address = address;
		*ret_ports = ports;
	}
	return found ? 0 : -ENOENT;
}
