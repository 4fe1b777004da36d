// SPDX-License-Identifier: BSD-2-Clause
/*
 * bed.c - see bed.h.
 */
#include "bed.h"

#include <criterion/criterion.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

const struct mr_backend_ops *const ops = &mr_backend_xdp;
struct mr_backend *backend;
struct bed_result got;
static struct mr_vec_file vectors;
static char root[] = "/tmp/mr-test-hop-XXXXXX";

void run(const char *format, ...)
{
	char command[512];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	cr_assert_eq(system(command), 0, "%s", command);
}

void make_interface(unsigned index)
{
	run("ip link add mr%u index %u address 02:00:00:00:%u:01 type veth peer name peer%u", index,
		index, index, index);
	run("sysctl -qw net.ipv6.conf.mr%u.disable_ipv6=0", index);
	run("ip link set mr%u up && ip link set peer%u up", index, index);
}

void use_link(uint32_t ifindex, uint32_t carrier, uint16_t vlan, uint16_t flags)
{
	struct mr_link link = {carrier, vlan, flags};

	cr_assert_eq(ops->link_put(backend, ifindex, &link), 0);
}

void bed_set_up(void)
{
	static const char *const interfaces[] = {"mr11", "mr12"};
	static char pin_dir[64], why_text[MR_VEC_WHY];
	struct mr_backend_config config = {
		.dataplane = MR_DATAPLANE_XDP_NATIVE,
		.interfaces = interfaces,
		.n_interfaces = 2,
		.pin_dir = pin_dir,
		.max_sessions = 16,
		.upstream_lo = 61008,
	};
	struct mr_why why;
	bool adopted;

	cr_assert_eq(unshare(CLONE_NEWNET | CLONE_NEWNS), 0, "needs root");
	cr_assert_eq(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	cr_assert(mkdtemp(root));
	cr_assert_eq(mount("bpf", root, "bpf", 0, NULL), 0);
	snprintf(pin_dir, sizeof(pin_dir), "%s/pins", root);
	cr_assert(getenv("MR_VECTORS"), "MR_VECTORS must name the file of vectors");
	cr_assert_eq(mr_vec_load(getenv("MR_VECTORS"), &vectors, why_text), 0, "%s", why_text);
	run("ip link set lo up && sysctl -qw net.ipv6.conf.default.disable_ipv6=1");
	run("sysctl -qw net.ipv4.conf.lo.forwarding=1 net.ipv6.conf.lo.forwarding=1");
	make_interface(CLIENTS);
	make_interface(TARGETS);
	run("ip addr add 10.2.0.1/24 dev mr12 && ip addr add fd00:2::1/64 dev mr12 nodad");
	cr_assert_eq(ops->open(&config, &backend, &adopted, &why), 0, "%s", why.text);
	use_link(CLIENTS, CLIENTS, 0, MR_LINK_USED);
	use_link(TARGETS, TARGETS, 0, MR_LINK_USED);
	for (uint32_t i = 0; i < vectors.n_addresses; i++)
		cr_assert_eq(ops->address_put(backend, i, &vectors.addresses[i]), 0);
}

void bed_tear_down(void)
{
	ops->detach(backend);
	mr_vec_free(&vectors);
	umount2(root, MNT_DETACH);
	rmdir(root);
}

const struct mr_vec *find_row(const char *what)
{
	for (size_t i = 0; i < vectors.n_rows; i++)
		if (!strcmp(vectors.rows[i].what, what))
			return &vectors.rows[i];
	cr_assert_fail("no row \"%s\"", what);
	return NULL;
}

/** Takes the keys away that lead to the session of a row. */
static void take_keys(const struct mr_vec *row)
{
	struct mr_key target = mr_vec_target_key(row);

	cr_assert_eq(ops->target_del(backend, &target), 0);
	for (uint32_t i = 0; i < vectors.n_addresses; i++) {
		struct mr_key public = mr_vec_public_key(&vectors, row, i);

		cr_assert_eq(ops->public_del(backend, &public), 0);
	}
}

void put_session(const struct mr_vec *row, const struct mr_session *session)
{
	static const struct mr_vec *before;
	struct mr_key target = mr_vec_target_key(row);

	if (before)
		take_keys(before);
	before = row;
	cr_assert_eq(ops->session_put(backend, MR_VEC_INDEX, session), 0);
	cr_assert_eq(ops->target_put(backend, &target, (struct mr_ref){MR_VEC_INDEX, 0}), 0);
	for (uint32_t i = 0; i < vectors.n_addresses; i++) {
		struct mr_key public = mr_vec_public_key(&vectors, row, i);

		cr_assert_eq(
			ops->public_put(backend, &public, (struct mr_ref){MR_VEC_INDEX, i}), 0);
	}
}

static void keep_event(const struct mr_event *event, void *context)
{
	(void)context;
	got.event = *event;
	got.events++;
}

void send_frame(const uint8_t *frame, size_t len, uint32_t ingress)
{
	struct xdp_md md = {.data_end = (uint32_t)len, .ingress_ifindex = ingress};
	struct mr_reason_count before[MR_REASON_CAPACITY], after[MR_REASON_CAPACITY];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = (uint32_t)len,
		.data_out = got.frame, .data_size_out = sizeof(got.frame), .ctx_in = &md,
		.ctx_size_in = sizeof(md));

	memset(&got, 0, sizeof(got));
	got.reason = MR_REASON_COUNT;
	cr_assert_eq(ops->stats(backend, before), 0);
	cr_assert_eq(
		bpf_prog_test_run_opts(bpf_program__fd(backend->skel->progs.moshrelay), &opts), 0);
	cr_assert_eq(ops->stats(backend, after), 0);
	for (int i = 0; i < MR_REASON_COUNT; i++)
		if (after[i].packets > before[i].packets)
			got.reason = (enum mr_reason)i;
	got.action = opts.retval;
	got.len = opts.data_size_out;
	cr_assert_geq(ops->events(backend, 8, keep_event, NULL), 0);
	cr_assert_eq(ops->session_get(backend, MR_VEC_INDEX, 1, &got.session), 0);
}
