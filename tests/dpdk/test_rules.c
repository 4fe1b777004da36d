/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_rules.c - policy rules in snapshots of routes: what each of their conditions matches, and in
 * which order they are followed.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>

#include "kernel_bed.h"

TestSuite(rules, .init = kernel_set_up, .fini = kernel_tear_down, .timeout = 240);

/* A flow that a rule asks about, and what it has to be for the rule to match. */
struct rule_row {
	const char *what;
	struct mr_kernel_rule rule; /* family, priority, action, table are filled in */
	const char *src, *dst;
	uint16_t sport, dport;
	bool matches;
};

static const struct rule_row rule_rows[] = {
	{"nothing asked", {0}, "192.0.2.1", "10.0.0.1", 1, 1, true},
	{"below a range of source ports", {.sport = {100, 200}}, "192.0.2.1", "10.0.0.1", 99, 1,
		false},
	{"first of it", {.sport = {100, 200}}, "192.0.2.1", "10.0.0.1", 100, 1, true},
	{"last of it", {.sport = {100, 200}}, "192.0.2.1", "10.0.0.1", 200, 1, true},
	{"above it", {.sport = {100, 200}}, "192.0.2.1", "10.0.0.1", 201, 1, false},
	{"below a range to the end", {.dport = {100, 65535}}, "192.0.2.1", "10.0.0.1", 1, 99,
		false},
	{"first of it", {.dport = {100, 65535}}, "192.0.2.1", "10.0.0.1", 1, 100, true},
	{"last of it", {.dport = {100, 65535}}, "192.0.2.1", "10.0.0.1", 1, 65535, true},
	{"UDP", {.protocol = IPPROTO_UDP}, "192.0.2.1", "10.0.0.1", 1, 1, true},
	{"TCP", {.protocol = IPPROTO_TCP}, "192.0.2.1", "10.0.0.1", 1, 1, false},
	{"not TCP", {.protocol = IPPROTO_TCP, .invert = true}, "192.0.2.1", "10.0.0.1", 1, 1, true},
	{"a mark", {.never = true}, "192.0.2.1", "10.0.0.1", 1, 1, false},
	{"no such mark", {.never = true, .invert = true}, "192.0.2.1", "10.0.0.1", 1, 1, true},
	{"IPv6, below a port", {.sport = {7, 7}}, "fd01::1", "fd02::1", 6, 1, false},
	{"IPv6, that port", {.sport = {7, 7}}, "fd01::1", "fd02::1", 7, 1, true},
	{"IPv6, above it", {.sport = {7, 7}}, "fd01::1", "fd02::1", 8, 1, false},
};

Test(rules, a_rule_matches_what_it_asks_for)
{
	add_links(2);
	add_rule(AF_INET, 1, 100);
	add_rule(AF_INET6, 1, 100);
	add_rule(AF_INET, 2, 254);
	add_rule(AF_INET6, 2, 254);
	add_route(100, "0.0.0.0/0", 2);
	add_route(100, "::/0", 2);
	add_route(254, "0.0.0.0/0", 1);
	add_route(254, "::/0", 1);
	for (size_t i = 0; i < ROWS(rule_rows); i++) {
		const struct rule_row *row = &rule_rows[i];
		struct mr_flow flow = {addr(row->src), addr(row->dst), row->sport, row->dport};
		struct mr_routes *r;

		for (size_t j = 0; j < k.n_rules; j++) {
			struct mr_kernel_rule *rule = &k.rules[j];

			if (rule->priority != 1)
				continue;
			memcpy(rule->sport, row->rule.sport, sizeof(rule->sport));
			memcpy(rule->dport, row->rule.dport, sizeof(rule->dport));
			rule->protocol = row->rule.protocol;
			rule->never = row->rule.never;
			rule->invert = row->rule.invert;
		}
		r = build();
		cr_expect_eq(way_of(r, &flow), row->matches ? 2 : 1, "%s", row->what);
		mr_routes_free(r);
	}
}

/* A prefix of a rule, and addresses before, in and behind it. */
static const struct {
	const char *net;
	uint8_t prefix;
	const char *address;
	bool in;
} prefix_rows[] = {
	{"0.0.0.0", 0, "255.255.255.255", true},
	{"128.0.0.0", 1, "127.255.255.255", false},
	{"128.0.0.0", 1, "128.0.0.0", true},
	{"10.2.3.0", 25, "10.2.2.255", false},
	{"10.2.3.0", 25, "10.2.3.0", true},
	{"10.2.3.0", 25, "10.2.3.127", true},
	{"10.2.3.0", 25, "10.2.3.128", false},
	{"10.2.3.4", 32, "10.2.3.3", false},
	{"10.2.3.4", 32, "10.2.3.4", true},
	{"10.2.3.4", 32, "10.2.3.5", false},
	{"::", 0, "ffff::", true},
	{"8000::", 1, "7fff::", false},
	{"8000::", 1, "8000::", true},
	{"fd02::", 33, "fd02:0:7fff:ffff::", true},
	{"fd02::", 33, "fd02:0:8000::", false},
	{"fd02::", 64, "fd02::ffff:0:0:1", true},
	{"fd02::", 64, "fd02:0:0:1::", false},
	{"fd02::4", 127, "fd02::5", true},
	{"fd02::4", 127, "fd02::6", false},
	{"fd02::4", 128, "fd02::3", false},
	{"fd02::4", 128, "fd02::4", true},
	{"fd02::4", 128, "fd02::5", false},
};

Test(rules, a_rule_goes_by_prefixes_of_source_and_destination)
{
	add_links(2);
	for (size_t i = 0; i < 2 * ROWS(prefix_rows); i++) {
		bool by_source = i & 1, v6 = strchr(prefix_rows[i / 2].net, ':');
		struct mr_addr net = addr(prefix_rows[i / 2].net),
			       at = addr(prefix_rows[i / 2].address);
		struct mr_addr other = addr(v6 ? "fd03::1" : "192.0.2.1");
		struct mr_flow flow = {by_source ? at : other, by_source ? other : at, 1, 2};
		struct mr_kernel_rule *rule;
		struct mr_routes *r;

		k.n_rules = k.n_routes = 0;
		rule = add_rule(v6 ? AF_INET6 : AF_INET, 1, 100);
		*(by_source ? &rule->src : &rule->dst) = net;
		*(by_source ? &rule->src_prefix : &rule->dst_prefix) = prefix_rows[i / 2].prefix;
		add_rule(v6 ? AF_INET6 : AF_INET, 2, 254);
		add_route(100, v6 ? "::/0" : "0.0.0.0/0", 2);
		add_route(254, v6 ? "::/0" : "0.0.0.0/0", 1);
		r = build();
		cr_expect_eq(way_of(r, &flow), prefix_rows[i / 2].in ? 2 : 1, "%s: %s in %s/%u",
			by_source ? "from" : "to", prefix_rows[i / 2].address,
			prefix_rows[i / 2].net, prefix_rows[i / 2].prefix);
		mr_routes_free(r);
	}
}

Test(rules, rules_are_followed_in_their_order)
{
	static const struct {
		uint8_t action;
		int way;
	} rows[] = {
		{FR_ACT_TO_TBL, 2},
		{FR_ACT_BLACKHOLE, -BPF_FIB_LKUP_RET_BLACKHOLE},
		{FR_ACT_UNREACHABLE, -BPF_FIB_LKUP_RET_UNREACHABLE},
		{FR_ACT_PROHIBIT, -BPF_FIB_LKUP_RET_PROHIBIT},
		{FR_ACT_NOP, 1},
	};

	add_links(2);
	add_rule(AF_INET, 32766, 254);
	add_rule(AF_INET, 5, 100);
	add_rule(AF_INET6, 0, 253); /* of the other family: nothing to do with it */
	add_route(100, "0.0.0.0/0", 2);
	add_route(254, "0.0.0.0/0", 1);
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct mr_routes *r;

		for (size_t j = 0; j < k.n_rules; j++)
			if (k.rules[j].priority == 5)
				k.rules[j].action = rows[i].action;
		r = build();
		cr_expect_eq(way_to(r, "10.0.0.1"), rows[i].way, "action %u", rows[i].action);
		cr_expect_eq(way_to(r, "fd02::1"), -BPF_FIB_LKUP_RET_NOT_FWDED);
		mr_routes_free(r);
	}
}

Test(rules, a_jump_leads_forward_only)
{
	static const struct {
		uint32_t target;
		int way;
	} rows[] = {
		{9, 2},  /* backward: as if it weren't there */
		{10, 2}, /* to itself */
		{11, 2},
		{12, 3},
		{13, 3}, /* the next one there is */
		{14, 3},
		{15, -BPF_FIB_LKUP_RET_NOT_FWDED},
	};
	struct mr_kernel_rule *jump;

	add_links(3);
	add_rule(AF_INET, 11, 100);
	add_rule(AF_INET, 14, 101);
	jump = add_rule(AF_INET, 10, 0);
	jump->action = FR_ACT_GOTO;
	add_route(100, "0.0.0.0/0", 2);
	add_route(101, "0.0.0.0/0", 3);
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct mr_routes *r;

		for (size_t j = 0; j < k.n_rules; j++)
			k.rules[j].target = rows[i].target;
		r = build();
		cr_expect_eq(way_to(r, "10.0.0.1"), rows[i].way, "to %u", rows[i].target);
		mr_routes_free(r);
	}
}

Test(rules, short_prefixes_can_be_left_to_the_next_rule)
{
	static const struct {
		int suppress;
		int way;
	} rows[] = {{-1, 2}, {0, 2}, {7, 2}, {8, 1}, {9, 1}, {32, 1}};

	add_links(2);
	add_rule(AF_INET, 1, 100);
	add_rule(AF_INET, 2, 254);
	add_route(100, "10.0.0.0/8", 2);
	add_route(254, "0.0.0.0/0", 1);
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct mr_routes *r;

		for (size_t j = 0; j < k.n_rules; j++)
			if (k.rules[j].priority == 1)
				k.rules[j].suppress_prefix = rows[i].suppress;
		r = build();
		cr_expect_eq(
			way_to(r, "10.0.0.1"), rows[i].way, "suppressed to %d", rows[i].suppress);
		mr_routes_free(r);
	}
}
