/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * attached.c - see attached.h. Whoever asks a running daemon to detach doesn't come here.
 */
#include "attached.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "host.h"
#include "loopback.h"
#include "neigh_kernel.h"
#include "vlan_offload.h"

/* Whoever reads the note may stand elsewhere. */
static void make_absolute(const char *path, char ret_path[static PATH_MAX])
{
	if (!realpath(path, ret_path))
		snprintf(ret_path, PATH_MAX, "%s", path);
}

static int path_of(const struct mr_config *config, const char *suffix, char *buf, size_t size)
{
	int n = snprintf(buf, size, "%s/" MR_ATTACHED_FILE "%s", config->run_dir, suffix);

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

/* Never through a link: the directory is the daemon's user's, this process may be root's. */
static int write_note(const json_t *note, const char *path)
{
	FILE *file;
	int r = 0;

	unlink(path);
	file = fopen(path, "wxe");
	if (!file)
		return -errno;
	if (json_dumpf(note, file, JSON_COMPACT))
		r = -EIO;
	if (fclose(file) && !r)
		r = -errno;
	return r;
}

int mr_attached_note(const struct mr_config *config)
{
	char pin_dir[PATH_MAX], state_dir[PATH_MAX], path[PATH_MAX], path_new[PATH_MAX];
	json_t *note;
	int r = path_of(config, "", path, sizeof(path));

	if (!r)
		r = path_of(config, ".new", path_new, sizeof(path_new));
	if (r)
		return r;
	make_absolute(config->pin_dir, pin_dir);
	make_absolute(config->state_dir, state_dir);
	note = json_pack("{s:s, s:s}", "pin_dir", pin_dir, "state_dir", state_dir);
	if (!note)
		return -EILSEQ;
	r = write_note(note, path_new);
	if (!r && rename(path_new, path))
		r = -errno;
	json_decref(note);
	return r;
}

void mr_attached_forget(const struct mr_config *config)
{
	char path[PATH_MAX];

	if (!path_of(config, "", path, sizeof(path)))
		unlink(path);
}

static int put_back(const struct mr_config *config)
{
	struct mr_changes *changes;
	int r = mr_changes_open(config->state_dir, &changes);

	if (r)
		return r;
	mr_loopback_put_back(changes);
	mr_vlan_offload_put_back(changes);
	mr_changes_close(changes);
	return 0;
}

/* The kernel asks for these again and again, for as long as they are marked. */
static int unmanage(struct mr_why *ret_why)
{
	struct mr_netlink *netlink;
	uv_loop_t loop;
	int r = uv_loop_init(&loop);

	if (r)
		return r;
	r = mr_netlink_open(&loop, &netlink, ret_why);
	if (!r) {
		r = mr_neigh_unmanage_left(netlink);
		if (r)
			snprintf(ret_why->text, sizeof(ret_why->text),
				"neighbour entries that are kept resolved can't be given back: %s: "
				"see ip neighbour, proto 109",
				strerror(-r));
		mr_netlink_close(netlink);
		uv_run(&loop, UV_RUN_DEFAULT);
	}
	uv_loop_close(&loop);
	return r;
}

int mr_attached_detach(const struct mr_config *config, size_t *ret_links, struct mr_why *ret_why)
{
	int lock_fd, r = mr_host_prepare(config, &lock_fd, ret_why);

	if (r)
		return r;
	r = mr_xdp_unpin(config->pin_dir, ret_links, ret_why);
	if (!r) {
		r = put_back(config);
		if (r)
			snprintf(ret_why->text, sizeof(ret_why->text),
				"what was changed on this host can't be put back: %s",
				strerror(-r));
	}
	if (!r)
		r = unmanage(ret_why);
	if (!r)
		mr_attached_forget(config);
	close(lock_fd);
	return r;
}
