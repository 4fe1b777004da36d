/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backend.c - loading the XDP program over its pinned maps, and taking both away again.
 *
 * Maps and links are pinned, so that a daemon that dies leaves the program forwarding. A daemon
 * that starts always loads its own program over the maps it finds and exchanges it in place: taking
 * over and upgrading are the same thing.
 */
#include "xdp.h"

#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#define STATE_PIN "state" /* the map that says of what layout the others are */

char *mr_xdp_pin_path(const struct mr_backend *backend, const char *prefix, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s%s", backend->pin_path, prefix, name) < 0 ? NULL : path;
}

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

/* Of the file system that `path` lies on, or would lie on. */
static bool is_on_bpf(const char *path)
{
	char parent[PATH_MAX];
	struct statfs fs;
	char *slash;

	if (statfs(path, &fs) < 0) {
		snprintf(parent, sizeof(parent), "%s", path);
		slash = strrchr(parent, '/');
		if (slash)
			slash[1] = '\0';
		if (!slash || statfs(parent, &fs) < 0)
			return true; /* not known to be wrong */
	}
	return fs.f_type == BPF_FS_MAGIC;
}

/* The pin dir has to lie on a BPF filesystem; everything above it must be there already. */
static int make_pin_dir(const char *dir, struct mr_why *ret_why)
{
	int error = mkdir(dir, 0700) < 0 ? errno : 0;

	if (!is_on_bpf(dir)) {
		if (!error)
			rmdir(dir);
		return mr_why_set(ret_why, -EINVAL,
			"%s is not on a BPF filesystem: mount -t bpf bpf /sys/fs/bpf", dir);
	}
	if (error && error != EEXIST)
		return mr_why_set(ret_why, -error, "cannot make the pin directory %s: %s", dir,
			strerror(error));
	return 0;
}

/*
 * Lets a map be the one that is pinned at `path`, if there is one. Not left to libbpf, which
 * compares flags that the kernel changes behind its back (BPF_F_RDONLY_PROG on device maps).
 */
static int adopt_map(struct bpf_map *map, const char *path)
{
	struct bpf_map_info info = {};
	uint32_t size = sizeof(info);
	int fd = bpf_obj_get(path);
	int rc;

	if (fd < 0)
		return errno == ENOENT ? bpf_map__set_pin_path(map, path) : -errno;
	rc = bpf_obj_get_info_by_fd(fd, &info, &size) < 0 ? -errno : 0;
	if (!rc &&
		(info.type != bpf_map__type(map) || info.key_size != bpf_map__key_size(map) ||
			info.value_size != bpf_map__value_size(map)))
		rc = -EPROTO;
	if (!rc)
		rc = bpf_map__reuse_fd(map, fd);
	close(fd);
	return rc;
}

/* What is pinned isn't this program's: never misread, and said in words. */
static int refuse_pins(const struct mr_backend *b, struct mr_why *ret_why)
{
	return mr_why_set(ret_why, -EPROTO,
		"the tables pinned in %s are of another version of moshrelay: run \"moshrelay "
		"detach\", or remove the directory; sessions come back from the store",
		b->pin_dir);
}

/* Refuses pins of another layout in words, before libbpf would in numbers. 1: there are pins. */
static int check_pins(const struct mr_backend *b, struct mr_why *ret_why)
{
	char *path = mr_xdp_pin_path(b, "", STATE_PIN);
	struct bpf_map_info info = {};
	struct mr_state state = {};
	uint32_t zero = 0, size = sizeof(info);
	int fd, rc;

	if (!path)
		return -ENOMEM;
	fd = bpf_obj_get(path);
	free(path);
	if (fd < 0)
		return errno == ENOENT
			? 0
			: mr_why_set(ret_why, -errno, "cannot open the pinned maps in %s: %s",
				  b->pin_dir, strerror(errno));
	rc = bpf_obj_get_info_by_fd(fd, &info, &size);
	if (!rc && info.value_size == sizeof(state))
		rc = bpf_map_lookup_elem(fd, &zero, &state);
	else
		rc = -EPROTO;
	close(fd);
	if (rc < 0 || (state.layout && state.layout != MR_LAYOUT_VERSION))
		return refuse_pins(b, ret_why);
	return state.layout ? 1 : 0;
}

static void unpin(const struct mr_backend *b, const char *name)
{
	char *path = mr_xdp_pin_path(b, "", name);

	if (path)
		unlink(path);
	free(path);
}

/* The state first: what is pinned without it counts for nothing, however far this has got. */
static void unpin_maps(struct mr_backend *b)
{
	struct bpf_map *map;

	unpin(b, STATE_PIN);
	bpf_object__for_each_map(map, b->skel->obj)
	{
		if (!bpf_map__is_internal(map))
			unpin(b, bpf_map__name(map));
	}
}

/*
 * Takes the maps that are pinned, at their sizes, and sizes the others as configured. `found`
 * false: pins are what a start or a detach has left that was killed; keys in them would lead to
 * nothing.
 */
static int prepare_maps(struct mr_backend *b, const struct mr_backend_config *config, bool found)
{
	struct bpf_map *map;

	if (!found)
		unpin_maps(b);
	bpf_map__set_max_entries(b->skel->maps.sessions, config->max_sessions);
	bpf_map__set_max_entries(b->skel->maps.buckets, mr_bucket_count(config->max_sessions));
	bpf_map__set_max_entries(b->skel->maps.ports,
		MR_PORT_LINES * (config->max_addresses ? config->max_addresses : MR_PUBLIC_MAX));
	bpf_object__for_each_map(map, b->skel->obj)
	{
		char *path;
		int rc;

		if (bpf_map__is_internal(map)) /* constants go with their program */
			continue;
		path = mr_xdp_pin_path(b, "", bpf_map__name(map));
		rc = path ? adopt_map(map, path) : -ENOMEM;
		free(path);
		if (rc < 0)
			return rc;
	}
	b->max_sessions = bpf_map__max_entries(b->skel->maps.sessions);
	b->max_addresses = bpf_map__max_entries(b->skel->maps.ports) / MR_PORT_LINES;
	return 0;
}

static void remove_pins(struct mr_backend *b)
{
	unpin_maps(b);
	rmdir(b->pin_dir);
}

/* Multi-buffer frames need kernel 5.18; before it there are none, and the flag is refused. */
static int load(
	struct mr_backend *b, const struct mr_backend_config *config, bool found, bool frags)
{
	int rc;

	b->skel = relay_bpf__open();
	if (!b->skel)
		return -errno;
	b->skel->rodata->quick = MR_IN_PROGRAM_ORDER;
	if (!frags)
		bpf_program__set_flags(b->skel->progs.moshrelay, 0);
	rc = prepare_maps(b, config, found);
	return rc < 0 ? rc : relay_bpf__load(b->skel);
}

static int explain_load(const struct mr_backend *b, int error, struct mr_why *ret_why)
{
	struct utsname name;

	if (error == -EPERM)
		return mr_why_set(ret_why, error,
			"the kernel refuses to load the XDP program: run as root, or with CAP_BPF, "
			"CAP_NET_ADMIN and CAP_PERFMON");
	if (error == -ENOMEM)
		return mr_why_set(ret_why, error,
			"no memory for tables of %u sessions: lower max-sessions", b->max_sessions);
	if (error == -EPROTO)
		return refuse_pins(b, ret_why);
	uname(&name);
	return mr_why_set(ret_why, error,
		"cannot load the XDP program: %s; it needs Linux 5.15 or later, and this is %s",
		strerror(-error), name.release);
}

static int load_program(struct mr_backend *b, const struct mr_backend_config *config,
	bool *ret_adopted, struct mr_why *ret_why)
{
	libbpf_print_fn_t before;
	int found, rc;

	found = check_pins(b, ret_why);
	if (found < 0)
		return found;
	*ret_adopted = found; /* whatever comes: pins that were there stay */
	before = libbpf_set_print(quiet);
	rc = load(b, config, found, true);
	if (rc == -EINVAL) {
		relay_bpf__destroy(b->skel);
		rc = load(b, config, found, false);
	}
	libbpf_set_print(before);
	if (rc < 0)
		return explain_load(b, rc, ret_why);
	if (found && b->max_sessions < config->max_sessions)
		return mr_why_set(ret_why, -EPROTO,
			"the pinned tables hold %u sessions, not %u: run \"moshrelay detach\", or "
			"remove %s, and start again; sessions come back from the store",
			b->max_sessions, config->max_sessions, b->pin_dir);
	return 0;
}

static int map_state(struct mr_backend *b, const struct mr_backend_config *config)
{
	void *at = mmap(NULL, sizeof(struct mr_state), PROT_READ | PROT_WRITE, MAP_SHARED,
		bpf_map__fd(b->skel->maps.state), 0);

	if (at == MAP_FAILED)
		return -errno;
	b->state = at;
	b->state->upstream_lo = config->upstream_lo;
	if (b->state->layout != MR_LAYOUT_VERSION) {
		if (getrandom(&b->state->hash_seed, sizeof(b->state->hash_seed), 0) < 0)
			return -errno;
		b->state->bucket_mask = bpf_map__max_entries(b->skel->maps.buckets) - 1;
	}
	mr_xdp_routes_changed(b);
	b->state->layout = MR_LAYOUT_VERSION; /* last: from here on a next daemon takes it over */
	return mr_xdp_keys_map(b);
}

static void free_backend(struct mr_backend *b)
{
	if (!b)
		return;
	mr_xdp_forget_links(b);
	ring_buffer__free(b->ring);
	mr_xdp_keys_unmap(b);
	if (b->state)
		munmap(b->state, sizeof(*b->state));
	relay_bpf__destroy(b->skel);
	free(b->ports);
	free(b->pin_dir);
	free(b->pin_path);
	free(b);
}

static int start(struct mr_backend *b, const struct mr_backend_config *config, bool *ret_adopted,
	struct mr_why *ret_why)
{
	int rc = config->pin_path ? 0 : make_pin_dir(b->pin_dir, ret_why);

	if (rc < 0)
		return rc;
	rc = load_program(b, config, ret_adopted, ret_why);
	if (rc < 0)
		return rc;
	rc = map_state(b, config);
	if (rc < 0)
		return mr_why_set(
			ret_why, rc, "cannot map the XDP program's state: %s", strerror(-rc));
	b->ring = ring_buffer__new(bpf_map__fd(b->skel->maps.events), mr_xdp_on_event, b, NULL);
	if (!b->ring)
		return mr_why_set(
			ret_why, -errno, "cannot map the event ring: %s", strerror(errno));
	return mr_xdp_attach(b, config, ret_why);
}

static int xdp_open(const struct mr_backend_config *config, struct mr_backend **ret_backend,
	bool *ret_adopted, struct mr_why *ret_why)
{
	struct mr_backend *b = calloc(1, sizeof(*b));
	bool adopted = false;
	int rc;

	if (b) {
		b->pin_dir = strdup(config->pin_dir);
		b->pin_path = strdup(config->pin_path ? config->pin_path : config->pin_dir);
	}
	if (!b || !b->pin_dir || !b->pin_path) {
		free_backend(b);
		return mr_why_set(ret_why, -ENOMEM, "no memory");
	}
	rc = start(b, config, &adopted, ret_why);
	if (rc < 0) {
		if (!adopted && b->skel)
			unpin_maps(b);
		/* One that was handed over stays: another mode may be tried next. */
		if (!adopted && b->skel && !config->pin_path)
			rmdir(b->pin_dir);
		free_backend(b);
		return rc;
	}
	*ret_backend = b;
	*ret_adopted = adopted;
	return 0;
}

static void xdp_detach(struct mr_backend *b)
{
	mr_xdp_detach(b);
	remove_pins(b);
	free_backend(b);
}

static void xdp_describe(struct mr_backend *b, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < b->n_ports && used < size; i++) {
		const struct mr_xdp_port *port = &b->ports[i];
		int n = snprintf(buf + used, size - used, "%s%s: %s XDP%s", i ? ", " : "",
			port->name, port->generic ? "generic" : "native",
			port->link_fd < 0       ? ", not attached now"
				: port->adopted ? ", taken over"
						: "");

		if (n < 0)
			break;
		used += (size_t)n;
	}
}

static uint32_t xdp_capacity(struct mr_backend *b)
{
	return b->max_sessions;
}

const struct mr_backend_ops mr_backend_xdp = {
	.open = xdp_open,
	.close = free_backend,
	.detach = xdp_detach,
	.describe = xdp_describe,
	.capacity = xdp_capacity,
	.session_put = mr_xdp_session_put,
	.session_get = mr_xdp_session_get,
	.session_close = mr_xdp_session_close,
	.public_put = mr_xdp_public_put,
	.public_del = mr_xdp_public_del,
	.target_put = mr_xdp_target_put,
	.target_del = mr_xdp_target_del,
	.address_put = mr_xdp_address_put,
	.address_get = mr_xdp_address_get,
	.link_put = mr_xdp_link_put,
	.link_del = mr_xdp_link_del,
	.ways_put = mr_xdp_ways_put,
	.interface_set = mr_xdp_interface_set,
	.routes_changed = mr_xdp_routes_changed,
	.stats = mr_xdp_stats,
	.events_suppressed = mr_xdp_events_suppressed,
	.event_fd = mr_xdp_event_fd,
	.events = mr_xdp_events,
};
