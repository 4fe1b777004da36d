/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_pools.c - pools that change under a session manager that runs.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "bed.h"
#include "ports.h"

static struct bed bed;
static const struct mr_addr nine = {.w = {9, 9, 9, 9}};

static void start(void)
{
	bed_init(&bed);
	cr_assert_eq(bed_start(&bed, false), 0, "%s", bed.why.text);
}

static void end(void)
{
	bed_end(&bed);
}

TestSuite(pools, .init = start, .fini = end);

static bool leads(const struct mr_addr *addr, uint64_t id)
{
	const struct mr_session_info *info = mr_sessions_find(bed.sessions, id);
	struct mr_key key = mr_key_public(addr, htons(info->public_port));
	struct mr_ref ref;

	return fake_backend_lookup(bed.backend, true, &key, &ref) && ref.index == info->index;
}

static int set(const struct mr_session_pool *pools, size_t n_pools)
{
	return mr_sessions_set_pools(bed.sessions, pools, n_pools, &bed.why);
}

Test(pools, sessions_follow_the_addresses_of_their_pool)
{
	const struct mr_session_open open = bed_target(1), later = bed_target(2);
	struct mr_addr addresses[2];
	struct mr_session_pool pools[2] = {bed.pools[0], bed.pools[1]};
	uint64_t id = bed_open(&bed, &open);

	cr_assert(leads(&bed.public[0], id) && leads(&bed.public[1], id));
	addresses[0] = bed.public[1];
	addresses[1] = nine;
	pools[0].addresses = addresses;
	pools[0].n_addresses = 2;
	cr_assert_eq(set(pools, 2), 0, "%s", bed.why.text);
	cr_assert(!leads(&bed.public[0], id));
	cr_assert(leads(&bed.public[1], id) && leads(&addresses[1], id));
	cr_assert_eq(fake_backend_keys(bed.backend, true), 2);

	/* One that is opened afterwards; and back again, by the numbers that the addresses had. */
	uint64_t new = bed_open(&bed, &later);
	cr_assert(leads(&bed.public[1], new) && leads(&addresses[1], new));
	cr_assert_eq(set(bed.pools, 2), 0);
	cr_assert(leads(&bed.public[0], id) && leads(&bed.public[0], new));
	cr_assert(!leads(&addresses[1], id) && !leads(&addresses[1], new));
	bed_check_whole(&bed);
	cr_assert_eq(bed_close(&bed, id), 0);
	cr_assert_eq(bed_close(&bed, new), 0);
	cr_assert_eq(fake_backend_keys(bed.backend, true), 0);
}

Test(pools, a_port_out_of_range_is_kept_but_not_given_again)
{
	const struct mr_session_open open = bed_target(1), later = bed_target(2);
	struct mr_session_pool pool = bed.pools[0];
	struct mr_session_pool pools[2] = {pool, bed.pools[1]};
	uint64_t id = bed_open(&bed, &open);
	uint16_t port = mr_sessions_find(bed.sessions, id)->public_port;
	struct mr_sessions_counts counts;

	pools[0].port_lo = pools[0].port_hi = (uint16_t)(pool.port_hi + 100);
	cr_assert_eq(set(pools, 2), 0);
	cr_assert_eq(mr_sessions_find(bed.sessions, id)->public_port, port);
	mr_sessions_counts(bed.sessions, &counts);
	cr_assert_eq(counts.public_ports, 1 + 3);
	cr_assert_eq(counts.public_ports_free, 1 + 3);
	cr_assert_eq(mr_sessions_find(bed.sessions, bed_open(&bed, &later))->public_port,
		pools[0].port_lo);
	cr_assert_eq(bed_close(&bed, id), 0);
	mr_sessions_counts(bed.sessions, &counts);
	cr_assert_eq(counts.public_ports_free, 3, "what is out of range adds to nothing");
	bed_check_whole(&bed);
}

Test(pools, what_takes_a_restart_is_refused_and_changes_nothing)
{
	const struct mr_session_open open = bed_target(1);
	uint64_t id = bed_open(&bed, &open);
	struct mr_addr twice[2] = {bed.public[0], bed.public[0]};
	struct mr_addr others[2] = {bed.public[0], bed.public[2]};
	struct mr_addr fresh[2];
	struct mr_session_pool swapped[2] = {bed.pools[1], bed.pools[0]};
	struct mr_session_pool pools[2] = {bed.pools[0], bed.pools[1]};

	cr_assert_eq(set(bed.pools, 1), -EBUSY);
	cr_assert_not_null(strstr(bed.why.text, "\"second\""), "%s", bed.why.text);
	cr_assert_eq(set(swapped, 2), -EBUSY);
	pools[0].addresses = twice;
	cr_assert_eq(set(pools, 2), -EINVAL);
	pools[0].addresses = others;
	cr_assert_eq(set(pools, 2), -EBUSY, "the other pool has it");
	fresh[0] = bed.public[0];
	fresh[1] = nine;
	pools[0].addresses = fresh;
	fake_backend_fail(bed.backend, FAKE_ADDRESS_PUT, 1, -EIO);
	cr_assert_eq(set(pools, 2), -EIO);
	pools[0].port_lo = 0;
	cr_assert_eq(set(pools, 2), -EINVAL);
	cr_assert(leads(&bed.public[0], id) && leads(&bed.public[1], id));
	bed_check_whole(&bed);

	pools[0].port_lo = bed.pools[0].port_lo;
	cr_assert_eq(set(pools, 2), 0, "%s", bed.why.text);
	cr_assert(leads(&fresh[1], id));
}

Test(pools, one_more_is_used_when_the_others_are_full)
{
	struct mr_addr address = nine;
	struct mr_session_pool pools[3] = {bed.pools[0], bed.pools[1], bed.pools[1]};
	uint64_t id = 0;

	pools[2].name = "third";
	pools[2].addresses = &address;
	pools[2].n_addresses = 1;
	cr_assert_eq(set(pools, 3), 0, "%s", bed.why.text);
	for (uint32_t i = 1; i <= 5 + 3 + 1; i++) {
		const struct mr_session_open open = bed_target(i);

		id = bed_open(&bed, &open);
	}
	cr_assert_str_eq(mr_sessions_find(bed.sessions, id)->pool->name, "third");
	cr_assert(leads(&address, id));
	cr_assert_eq(fake_backend_keys(bed.backend, true), 5 * 2 + 3 + 1);
}
