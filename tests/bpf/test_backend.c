/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_backend.c - the XDP backend over a real kernel: tables, adoption, refusals, detaching.
 *
 * Each test has a network namespace and a BPF filesystem of its own, which go with its process.
 */
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <bpf/bpf.h>

#include "backend.h"

#define MAX_SESSIONS 1000

static const struct mr_backend_ops *ops = &mr_backend_xdp;
static char root[] = "/tmp/mr-test-backend-XXXXXX";
static char pin_dir[64];

static void run(const char *command)
{
	cr_assert(zero(int, system(command)), "%s", command);
}

static void set_up(void)
{
	cr_assert(zero(int, unshare(CLONE_NEWNET | CLONE_NEWNS)), "needs root");
	cr_assert(zero(int, mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL)));
	cr_assert(ne(ptr, mkdtemp(root), NULL));
	cr_assert(zero(int, mount("bpf", root, "bpf", 0, NULL)));
	snprintf(pin_dir, sizeof(pin_dir), "%s/pins", root);
	run("ip link add mr0 type veth peer name mr1 && ip link set mr0 up && ip link set mr1 up");
}

static void tear_down(void)
{
	umount2(root, MNT_DETACH);
	rmdir(root);
}

static struct mr_backend_config config(const char *const *interface)
{
	return (struct mr_backend_config){
		.dataplane = MR_DATAPLANE_XDP_NATIVE,
		.interfaces = interface,
		.n_interfaces = 1,
		.pin_dir = pin_dir,
		.max_sessions = MAX_SESSIONS,
		.upstream_lo = 61008,
	};
}

static int open_on(
	const char *interface, struct mr_backend **ret, bool *adopted, struct mr_why *why)
{
	const char *names[] = {interface};
	struct mr_backend_config c = config(names);

	return ops->open(&c, ret, adopted, why);
}

static struct mr_backend *must_open(bool expect_adopted)
{
	struct mr_backend *b = NULL;
	struct mr_why why = {};
	bool adopted;

	cr_assert(zero(int, open_on("mr0", &b, &adopted, &why)), "%s", why.text);
	cr_assert(eq(int, adopted, expect_adopted));
	return b;
}

TestSuite(backend, .init = set_up, .fini = tear_down, .timeout = 600);

Test(backend, records_come_back_one_by_one_and_in_batches)
{
	struct mr_backend *b = must_open(false);
	static struct mr_session all[MAX_SESSIONS];

	for (uint32_t i = 0; i < MAX_SESSIONS; i++) {
		struct mr_session s = {.id = i + 1, .flags = MR_SESSION_OPEN, .version = 4};

		cr_assert(zero(int, ops->session_put(b, i, &s)));
	}
	for (uint32_t first = 0; first < MAX_SESSIONS; first += 333) {
		uint32_t count = mr_min(333U, MAX_SESSIONS - first);

		cr_assert(zero(int, ops->session_get(b, first, count, all)));
		for (uint32_t i = 0; i < count; i++)
			cr_assert(eq(u64, all[i].id, first + i + 1));
	}
	cr_assert(zero(int, ops->session_get(b, 0, MAX_SESSIONS, all)));
	cr_assert(eq(int, ops->session_get(b, 0, MAX_SESSIONS + 1, all), -EINVAL));
	cr_assert(eq(int, ops->session_get(b, MAX_SESSIONS, 1, all), -EINVAL));

	cr_assert(zero(int, ops->session_close(b, 7)));
	cr_assert(zero(int, ops->session_get(b, 7, 1, all)));
	cr_assert(zero(int, all[0].flags &MR_SESSION_OPEN));
	cr_assert(eq(u64, all[0].id, 8));
	cr_assert(all[0].version % 2 == 0 && all[0].version - 4 > 1000000,
		"whoever reads it without the lock sees a change");
	ops->detach(b);
}

Test(backend, a_public_endpoint_leads_to_one_session)
{
	struct mr_backend *b = must_open(false);
	struct mr_addr addr = mr_addr_from_v4(mr_cpu_to_be32(0x0a020002)),
		       other = {.w = {1, 2, 3, 4}};
	struct mr_ref ref = {.index = 1};

	for (uint32_t port = 1; port < 65536; port += 13) {
		struct mr_key key = mr_key_public(&addr, mr_cpu_to_be16((__u16)port));

		if (port == 1) {
			cr_assert(eq(int, ops->public_put(b, &key, ref), -EINVAL));
			cr_assert(zero(int, ops->address_put(b, 5, &addr)));
			ref.public_slot = 5;
		}
		cr_assert(zero(int, ops->public_put(b, &key, ref)));
		cr_assert(eq(int, ops->public_put(b, &key, ref), -EEXIST));
	}
	struct mr_key over = mr_key_public(&addr, mr_cpu_to_be16(1));

	ref.index = MAX_SESSIONS;
	cr_assert(zero(int, ops->public_del(b, &over)));
	cr_assert(eq(int, ops->public_del(b, &over), -ENOENT));
	cr_assert(eq(int, ops->public_put(b, &over, ref), -EINVAL));
	cr_assert(eq(int, ops->address_put(b, MR_PUBLIC_MAX, &other), -ENOSPC));
	ops->detach(b);
}

static struct mr_key session_key(const struct mr_session *s)
{
	return mr_key_target(&s->target, s->target_port, s->upstream_base);
}

/* Every session there is room for, on few target endpoints, so that keys differ in blocks alone. */
Test(backend, target_keys_fill_are_found_and_go)
{
	struct mr_backend *b = must_open(false);
	static struct mr_session all[MAX_SESSIONS];
	unsigned full = 0;

	for (uint32_t i = 0; i < MAX_SESSIONS; i++) {
		struct mr_key key;

		all[i] = (struct mr_session){
			.id = i + 1,
			.target = mr_addr_from_v4(mr_cpu_to_be32(0x0a020000 + i / 283)),
			.target_port = mr_cpu_to_be16(60001),
			.upstream_base = (__u16)(61008 + i % 283 * MR_LEGS),
		};
		key = session_key(&all[i]);
		cr_assert(zero(int, ops->session_put(b, i, &all[i])));
		cr_assert(eq(int, ops->target_del(b, &key), -ENOENT));
		if (ops->target_put(b, &key, (struct mr_ref){.index = i}) == -ENOSPC) {
			full++;
			all[i].id = 0;
			continue;
		}
		cr_assert(eq(int, ops->target_put(b, &key, (struct mr_ref){.index = i}), -EEXIST));
	}
	cr_assert(zero(u32, full), "a table half full has no room");
	for (uint32_t i = 0; i < MAX_SESSIONS; i++) {
		struct mr_key key = session_key(&all[i]);

		cr_assert(zero(int, ops->target_del(b, &key)));
		cr_assert(eq(int, ops->target_del(b, &key), -ENOENT));
	}
	ops->detach(b);
}

Test(backend, the_next_daemon_takes_over_records_and_links)
{
	struct mr_backend *b = must_open(false);
	struct mr_session s = {.id = 42, .flags = MR_SESSION_OPEN}, back;

	cr_assert(zero(int, ops->session_put(b, 3, &s)));
	ops->close(b);
	run("ip link show mr0 | grep -q xdp");
	b = must_open(true);
	cr_assert(zero(int, ops->session_get(b, 3, 1, &back)));
	cr_assert(eq(u64, back.id, 42));
	ops->detach(b);
	run("! ip link show mr0 | grep -q xdp");
	cr_assert(eq(int, access(pin_dir, F_OK), -1), "pins are left behind");
	ops->detach(must_open(false));
}

Test(backend, an_interface_made_anew_is_attached_anew)
{
	ops->close(must_open(false));
	run("ip link del mr0 && ip link add mr0 type veth peer name mr1 && ip link set mr0 up");
	struct mr_backend *b = must_open(true);

	run("ip link show mr0 | grep -q xdp");
	ops->detach(b);
}

Test(backend, a_link_of_an_interface_no_longer_configured_goes)
{
	struct mr_backend *b = NULL;
	struct mr_why why = {};
	bool adopted;

	ops->close(must_open(false));
	cr_assert(zero(int, open_on("mr1", &b, &adopted, &why)), "%s", why.text);
	run("ip link show mr1 | grep -q xdp");
	run("! ip link show mr0 | grep -q xdp");
	ops->detach(b);
}

Test(backend, refusals_say_why_and_leave_nothing)
{
	struct mr_backend *b = NULL;
	struct mr_why why = {};
	bool adopted;

	cr_assert(eq(int, open_on("nosuch0", &b, &adopted, &why), -ENODEV));
	cr_assert(strstr(why.text, "nosuch0") != NULL, "%s", why.text);
	cr_assert(eq(int, access(pin_dir, F_OK), -1), "pins are left behind");

	cr_assert(eq(int, open_on("lo", &b, &adopted, &why), -EOPNOTSUPP), "%s", why.text);
	cr_assert(eq(int, access(pin_dir, F_OK), -1), "pins are left behind");

	snprintf(pin_dir, sizeof(pin_dir), "/tmp/mr-test-no-bpffs-%d", getpid());
	cr_assert(eq(int, open_on("mr0", &b, &adopted, &why), -EINVAL));
	cr_assert(strstr(why.text, "mount -t bpf") != NULL, "%s", why.text);
	cr_assert(eq(int, access(pin_dir, F_OK), -1));
}

/* A map of another size in the place of ours, as another version would leave it. */
static void pin_foreign_map(const char *name, uint32_t value_size)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "foreign", 4, value_size, 1, NULL);
	char path[128];

	cr_assert(ge(int, fd, 0));
	snprintf(path, sizeof(path), "%s/%s", pin_dir, name);
	unlink(path);
	cr_assert(zero(int, bpf_obj_pin(fd, path)));
	close(fd);
}

Test(backend, pins_of_another_version_are_refused_in_words)
{
	static const char *const names[] = {"state", "sessions", "buckets"};
	struct mr_backend *b = NULL;
	struct mr_why why = {};
	char path[128];
	bool adopted;

	ops->close(must_open(false));
	for (size_t i = 0; i < 3; i++) {
		why.text[0] = '\0';
		pin_foreign_map(names[2 - i], 4096);
		cr_assert(eq(int, open_on("mr0", &b, &adopted, &why), -EPROTO), "%s", names[i]);
		cr_assert(strstr(why.text, "another version") != NULL, "%s", why.text);
		cr_assert(strstr(why.text, pin_dir) != NULL, "%s", why.text);
		run("ip link show mr0 | grep -q xdp");
		snprintf(path, sizeof(path), "%s/addresses", pin_dir);
		cr_assert(zero(int, access(path, F_OK)), "the other version's pins are gone");
	}
}

/* What a detach leaves that is killed once it has begun to remove pins, or a start before its end.
 */
Test(backend, pins_without_a_state_are_leftovers)
{
	struct mr_addr addr = mr_addr_from_v4(mr_cpu_to_be32(0x0a020002));
	struct mr_key key = mr_key_public(&addr, mr_cpu_to_be16(60001));
	struct mr_ref ref = {.index = 1, .public_slot = 0};
	struct mr_backend *b;
	char path[128];

	for (int turn = 0; turn < 2; turn++) {
		b = must_open(false);
		cr_assert(zero(int, ops->address_put(b, 0, &addr)));
		cr_assert(zero(int, ops->public_put(b, &key, ref)), "an old key is there");
		ops->close(b);
		snprintf(path, sizeof(path), "%s/link-mr0", pin_dir);
		cr_assert(zero(int, unlink(path)));
		snprintf(path, sizeof(path), "%s/state", pin_dir);
		cr_assert(zero(int, unlink(path)));
	}
	ops->detach(must_open(false));
}

Test(backend, an_address_that_was_put_by_half_is_put_whole)
{
	struct mr_addr addr = mr_addr_from_v4(mr_cpu_to_be32(0x0a020002)), back;
	struct mr_key key = mr_key_public(&addr, mr_cpu_to_be16(60001));
	struct mr_ref ref = {.index = 1, .public_slot = 9};
	struct mr_backend *b = must_open(false);
	uint32_t slot = 9;
	char path[128];
	int fd;

	ops->close(b);
	snprintf(path, sizeof(path), "%s/addresses", pin_dir);
	fd = bpf_obj_get(path);
	cr_assert(zero(int, bpf_map_update_elem(fd, &slot, &addr, 0)));
	close(fd);
	b = must_open(true);
	cr_assert(zero(int, ops->address_get(b, slot, &back)));
	cr_assert(mr_addr_equal(&addr, &back));
	cr_assert(zero(int, ops->public_put(b, &key, ref)), "packets would not find it");
	ops->detach(b);
}

Test(backend, somebody_elses_program_is_left_alone)
{
	struct mr_backend *b = must_open(false), *second = NULL;
	struct mr_why why = {};
	bool adopted;

	strcat(pin_dir, "2");
	cr_assert(eq(int, open_on("mr0", &second, &adopted, &why), -EBUSY), "%s", why.text);
	cr_assert(strstr(why.text, "another XDP program") != NULL, "%s", why.text);
	run("ip link show mr0 | grep -q xdp");
	ops->detach(b);
}

Test(backend, a_mode_is_not_changed_behind_the_operators_back)
{
	const char *names[] = {"mr0"};
	struct mr_backend_config c = config(names);
	struct mr_backend *b = NULL;
	struct mr_why why = {};
	bool adopted;

	c.dataplane = MR_DATAPLANE_XDP_GENERIC;
	cr_assert(zero(int, ops->open(&c, &b, &adopted, &why)), "%s", why.text);
	ops->close(b);
	cr_assert(eq(int, open_on("mr0", &b, &adopted, &why), -EBUSY));
	cr_assert(strstr(why.text, "generic") != NULL, "%s", why.text);
	cr_assert(zero(int, ops->open(&c, &b, &adopted, &why)), "%s", why.text);
	ops->detach(b);
}

static void expect_attached(const char *name, bool attached)
{
	char command[128];

	snprintf(command, sizeof(command), "ip link show %s | %s ' xdp'", name,
		attached ? "grep -q" : "{ ! grep -q");
	strncat(command, attached ? "" : "; }", sizeof(command) - strlen(command) - 1);
	run(command);
}

static int set_interface(struct mr_backend *b, unsigned ifindex)
{
	struct mr_why why;

	return ops->interface_set(b, "mr0", ifindex, &why);
}

Test(backend, an_interface_that_is_made_anew_is_attached_again)
{
	struct mr_backend *b = must_open(false);
	struct mr_why why = {};
	bool adopted;

	run("ip link del mr0 && ip link add mr0 type veth peer name mr1");
	expect_attached("mr0", false);
	cr_assert(eq(int, ops->interface_set(b, "lo", 1, &why), -ENOENT));
	cr_assert(zero(int, set_interface(b, if_nametoindex("mr0"))));
	expect_attached("mr0", true);

	/* It loses its name, and gets it back. */
	run("ip link set mr0 down && ip link set mr0 name mr9");
	cr_assert(zero(int, set_interface(b, 0)));
	expect_attached("mr9", false);
	run("ip link set mr9 name mr0 && ip link set mr0 up");
	cr_assert(zero(int, set_interface(b, if_nametoindex("mr0"))));
	expect_attached("mr0", true);

	/* A failure leaves it without an interface; the next call starts over. */
	cr_assert(lt(int, set_interface(b, 999), 0));
	expect_attached("mr0", false);
	cr_assert(zero(int, set_interface(b, if_nametoindex("mr0"))));

	/* The next daemon takes over the link that is there now. */
	ops->close(b);
	expect_attached("mr0", true);
	cr_assert(zero(int, open_on("mr0", &b, &adopted, &why)), "%s", why.text);
	cr_assert(adopted);
	ops->detach(b);
	expect_attached("mr0", false);
}
