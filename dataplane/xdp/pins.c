// SPDX-License-Identifier: BSD-2-Clause
/*
 * pins.c - takes the XDP program off with no daemon there: by what is pinned alone, of whatever
 * layout it is.
 */
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "xdp.h"

#define LINK_PREFIX MR_XDP_LINK_PREFIX

/* Our links, and maps that are called as this program's are: nothing else is touched. */
static bool is_ours(const struct relay_bpf *skel, const char *name)
{
	const struct bpf_map *map;

	if (!strncmp(name, LINK_PREFIX, strlen(LINK_PREFIX)))
		return true;
	bpf_object__for_each_map(map, skel->obj)
	{
		if (!strcmp(name, bpf_map__name(map)))
			return true;
	}
	return false;
}

/* A link ends with its last holder: said at once, the interface is free when this returns. */
static int unpin(const char *pin_dir, const char *name)
{
	char path[PATH_MAX];
	int fd;

	if (snprintf(path, sizeof(path), "%s/%s", pin_dir, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	if (!strncmp(name, LINK_PREFIX, strlen(LINK_PREFIX))) {
		fd = bpf_obj_get(path);
		if (fd < 0)
			return -errno;
		/* Refused, for the interface may be gone: then nothing is attached there. */
		(void)bpf_link_detach(fd);
		close(fd);
	}
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

static int unpin_all(const struct relay_bpf *skel, const char *pin_dir, size_t *ret_links,
	struct mr_why *ret_why)
{
	DIR *dir = opendir(pin_dir);
	struct dirent *entry;
	size_t links = 0;
	int rc = 0;

	if (!dir)
		return mr_why_set(
			ret_why, -errno, "%s can't be read: %s", pin_dir, strerror(errno));
	while (!rc && (entry = readdir(dir))) {
		if (!is_ours(skel, entry->d_name))
			continue;
		rc = unpin(pin_dir, entry->d_name);
		if (rc)
			mr_why_set(ret_why, rc, "%s/%s can't be taken away: %s", pin_dir,
				entry->d_name, strerror(-rc));
		else if (!strncmp(entry->d_name, LINK_PREFIX, strlen(LINK_PREFIX)))
			links++;
	}
	closedir(dir);
	if (rc)
		return rc;
	(void)rmdir(pin_dir); /* not empty: something else of somebody's is there */
	*ret_links = links;
	return 0;
}

int mr_xdp_unpin(const char *pin_dir, size_t *ret_links, struct mr_why *ret_why)
{
	struct relay_bpf *skel;
	struct statfs fs;
	int rc;

	if (statfs(pin_dir, &fs) < 0) {
		if (errno != ENOENT)
			return mr_why_set(ret_why, -errno, "%s: %s", pin_dir, strerror(errno));
		*ret_links = 0;
		return 0;
	}
	if (fs.f_type != BPF_FS_MAGIC)
		return mr_why_set(ret_why, -EINVAL, "%s is not on a BPF filesystem", pin_dir);
	skel = relay_bpf__open();
	if (!skel)
		return mr_why_set(
			ret_why, -errno, "the XDP program can't be read: %s", strerror(errno));
	rc = unpin_all(skel, pin_dir, ret_links, ret_why);
	relay_bpf__destroy(skel);
	return rc;
}
