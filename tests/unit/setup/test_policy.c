/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_policy.c - rules, prefixes and quotas: what is allowed, by which rule, and what a denial
 * says.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "policy.h"
#include "quota.h"

#define SECOND 1000000000ull

static struct mr_policy policy;

static void add_rule(const char *name, const char *user, const char *group,
	const char *const *targets, const char *ports)
{
	struct mr_rule *rule = mr_policy_add_rule(&policy, name);

	cr_assert(rule);
	if (user)
		cr_assert_eq(mr_strv_add(&rule->users, user), 0);
	if (group)
		cr_assert_eq(mr_strv_add(&rule->groups, group), 0);
	for (; *targets; targets++) {
		struct mr_prefix prefix;

		cr_assert_eq(mr_prefix_parse(*targets, &prefix), 0, "%s", *targets);
		cr_assert_eq(mr_policy_add_target(rule, &prefix), 0);
	}
	cr_assert_eq(mr_port_range_parse(ports, &rule->ports), 0);
}

static struct mr_identity person(uid_t uid, char *name, char **groups, size_t n)
{
	return (struct mr_identity){.uid = uid, .name = name, .groups = {groups, n}};
}

static void make_policy(void)
{
	add_rule("web", "alice", NULL, (const char *[]){"10.1.0.0/16", NULL}, "60000-60010");
	add_rule("dev", NULL, "dev", (const char *[]){"10.0.0.0/8", "fd00::/8", NULL},
		"60000-61000");
	add_rule("seven", "1007", NULL, (const char *[]){"::/0", NULL}, "1-65535");
	cr_assert_eq(mr_strv_add(&policy.admin_users, "root"), 0);
	cr_assert_eq(mr_strv_add(&policy.admin_groups, "ops"), 0);
}

static void clear_policy(void)
{
	mr_policy_clear(&policy);
}

TestSuite(policy, .init = make_policy, .fini = clear_policy);

/* Who, where to; the rule that allows it, or what the denial says. */
struct row {
	const char *who;
	const char *target;
	uint16_t port;
	const char *rule;
	const char *says;
};

static struct mr_identity find_person(const char *name)
{
	static char *dev[] = {"users", "dev"}, *ops[] = {"ops"};

	if (!strcmp(name, "alice"))
		return person(1000, "alice", NULL, 0);
	if (!strcmp(name, "bob"))
		return person(1001, "bob", dev, 2);
	if (!strcmp(name, "both"))
		return person(1002, "alice", dev, 2);
	if (!strcmp(name, "seven"))
		return person(1007, "seven", NULL, 0);
	if (!strcmp(name, "olga"))
		return person(1008, "olga", ops, 1);
	return person(1999, "mallory", NULL, 0);
}

static const struct row rows[] = {
	{"alice", "10.1.0.0", 60000, "web", NULL},
	{"alice", "10.1.255.255", 60010, "web", NULL},
	{"alice", "10.0.255.255", 60000, NULL, "10.1.0.0/16"},
	{"alice", "10.2.0.0", 60000, NULL, "outside the targets that user alice may open"},
	{"alice", "10.1.0.0", 59999, NULL, "60000-60010"},
	{"alice", "10.1.0.0", 60011, NULL, "port 60011 of target 10.1.0.0"},
	{"alice", "fd00::1", 60000, NULL, "target fd00::1"},
	{"bob", "10.1.0.1", 60000, "dev", NULL},
	{"bob", "10.1.0.1", 61000, "dev", NULL},
	{"bob", "10.1.0.1", 61001, NULL, "60000-61000"},
	{"bob", "fd00::1", 60000, "dev", NULL},
	{"bob", "fdff:ffff::1", 60000, "dev", NULL},
	{"bob", "fe00::1", 60000, NULL, "10.0.0.0/8, fd00::/8"},
	{"bob", "9.255.255.255", 60000, NULL, "10.0.0.0/8, fd00::/8"},
	{"both", "10.1.0.1", 60000, "web", NULL},
	{"both", "10.1.0.1", 60500, "dev", NULL},
	{"both", "11.0.0.1", 60500, NULL, "10.1.0.0/16, 10.0.0.0/8, fd00::/8"},
	{"seven", "2001:db8::1", 1, "seven", NULL},
	{"seven", "10.1.0.1", 60000, NULL, "::/0"},
	{"seven", "::1", 60000, NULL, "loopback"},
	{"seven", "fe80::1", 60000, NULL, "link-local"},
	{"seven", "febf::1", 60000, NULL, "link-local"},
	{"seven", "fec0::1", 60000, "seven", NULL},
	{"seven", "ff02::1", 60000, NULL, "multicast"},
	{"seven", "::", 60000, NULL, "unspecified"},
	{"bob", "127.0.0.1", 60000, NULL, "loopback"},
	{"bob", "::ffff:127.0.0.1", 60000, NULL, "loopback"},
	{"bob", "169.254.1.1", 60000, NULL, "link-local"},
	{"bob", "224.0.0.1", 60000, NULL, "multicast"},
	{"bob", "239.255.255.255", 60000, NULL, "multicast"},
	{"bob", "255.255.255.255", 60000, NULL, "broadcast"},
	{"bob", "240.0.0.1", 60000, NULL, "reserved"},
	{"bob", "0.0.0.0", 60000, NULL, "not an address of a host"},
	{"mallory", "10.1.0.1", 60000, NULL, "no rule lets user mallory"},
	{"olga", "10.1.0.1", 60000, NULL, "no rule lets user olga"},
	{"alice", "10.1.0.1", 0, "web", NULL},
};

Test(policy, each_row_is_allowed_by_its_rule_or_denied_in_its_words)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		struct mr_identity who = find_person(row->who);
		const struct mr_rule *rule = NULL;
		struct mr_addr target;
		char why[512];
		int r;

		cr_assert_eq(mr_addr_parse(row->target, &target), 0);
		r = mr_policy_check(&policy, &who, &target, row->port, &rule, why, sizeof(why));
		cr_expect_eq(
			r, row->rule ? 0 : -EACCES, "%s to %s: %s", row->who, row->target, why);
		if (row->rule)
			cr_expect(rule && !strcmp(rule->name, row->rule), "%s to %s: %s", row->who,
				row->target, why);
		else
			cr_expect(strstr(why, row->says) && !rule, "%s to %s: %s", row->who,
				row->target, why);
	}
}

Test(policy, administrators_are_known_and_strangers_are_not)
{
	struct mr_identity olga = find_person("olga"), mallory = find_person("mallory"),
			   bob = find_person("bob");

	cr_expect(mr_policy_is_admin(&policy, &olga));
	cr_expect(mr_policy_knows(&policy, &olga));
	cr_expect_not(mr_policy_is_admin(&policy, &bob));
	cr_expect(mr_policy_knows(&policy, &bob));
	cr_expect_not(mr_policy_knows(&policy, &mallory));
}

Test(policy, a_denial_stays_short_however_many_targets_there_are)
{
	struct mr_identity who = person(1, "many", NULL, 0);
	struct mr_rule *rule = mr_policy_add_rule(&policy, "many");
	struct mr_addr target;
	char why[512];

	cr_assert_eq(mr_strv_add(&rule->users, "many"), 0);
	for (unsigned i = 0; i < 200; i++) {
		struct mr_prefix prefix;
		char text[32];

		snprintf(text, sizeof(text), "172.16.%u.0/24", i);
		cr_assert_eq(mr_prefix_parse(text, &prefix), 0);
		cr_assert_eq(mr_policy_add_target(rule, &prefix), 0);
	}
	cr_assert_eq(mr_addr_parse("10.0.0.1", &target), 0);
	cr_expect_eq(
		mr_policy_check(&policy, &who, &target, 60000, NULL, why, sizeof(why)), -EACCES);
	cr_expect(
		strstr(why, "172.16.0.0/24") && strstr(why, "...") && strstr(why, "administrator"),
		"%s", why);
}

Test(policy, without_rules_root_and_the_group_may_open_every_target)
{
	static char *members[] = {MR_POLICY_GROUP};
	struct mr_identity root = person(0, "root", NULL, 0), member = person(7, "m", members, 1),
			   other = person(8, "o", NULL, 0);
	struct mr_policy fresh = {0};
	const struct mr_rule *rule;
	struct mr_addr v4, v6;
	char why[512];

	cr_assert_eq(mr_policy_add_default(&fresh), 0);
	cr_assert_eq(mr_addr_parse("192.0.2.1", &v4), 0);
	cr_assert_eq(mr_addr_parse("2001:db8::1", &v6), 0);
	cr_expect_eq(mr_policy_check(&fresh, &root, &v4, 60000, &rule, why, sizeof(why)), 0);
	cr_expect_eq(mr_policy_check(&fresh, &member, &v6, 61000, &rule, why, sizeof(why)), 0);
	cr_expect_eq(mr_policy_check(&fresh, &member, &v6, 22, &rule, why, sizeof(why)), -EACCES);
	cr_expect_eq(mr_policy_check(&fresh, &other, &v4, 60000, &rule, why, sizeof(why)), -EACCES);
	mr_policy_clear(&fresh);
}

Test(policy, root_keeps_the_default_until_a_rule_names_them)
{
	static char *groups[] = {"dev"};
	struct mr_identity root = person(0, "root", NULL, 0), in_dev = person(0, "root", groups, 1),
			   other = person(8, "o", NULL, 0);
	const struct mr_rule *rule;
	struct mr_addr inside, outside;
	char why[512];

	cr_assert_eq(mr_policy_add_root(&policy), 0);
	cr_assert_eq(mr_addr_parse("10.2.0.2", &inside), 0);
	cr_assert_eq(mr_addr_parse("192.0.2.1", &outside), 0);
	cr_expect_eq(mr_policy_check(&policy, &root, &outside, 60000, &rule, why, sizeof(why)), 0);
	cr_expect_eq(
		mr_policy_check(&policy, &root, &outside, 22, &rule, why, sizeof(why)), -EACCES);
	cr_expect_eq(mr_policy_check(&policy, &in_dev, &inside, 60000, &rule, why, sizeof(why)), 0);
	cr_expect_str_eq(rule->name, "dev");
	cr_expect_eq(mr_policy_check(&policy, &in_dev, &outside, 60000, &rule, why, sizeof(why)),
		-EACCES);
	cr_expect_eq(
		mr_policy_check(&policy, &other, &inside, 60000, &rule, why, sizeof(why)), -EACCES);
	cr_expect_not(mr_policy_knows(&policy, &other));
}

Test(prefix, texts_are_read_or_refused)
{
	static const struct {
		const char *text;
		int bits; /* -1: refused */
	} texts[] = {
		{"10.0.0.0/8", 104},
		{"0.0.0.0/0", 96},
		{"10.1.2.3", 128},
		{"10.1.2.3/32", 128},
		{"::/0", 0},
		{"fd00::/8", 8},
		{"fd00::1/128", 128},
		{"fd00::1", 128},
		{"10.0.0.1/8", -1},
		{"10.0.0.0/33", -1},
		{"fd00::/129", -1},
		{"fd00::1/127", -1},
		{"10.0.0.0/", -1},
		{"10.0.0.0/-1", -1},
		{"10.0.0.0/8x", -1},
		{"", -1},
		{"/8", -1},
		{"10.0.0/8", -1},
		{"fe80::1%eth0", -1},
		{"host/8", -1},
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct mr_prefix prefix;
		int r = mr_prefix_parse(texts[i].text, &prefix);

		cr_expect_eq(r, texts[i].bits < 0 ? -EINVAL : 0, "%s", texts[i].text);
		if (!r && texts[i].bits >= 0)
			cr_expect_eq(prefix.bits, texts[i].bits, "%s", texts[i].text);
	}
}

Test(endpoint, texts_are_read_or_refused)
{
	static const struct {
		const char *text;
		int port; /* 0: refused */
	} texts[] = {
		{"10.2.0.2:60001", 60001},
		{"[fd00::2]:60001", 60001},
		{"10.2.0.2:1", 1},
		{"10.2.0.2:65535", 65535},
		{"10.2.0.2:65536", 0},
		{"10.2.0.2:0", 0},
		{"10.2.0.2", 0},
		{"10.2.0.2:", 0},
		{":60001", 0},
		{"[]:60001", 0},
		{"[fd00::2]60001", 0},
		{"fd00::2:60001", 0},
		{"[10.2.0.2]:60001", 0},
		{"[fd00::2%eth0]:60001", 0},
		{"host:60001", 0},
		{"10.2.0.2:60001 ", 0},
		{"10.2.0.2:+60001", 0},
		{"", 0},
		{"[fd00::2:60001", 0},
		{"10.2.0.2:060001", 0},
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct mr_addr addr;
		uint16_t port = 0;
		int r = mr_endpoint_parse(texts[i].text, &addr, &port);

		cr_expect_eq(r, texts[i].port ? 0 : -EINVAL, "%s", texts[i].text);
		cr_expect_eq(port, texts[i].port, "%s", texts[i].text);
	}
}

Test(quota, a_user_opens_a_minutes_worth_at_once_and_then_at_the_rate)
{
	struct mr_quota quota = {0};
	uint64_t now = 1000 * SECOND, wait;

	for (unsigned i = 0; i < 60; i++)
		cr_expect_eq(mr_quota_take(&quota, 1, 60, now, &wait), 0, "open %u", i);
	cr_expect_eq(mr_quota_take(&quota, 1, 60, now, &wait), -EAGAIN);
	cr_expect_eq(wait, SECOND);
	cr_expect_eq(mr_quota_take(&quota, 2, 60, now, &wait), 0, "another user is not touched");
	cr_expect_eq(mr_quota_take(&quota, 1, 60, now + SECOND - 1, &wait), -EAGAIN);
	cr_expect_eq(mr_quota_take(&quota, 1, 60, now + SECOND, &wait), 0);
	cr_expect_eq(mr_quota_take(&quota, 1, 60, now + SECOND, &wait), -EAGAIN);
	mr_quota_return(&quota, 1, 60);
	cr_expect_eq(mr_quota_take(&quota, 1, 60, now + SECOND, &wait), 0, "what was put back");
	mr_quota_clear(&quota);
}

Test(quota, the_number_of_buckets_is_bounded_and_full_ones_are_forgotten)
{
	struct mr_quota quota = {0};
	uint64_t now = 1000 * SECOND, wait;

	for (uid_t uid = 0; uid < MR_QUOTA_USERS; uid++)
		cr_assert_eq(mr_quota_take(&quota, uid, 1, now, &wait), 0);
	cr_expect_eq(mr_quota_take(&quota, MR_QUOTA_USERS, 1, now, &wait), -EAGAIN);
	cr_expect_eq(mr_quota_take(&quota, MR_QUOTA_USERS, 1, now + 60 * SECOND, &wait), 0);
	mr_quota_clear(&quota);
}
