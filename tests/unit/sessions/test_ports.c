/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_ports.c - what sessions are made of: public ports that nobody else gets, blocks of upstream
 * ports and records that rest before they are used again.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "blocks.h"
#include "indices.h"
#include "ports.h"

static int64_t now = 100 * MR_SECOND;

static int64_t monotonic(void)
{
	return now;
}

static const struct mr_clock test_clock = {.monotonic = monotonic, .realtime = monotonic};

/* Public ports. */

static struct mr_ports *ports;

static void init_ports(void)
{
	const struct mr_port_range ranges[] = {{42001, 42004}, {42003, 42003}};

	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		cr_assert_fail("no network namespace for the test");
	cr_assert_eq(mr_ports_new(ranges, 2, &test_clock, &ports), 0);
}

static void free_ports(void)
{
	mr_ports_free(ports);
}

TestSuite(ports, .init = init_ports, .fini = free_ports);

/* A local program's attempt; the socket, or -errno. */
static int local_program(int family, uint16_t port)
{
	const struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	const struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int r = family == AF_INET ? bind(fd, (const struct sockaddr *)&in4, sizeof(in4))
				  : bind(fd, (const struct sockaddr *)&in6, sizeof(in6));

	if (r == 0)
		return fd;
	r = -errno;
	close(fd);
	return r;
}

Test(ports, each_port_is_given_once_and_held_in_both_families)
{
	bool seen[4] = {false};
	uint16_t port;

	cr_assert_eq(mr_ports_size(ports, 0), 4);
	for (int i = 0; i < 4; i++) {
		cr_assert_eq(mr_ports_left(ports, 0), 4 - i);
		cr_assert_eq(mr_ports_take(ports, 0, &port), 0);
		cr_assert(port >= 42001 && port <= 42004 && !seen[port - 42001]);
		seen[port - 42001] = true;
		cr_assert(mr_ports_is_held(ports, port));
		cr_assert_eq(local_program(AF_INET, port), -EADDRINUSE);
		cr_assert_eq(local_program(AF_INET6, port), -EADDRINUSE);
	}
	cr_assert_eq(mr_ports_take(ports, 0, &port), -ENOSPC);
	mr_ports_release(ports, 0, 42002);
	cr_assert_eq(mr_ports_take(ports, 0, &port), 0);
	cr_assert_eq(port, 42002);
}

Test(ports, two_pools_share_a_socket)
{
	uint16_t port;
	int fd;

	cr_assert_eq(mr_ports_claim(ports, 0, 42003), 0);
	cr_assert_eq(mr_ports_take(ports, 1, &port), 0);
	cr_assert_eq(port, 42003);
	cr_assert_eq(mr_ports_held(ports), 1);
	mr_ports_release(ports, 0, 42003);
	cr_assert(mr_ports_is_held(ports, 42003), "the other one has it still");
	mr_ports_release(ports, 1, 42003);
	cr_assert(!mr_ports_is_held(ports, 42003));
	fd = local_program(AF_INET, 42003);
	cr_assert(fd >= 0);
	close(fd);
}

Test(ports, one_that_a_local_program_has_is_left_alone_for_a_while)
{
	uint16_t port;
	int fd = local_program(AF_INET, 42003);

	cr_assert_eq(mr_ports_take(ports, 1, &port), -ENOSPC);
	cr_assert_eq(mr_ports_left(ports, 1), 1);
	close(fd);
	now += MR_PORTS_TAKEN_NS - MR_SECOND;
	cr_assert_eq(mr_ports_take(ports, 1, &port), -ENOSPC);
	now += MR_SECOND;
	cr_assert_eq(mr_ports_take(ports, 1, &port), 0);
}

Test(ports, a_session_from_the_store_gets_its_port_in_any_case)
{
	int fd = local_program(AF_INET, 42001);

	cr_assert_eq(mr_ports_claim(ports, 0, 42001), -EADDRINUSE);
	cr_assert(mr_ports_is_taken(ports, 0, 42001));
	cr_assert_eq(mr_ports_claim(ports, 0, 42001), -EEXIST);
	cr_assert_eq(mr_ports_claim(ports, 0, 50000), 0, "outside the range");
	cr_assert_eq(mr_ports_left(ports, 0), 3);
	mr_ports_release(ports, 0, 50000);
	mr_ports_release(ports, 0, 42001);
	cr_assert_eq(mr_ports_left(ports, 0), 4);
	close(fd);
}

Test(ports, without_file_descriptors_ports_are_given_but_not_held)
{
	const struct mr_port_range range = {43001, 43010};
	struct rlimit limit;
	struct mr_ports *poor;
	uint16_t port;

	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = 8;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	cr_assert_eq(mr_ports_new(&range, 1, &test_clock, &poor), 0);
	limit.rlim_cur = limit.rlim_max;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	for (int i = 0; i < 10; i++)
		cr_assert_eq(mr_ports_take(poor, 0, &port), 0);
	cr_assert_eq(mr_ports_held(poor), 4, "the other half is for users' connections");
	mr_ports_free(poor);
}

Test(ports, ranges_that_make_no_sense_are_refused)
{
	const struct mr_port_range backwards = {5, 4}, zero = {0, 5}, one = {9, 9};
	struct mr_ports *none;

	cr_assert_eq(mr_ports_new(&backwards, 1, &test_clock, &none), -EINVAL);
	cr_assert_eq(mr_ports_new(&zero, 1, &test_clock, &none), -EINVAL);
	cr_assert_eq(mr_ports_new(&one, 1, &test_clock, &none), 0);
	cr_assert_eq(mr_ports_size(none, 0), 1);
	mr_ports_free(none);
}

/* Upstream blocks. */

static const struct mr_addr target = {.w = {1, 2, 3, 4}}, other = {.w = {1, 2, 3, 5}};

Test(blocks, the_default_range_has_283)
{
	struct mr_blocks *blocks;

	cr_assert_eq(mr_blocks_new(61008, 65535, &test_clock, &blocks), 0);
	cr_assert_eq(mr_blocks_size(blocks), 283);
	mr_blocks_free(blocks);
	cr_assert_eq(mr_blocks_new(61008, 61022, &test_clock, &blocks), -EINVAL);
	cr_assert_eq(mr_blocks_new(61008, 61023, &test_clock, &blocks), 0);
	cr_assert_eq(mr_blocks_size(blocks), 1);
	mr_blocks_free(blocks);
	cr_assert_eq(mr_blocks_new(61009, 61038, &test_clock, &blocks), -EINVAL, "none is whole");
	cr_assert_eq(mr_blocks_new(1, 65535, &test_clock, &blocks), 0);
	cr_assert_eq(mr_blocks_size(blocks), 4095);
	mr_blocks_free(blocks);
}

Test(blocks, every_target_endpoint_has_all_of_them)
{
	struct mr_blocks *blocks;
	bool seen[283] = {false};
	uint16_t base;

	cr_assert_eq(mr_blocks_new(61008, 65535, &test_clock, &blocks), 0);
	for (int i = 0; i < 283; i++) {
		cr_assert_eq(mr_blocks_take(blocks, &target, 60001, &base), 0);
		cr_assert(base >= 61008 && base % MR_LEGS == 0);
		cr_assert(!seen[(base - 61008) / MR_LEGS]);
		seen[(base - 61008) / MR_LEGS] = true;
	}
	cr_assert_eq(mr_blocks_take(blocks, &target, 60001, &base), -ENOSPC);
	cr_assert_eq(mr_blocks_take(blocks, &target, 60002, &base), 0);
	cr_assert_eq(mr_blocks_take(blocks, &other, 60001, &base), 0);
	mr_blocks_free(blocks);
}

Test(blocks, one_that_was_used_rests_at_its_endpoint)
{
	struct mr_blocks *blocks;
	uint16_t base;

	cr_assert_eq(mr_blocks_new(61008, 61023, &test_clock, &blocks), 0);
	cr_assert_eq(mr_blocks_take(blocks, &target, 60001, &base), 0);
	mr_blocks_release(blocks, &target, 60001, base, true);
	now += MR_BLOCKS_QUARANTINE_NS - 1;
	cr_assert_eq(mr_blocks_take(blocks, &target, 60001, &base), -ENOSPC);
	cr_assert_eq(mr_blocks_take(blocks, &other, 60001, &base), 0, "elsewhere it is free");
	now += 1;
	cr_assert_eq(mr_blocks_take(blocks, &target, 60001, &base), 0);
	mr_blocks_release(blocks, &target, 60001, base, false);
	cr_assert_eq(mr_blocks_take(blocks, &target, 60001, &base), 0, "never used: free at once");
	mr_blocks_free(blocks);
}

Test(blocks, a_session_from_the_store_gets_its_own)
{
	struct mr_blocks *blocks;
	uint16_t base;

	cr_assert_eq(mr_blocks_new(61008, 61039, &test_clock, &blocks), 0);
	cr_assert_eq(mr_blocks_claim(blocks, &target, 60001, 61009), -EINVAL);
	cr_assert_eq(mr_blocks_claim(blocks, &target, 60001, 61008), 0);
	cr_assert_eq(mr_blocks_claim(blocks, &target, 60001, 61008), -EEXIST);
	cr_assert_eq(mr_blocks_claim(blocks, &target, 60001, 40000), 0, "outside the range");
	cr_assert_eq(mr_blocks_take(blocks, &target, 60001, &base), 0);
	cr_assert_eq(base, 61024);
	cr_assert_eq(mr_blocks_take(blocks, &target, 60001, &base), -ENOSPC);
	mr_blocks_release(blocks, &target, 60001, 40000, true);
	now += MR_BLOCKS_QUARANTINE_NS;
	cr_assert_eq(mr_blocks_take(blocks, &target, 60001, &base), -ENOSPC);
	mr_blocks_free(blocks);
}

/* Records. */

Test(indices, the_one_freed_last_comes_first_but_not_at_once)
{
	struct mr_indices *indices;
	uint32_t index;

	cr_assert_eq(mr_indices_new(4, &test_clock, &indices), 0);
	cr_assert_eq(mr_indices_claim(indices, 1), 0);
	cr_assert_eq(mr_indices_claim(indices, 1), -EEXIST);
	cr_assert_eq(mr_indices_claim(indices, 4), -EINVAL);
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(mr_indices_take(indices, &index), 0);
		cr_assert_neq(index, 1);
	}
	cr_assert_eq(mr_indices_take(indices, &index), -ENOSPC);
	mr_indices_release(indices, 2);
	now += MR_INDICES_QUARANTINE_NS - 1000000;
	cr_assert_eq(mr_indices_take(indices, &index), -ENOSPC);
	mr_indices_release(indices, 3);
	now += 1000000;
	cr_assert_eq(mr_indices_take(indices, &index), 0);
	cr_assert_eq(index, 2);
	cr_assert_eq(mr_indices_take(indices, &index), -ENOSPC);
	now += MR_INDICES_QUARANTINE_NS;
	cr_assert_eq(mr_indices_take(indices, &index), 0);
	cr_assert_eq(index, 3);
	mr_indices_free(indices);
}

Test(indices, years_of_uptime_wrap_nothing)
{
	struct mr_indices *indices;
	uint32_t index;

	now = ((int64_t)UINT32_MAX - 500) * 1000000; /* ms are kept modulo 2^32 */
	cr_assert_eq(mr_indices_new(1, &test_clock, &indices), 0);
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(mr_indices_take(indices, &index), 0);
		mr_indices_release(indices, index);
		cr_assert_eq(mr_indices_take(indices, &index), -ENOSPC);
		now += MR_INDICES_QUARANTINE_NS;
	}
	mr_indices_free(indices);
}

Test(indices, a_month_without_an_open_makes_no_rest_longer)
{
	struct mr_indices *indices;
	uint32_t index;

	now = 0;
	cr_assert_eq(mr_indices_new(1, &test_clock, &indices), 0);
	cr_assert_eq(mr_indices_take(indices, &index), 0);
	mr_indices_release(indices, index);
	now = 30 * 86400 * MR_SECOND; /* over 2^31 ms */
	cr_expect_eq(mr_indices_take(indices, &index), 0);
	mr_indices_free(indices);
}
