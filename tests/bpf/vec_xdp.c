// SPDX-License-Identifier: BSD-2-Clause
/*
 * vec_xdp.c - see vec_xdp.h.
 */
#include <errno.h>
#include <linux/if_ether.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "vec_xdp.h"
#include "xdp.h"

#define UPTIME_S     100 /* the oldest time in a row that isn't exact is this long ago */
#define MAX_SESSIONS 16

struct mr_vec_xdp {
	struct mr_backend *backend;
	char root[32];
	uint64_t counts[MR_REASON_CAPACITY]; /* after the last row */
};

static const struct mr_backend_ops *const ops = &mr_backend_xdp;

static void bail_out(const char *what, const char *why)
{
	printf("Bail out! %s: %s\n", what, why);
	exit(1);
}

static void command(const char *text)
{
	if (system(text))
		bail_out("cannot set up the network", text);
}

/** Interfaces, addresses and neighbours as model.py says: the ways to any client. */
static void make_network(void)
{
	static const unsigned links[] = {11, 12, 13, 14};
	char text[256];

	command("ip link set lo up");
	/* nobody but a row sends anything: the one count that goes up is the row's */
	command("sysctl -qw net.ipv6.conf.default.disable_ipv6=1");
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		snprintf(text, sizeof(text),
			"ip link add mr%u index %u address 02:00:00:00:%u:01 type veth peer name "
			"peer%u && ip link set mr%u up && ip link set peer%u up",
			links[i], links[i], links[i], links[i], links[i], links[i]);
		command(text);
	}
	command("sysctl -qw net.ipv6.conf.mr11.disable_ipv6=0");
	command("ip addr add 203.0.113.7/24 dev mr11 && ip addr add 203.0.113.8/24 dev mr11");
	command("ip addr add 2001:db8:113::7/64 dev mr11 nodad");
	command("ip route add default via 203.0.113.1 dev mr11");
	command("ip -6 route add default via 2001:db8:113::1 dev mr11");
	command("ip neigh add 203.0.113.1 lladdr 02:00:00:00:11:fe dev mr11 nud permanent");
	command("ip neigh add 2001:db8:113::1 lladdr 02:00:00:00:11:fe dev mr11 nud permanent");
	/* what the daemon does for the look-ups: see next_hop.h */
	command("sysctl -qw net.ipv4.conf.lo.forwarding=1 net.ipv6.conf.lo.forwarding=1");
}

static void set_up(struct mr_vec_xdp *bed)
{
	static const char *const interfaces[] = {"mr11", "mr12", "mr13", "mr14"};
	char pin_dir[64];
	struct mr_backend_config config = {
		.dataplane = MR_DATAPLANE_XDP_NATIVE,
		.interfaces = interfaces,
		.n_interfaces = 4,
		.pin_dir = pin_dir,
		.max_sessions = MAX_SESSIONS,
		.upstream_lo = 61008,
	};
	struct mr_why why;
	bool adopted;

	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0)
		bail_out("cannot make a network namespace", "run it as root");
	strcpy(bed->root, "/tmp/mr-run-xdp-XXXXXX");
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || !mkdtemp(bed->root) ||
		mount("bpf", bed->root, "bpf", 0, NULL) < 0)
		bail_out("cannot mount a BPF filesystem", strerror(errno));
	snprintf(pin_dir, sizeof(pin_dir), "%s/pins", bed->root);
	make_network();
	if (ops->open(&config, &bed->backend, &adopted, &why) < 0)
		bail_out("cannot load the program", why.text);
}

void mr_vec_xdp_close(struct mr_vec_xdp *bed)
{
	ops->detach(bed->backend);
	umount2(bed->root, MNT_DETACH);
	rmdir(bed->root);
	free(bed);
}

static void must(int r, const char *what)
{
	if (r < 0)
		bail_out(what, strerror(-r));
}

void mr_vec_xdp_world(struct mr_vec_xdp *bed, const struct mr_vec_file *file)
{
	for (uint32_t i = 0; i < file->n_addresses; i++)
		must(ops->address_put(bed->backend, i, &file->addresses[i]), "address_put");
	for (size_t i = 0; i < file->n_links; i++)
		must(ops->link_put(bed->backend, file->links[i].ifindex, &file->links[i].link),
			"link_put");
	bed->backend->state->generation = file->generation;
}

static void put_session(struct mr_vec_xdp *bed, const struct mr_vec_file *file,
	const struct mr_vec *row, const struct mr_session *session)
{
	struct mr_ref ref = {MR_VEC_INDEX, 0};
	struct mr_key key = mr_vec_target_key(row);

	must(ops->session_put(bed->backend, MR_VEC_INDEX, session), "session_put");
	must(ops->target_put(bed->backend, &key, ref), "target_put");
	for (uint32_t i = 0; i < file->n_addresses; i++) {
		ref.public_slot = i;
		key = mr_vec_public_key(file, row, i);
		must(ops->public_put(bed->backend, &key, ref), "public_put");
	}
}

static void take_session(struct mr_vec_xdp *bed, const struct mr_vec_file *file,
	const struct mr_vec *row, struct mr_session *ret_session)
{
	struct mr_key key = mr_vec_target_key(row);

	must(ops->session_get(bed->backend, MR_VEC_INDEX, 1, ret_session), "session_get");
	must(ops->target_del(bed->backend, &key), "target_del");
	for (uint32_t i = 0; i < file->n_addresses; i++) {
		key = mr_vec_public_key(file, row, i);
		must(ops->public_del(bed->backend, &key), "public_del");
	}
}

/** The one reason that was counted since the last row, MR_REASON_COUNT if it isn't one. */
static enum mr_reason counted(struct mr_vec_xdp *bed)
{
	struct mr_reason_count counts[MR_REASON_CAPACITY];
	enum mr_reason found = MR_REASON_COUNT;
	unsigned total = 0;

	must(ops->stats(bed->backend, counts), "stats");
	for (int i = 0; i < MR_REASON_CAPACITY; i++) {
		unsigned more = (unsigned)(counts[i].packets - bed->counts[i]);

		bed->counts[i] = counts[i].packets;
		total += more;
		if (more)
			found = (enum mr_reason)i;
	}
	return total == 1 ? found : MR_REASON_COUNT;
}

struct mr_vec_xdp *mr_vec_xdp_open(void)
{
	struct mr_vec_xdp *bed = calloc(1, sizeof(*bed));
	struct timespec up;

	clock_gettime(CLOCK_MONOTONIC, &up);
	if (up.tv_sec < UPTIME_S)
		bail_out("the machine has just been started", "try again in two minutes");
	if (!bed)
		bail_out("cannot start", "out of memory");
	set_up(bed);
	return bed;
}

bool mr_vec_xdp_can_run(const struct mr_vec *row)
{
	return !row->exact && row->in_len >= ETH_HLEN;
}

static enum xdp_action expected_action(enum mr_reason reason, const struct mr_vec *row)
{
	switch (mr_reason_verdict(reason)) {
	case MR_VERDICT_PASS:
		return XDP_PASS;
	case MR_VERDICT_SEND:
		return row->egress == row->ingress ? XDP_TX : XDP_REDIRECT;
	default:
		return XDP_DROP;
	}
}

static int64_t coarse_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

bool mr_vec_xdp_run(struct mr_vec_xdp *bed, const struct mr_vec_file *file,
	const struct mr_vec *row, struct mr_session *session, struct mr_vec_result *ret_result,
	char *why)
{
	struct xdp_md md = {.data_end = (uint32_t)row->in_len, .ingress_ifindex = row->ingress};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = row->in,
		.data_size_in = (uint32_t)row->in_len, .data_out = ret_result->frame,
		.data_size_out = sizeof(ret_result->frame), .ctx_in = &md,
		.ctx_size_in = sizeof(md));
	const struct mr_session before = *session;
	enum xdp_action expected;
	int64_t start, shift;
	int r;

	/* Where this process was kept waiting in the midst of it, the row's times were others. */
	do {
		*session = before;
		opts.data_size_out = sizeof(ret_result->frame);
		start = coarse_ns();
		shift = start - (int64_t)row->clock_ns;
		mr_vec_shift(session, shift);
		put_session(bed, file, row, session);
		r = bpf_prog_test_run_opts(
			bpf_program__fd(bed->backend->skel->progs.moshrelay), &opts);
		take_session(bed, file, row, session);
		mr_vec_shift(session, -shift);
		ret_result->reason = counted(bed);
		ret_result->egress = 0;
		ret_result->n_events = 0;
		must(ops->events(bed->backend, 2 * MR_VEC_EVENTS, mr_vec_keep_event, ret_result),
			"events");
	} while (coarse_ns() - start >= (int64_t)MR_VEC_XDP_TOLERANCE_NS / 2);
	ret_result->len = opts.data_size_out;
	if (r < 0) {
		snprintf(why, MR_VEC_WHY, "the kernel refused the run: %s", strerror(-r));
		return false;
	}
	expected = expected_action(ret_result->reason, row);
	if (opts.retval == expected)
		return true;
	snprintf(why, MR_VEC_WHY, "the action is %u, expected %u", opts.retval, expected);
	return false;
}
