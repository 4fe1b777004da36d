// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_core_tables.c - small things that tables and reasons rest on: addresses, keys, hashes,
 * masks.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "decide.h"
#include "index.h"
#include "reason.h"

static struct mr_addr address(const char *text)
{
	struct mr_addr addr;

	cr_assert_eq(inet_pton(AF_INET6, text, &addr), 1, "%s", text);
	return addr;
}

Test(compat, masks_at_their_limits)
{
	static const uint64_t values[] = {
		0, 1, 2, 0x7fffffff, 0xffffffff, 1ULL << 62, (1ULL << 63) - 2, (1ULL << 63) - 1};
	const size_t n = sizeof(values) / sizeof(values[0]);

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < n; j++)
			cr_expect_eq(mr_mask_less(values[i], values[j]),
				values[i] < values[j] ? UINT64_MAX : 0, "%zu %zu", i, j);
	cr_expect_eq(mr_select(UINT64_MAX, 5, 7), 5);
	cr_expect_eq(mr_select(0, 5, 7), 7);
}

Test(compat, byte_order)
{
	cr_expect_eq(mr_cpu_to_be16(0x1234), htons(0x1234));
	cr_expect_eq(mr_cpu_to_be32(0x12345678), htonl(0x12345678));
	cr_expect_eq(mr_be64_to_cpu(mr_cpu_to_be64(0x123456789abcdef0)), 0x123456789abcdef0);
	cr_expect_eq(*(uint8_t *)&(uint64_t){mr_cpu_to_be64(0x12ULL << 56)}, 0x12);
}

Test(address, only_mapped_ones_are_ipv4)
{
	static const struct {
		const char *text;
		bool v4;
	} rows[] = {
		{"::ffff:10.2.0.2", true},
		{"::ffff:0.0.0.0", true},
		{"::10.2.0.2", false},
		{"::", false},
		{"::1", false},
		{"::fffe:10.2.0.2", false},
		{"::ffff:0:10.2.0.2", false},
		{"1::ffff:10.2.0.2", false},
		{"0:0:1:0:0:ffff:a02:2", false},
		{"64:ff9b::10.2.0.2", false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mr_addr addr = address(rows[i].text);

		cr_expect_eq(mr_addr_is_v4(&addr), rows[i].v4, "%s", rows[i].text);
	}
}

Test(address, equal_means_every_bit)
{
	struct mr_addr a = address("2001:db8::1"), b = a;

	cr_expect(mr_addr_equal(&a, &b));
	for (unsigned bit = 0; bit < 128; bit++) {
		b.w[bit / 32] ^= 1U << bit % 32;
		cr_expect(!mr_addr_equal(&a, &b), "bit %u", bit);
		b = a;
	}
}

Test(key, a_block_is_sixteen_ports)
{
	struct mr_addr addr = address("::ffff:10.2.0.2");
	struct mr_key first = mr_key_target(&addr, htons(60001), 61040);

	for (uint16_t port = 61040; port < 61056; port++) {
		struct mr_key key = mr_key_target(&addr, htons(60001), port);

		cr_expect_eq(memcmp(&key, &first, sizeof(key)), 0, "port %u", port);
	}
	for (int i = 0; i < 2; i++) {
		struct mr_key key = mr_key_target(&addr, htons(60001), i ? 61056 : 61039);

		cr_expect_neq(memcmp(&key, &first, sizeof(key)), 0);
	}
}

Test(key, hash_depends_on_every_bit_of_key_and_seed)
{
	struct mr_addr addr = address("2001:db8::1");
	struct mr_key key = mr_key_target(&addr, htons(60001), 61040), other;
	uint32_t hash = mr_key_hash(7, &key);

	for (unsigned bit = 0; bit < 8 * offsetof(struct mr_key, pad); bit++) {
		other = key;
		((uint8_t *)&other)[bit / 8] ^= (uint8_t)(1 << bit % 8);
		cr_expect_neq(mr_key_hash(7, &other), hash, "bit %u", bit);
	}
	for (unsigned bit = 0; bit < 32; bit++)
		cr_expect_neq(mr_key_hash(7 ^ 1U << bit, &key), hash, "seed bit %u", bit);
}

Test(key, hash_spreads_what_targets_look_like)
{
	enum { BUCKETS = 1 << 12, KEYS = BUCKETS * 3 };
	static unsigned count[BUCKETS];
	unsigned worst = 0;

	for (unsigned i = 0; i < KEYS; i++) {
		/* one network, few ports, neighbouring blocks */
		struct mr_addr addr = mr_addr_from_v4(htonl(0x0a020000 + i / 16));
		struct mr_key key = mr_key_target(&addr, htons((uint16_t)(60000 + i % 4)),
			(uint16_t)(61008 + 16 * (i % 16 / 4)));
		unsigned *n = &count[mr_key_hash(12345, &key) & (BUCKETS - 1)];

		if (++*n > worst)
			worst = *n;
	}
	/* 3 a bucket on average; more than 16 has a chance of 10^-7 a bucket, if it were random */
	cr_expect_leq(worst, 16, "%u keys in one bucket", worst);
}

Test(table, buckets_are_a_power_of_two_and_at_most_half_full)
{
	for (uint32_t sessions = 1; sessions <= 4000000; sessions += sessions / 3 + 1) {
		uint32_t n = mr_bucket_count(sessions);

		cr_expect_eq(n & (n - 1), 0);
		cr_expect_geq((uint64_t)n * MR_BUCKET_ENTRIES, sessions, "%u", sessions);
	}
}

Test(table, port_lines_do_not_overlap)
{
	cr_expect_eq(mr_port_line(0, 0), 0);
	cr_expect_eq(mr_port_line(0, 65535), MR_PORT_LINES - 1);
	cr_expect_eq(mr_port_line(1, 0), MR_PORT_LINES);
	cr_expect_eq(mr_port_line(0, 15), 0);
	cr_expect_eq(mr_port_line(0, 16), 1);
}

Test(reason, each_has_a_name_of_its_own_and_its_verdict)
{
	static const struct {
		const char *name;
		enum mr_verdict verdict;
	} reasons[] = {
#define MR_X(name, verdict, text) {#name, MR_VERDICT_##verdict},
		MR_REASONS(MR_X)
#undef MR_X
	};

	for (size_t i = 0; i < MR_REASON_COUNT; i++) {
		cr_expect_eq(mr_reason_verdict((enum mr_reason)i), reasons[i].verdict);
		for (size_t j = 0; j < i; j++)
			cr_expect_str_neq(reasons[i].name, reasons[j].name);
	}
	cr_expect_eq(mr_reason_verdict(MR_REASON_COUNT), MR_VERDICT_DROP, "nobody's reason");
}

Test(reason, only_two_send)
{
	unsigned senders = 0;

	for (int i = 0; i < MR_REASON_COUNT; i++)
		senders += mr_reason_verdict((enum mr_reason)i) == MR_VERDICT_SEND;
	cr_expect_eq(senders, 2);
	cr_expect_eq(mr_reason_verdict(MR_REASON_to_target), MR_VERDICT_SEND);
	cr_expect_eq(mr_reason_verdict(MR_REASON_to_client), MR_VERDICT_SEND);
}

/* Several ways to one target: interface and tag have to fit together. */
Test(tables, answers_come_in_by_the_ways_there_are)
{
	static const struct mr_ways ways = {{{.ifindex = 3, .vlan = 5}, {.ifindex = 4}}};
	static const struct mr_ways none;
	static const struct {
		uint32_t ifindex;
		uint16_t tci;
		bool stripped, in;
	} rows[] = {
		{3, 5, false, true},
		{3, 0x2005, false, true}, /* priority 1 */
		{3, 6, false, false},
		{3, 0, false, false},
		{3, 0, true, true}, /* the interface took the tag off */
		{3, 6, true, false},
		{4, 0, false, true},
		{4, 5, false, false},
		{5, 0, false, false},
		{0, 0, false, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct mr_packet p = {.vlan_tci = rows[i].tci};
		const struct mr_ingress in = {
			.ifindex = rows[i].ifindex, .vlan_stripped = rows[i].stripped};

		cr_expect_eq(mr_ways_have(&ways, &p, &in), rows[i].in, "row %zu", i);
		cr_expect_not(mr_ways_have(&none, &p, &in), "row %zu", i);
	}
}
