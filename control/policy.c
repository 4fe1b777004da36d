/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * policy.c - matches people and targets against rules, and puts the answer into words.
 */
#include "policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netlink.h"

#define ASK "ask the bastion's administrator"

/* Targets that are refused to everybody: nothing but harm can come from a session to them. */
static const struct {
	const char *prefix;
	const char *what;
} never[] = {
	{"0.0.0.0/8", "not an address of a host"},
	{"127.0.0.0/8", "loopback"},
	{"169.254.0.0/16", "a link-local address"},
	{"224.0.0.0/4", "a multicast address"},
	{"255.255.255.255", "the broadcast address"},
	{"240.0.0.0/4", "a reserved address"},
	{"::", "the unspecified address"},
	{"::1", "loopback"},
	{"fe80::/10", "a link-local address"},
	{"ff00::/8", "a multicast address"},
};

struct mr_rule *mr_policy_add_rule(struct mr_policy *policy, const char *name)
{
	struct mr_rule *rules = reallocarray(policy->rules, policy->n_rules + 1, sizeof(*rules));
	char *copy = strdup(name);

	if (rules)
		policy->rules = rules;
	if (!rules || !copy) {
		free(copy);
		return NULL;
	}
	rules[policy->n_rules] = (struct mr_rule){
		.name = copy,
		.ports = {60000, 61000},
		.sessions = MR_POLICY_SESSIONS,
		.opens_per_minute = MR_POLICY_OPENS_PER_MINUTE,
	};
	return &rules[policy->n_rules++];
}

int mr_policy_add_target(struct mr_rule *rule, const struct mr_prefix *prefix)
{
	struct mr_prefix *targets =
		reallocarray(rule->targets, rule->n_targets + 1, sizeof(*targets));

	if (!targets)
		return -ENOMEM;
	rule->targets = targets;
	rule->targets[rule->n_targets++] = *prefix;
	return 0;
}

int mr_policy_add_root(struct mr_policy *policy)
{
	struct mr_rule *rule = mr_policy_add_rule(policy, "default");
	struct mr_prefix all;

	if (!rule || mr_strv_add(&rule->users, "root"))
		return -ENOMEM;
	rule->fallback = true;
	if (mr_prefix_parse("0.0.0.0/0", &all) || mr_policy_add_target(rule, &all) ||
		mr_prefix_parse("::/0", &all) || mr_policy_add_target(rule, &all))
		return -ENOMEM;
	return 0;
}

int mr_policy_add_default(struct mr_policy *policy)
{
	int r = mr_policy_add_root(policy);

	return r ? r : mr_strv_add(&policy->rules[policy->n_rules - 1].groups, MR_POLICY_GROUP);
}

void mr_policy_clear(struct mr_policy *policy)
{
	for (size_t i = 0; i < policy->n_rules; i++) {
		free(policy->rules[i].name);
		mr_strv_clear(&policy->rules[i].users);
		mr_strv_clear(&policy->rules[i].groups);
		free(policy->rules[i].targets);
	}
	free(policy->rules);
	mr_strv_clear(&policy->admin_users);
	mr_strv_clear(&policy->admin_groups);
	*policy = (struct mr_policy){0};
}

void mr_identity_clear(struct mr_identity *who)
{
	free(who->name);
	mr_strv_clear(&who->groups);
	*who = (struct mr_identity){0};
}

static bool is_one_of(
	const struct mr_strv *users, const struct mr_strv *groups, const struct mr_identity *who)
{
	char number[16];

	snprintf(number, sizeof(number), "%u", (unsigned)who->uid);
	if (mr_strv_contains(users, who->name) || mr_strv_contains(users, number))
		return true;
	for (size_t i = 0; i < who->groups.n; i++) {
		if (mr_strv_contains(groups, who->groups.items[i]))
			return true;
	}
	return false;
}

/* Is it a rule for them? */
static bool is_for(
	const struct mr_policy *policy, const struct mr_rule *rule, const struct mr_identity *who)
{
	if (!is_one_of(&rule->users, &rule->groups, who))
		return false;
	for (const struct mr_rule *other = policy->rules; rule->fallback && other < rule; other++) {
		if (is_one_of(&other->users, &other->groups, who))
			return false;
	}
	return true;
}

bool mr_policy_is_admin(const struct mr_policy *policy, const struct mr_identity *who)
{
	return is_one_of(&policy->admin_users, &policy->admin_groups, who);
}

bool mr_policy_knows(const struct mr_policy *policy, const struct mr_identity *who)
{
	for (size_t i = 0; i < policy->n_rules; i++) {
		if (is_for(policy, &policy->rules[i], who))
			return true;
	}
	return mr_policy_is_admin(policy, who);
}

const char *mr_policy_never(const struct mr_addr *target)
{
	struct mr_prefix prefix;

	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
		if (!mr_prefix_parse(never[i].prefix, &prefix) &&
			mr_prefix_contains(&prefix, target))
			return never[i].what;
	}
	return NULL;
}

static bool rule_holds(const struct mr_rule *rule, const struct mr_addr *target)
{
	for (size_t i = 0; i < rule->n_targets; i++) {
		if (mr_prefix_contains(&rule->targets[i], target))
			return true;
	}
	return false;
}

static bool rule_has_port(const struct mr_rule *rule, uint16_t port)
{
	return !port || (port >= rule->ports.lo && port <= rule->ports.hi);
}

/* Collects what rules for this user allow; `for_target`: the ports that they allow on it. */
static int list_allowed(const struct mr_policy *policy, const struct mr_identity *who,
	const struct mr_addr *for_target, struct mr_strv *list)
{
	char text[MR_ADDR_TEXT_SIZE];

	for (size_t i = 0; i < policy->n_rules; i++) {
		const struct mr_rule *rule = &policy->rules[i];
		int r;

		if (!is_for(policy, rule, who))
			continue;
		if (for_target && rule_holds(rule, for_target)) {
			snprintf(text, sizeof(text), "%u-%u", rule->ports.lo, rule->ports.hi);
			if (!mr_strv_contains(list, text) && (r = mr_strv_add(list, text)))
				return r;
		}
		for (size_t j = 0; !for_target && j < rule->n_targets; j++) {
			mr_prefix_format(&rule->targets[j], text, sizeof(text));
			if (!mr_strv_contains(list, text) && (r = mr_strv_add(list, text)))
				return r;
		}
	}
	return 0;
}

void mr_policy_describe_stranger(const struct mr_identity *who, char *ret_why, size_t size)
{
	snprintf(ret_why, size,
		"no rule lets user %s use this relay, by name or by a group of theirs; " ASK,
		who->name);
}

static void describe_denial(const struct mr_policy *policy, const struct mr_identity *who,
	const struct mr_addr *target, uint16_t port, bool address_allowed, char *ret_why,
	size_t size)
{
	struct mr_strv list = {0};
	char address[INET6_ADDRSTRLEN], allowed[160] = "";

	mr_addr_format(target, address, sizeof(address));
	if (!list_allowed(policy, who, address_allowed ? target : NULL, &list))
		mr_strv_join(&list, allowed, sizeof(allowed));
	mr_strv_clear(&list);
	if (address_allowed)
		snprintf(ret_why, size,
			"port %u of target %s is outside the ports that user %s may open: %s; " ASK,
			port, address, who->name, allowed);
	else
		snprintf(ret_why, size,
			"target %s is outside the targets that user %s may open: %s; " ASK, address,
			who->name, allowed);
}

int mr_policy_check(const struct mr_policy *policy, const struct mr_identity *who,
	const struct mr_addr *target, uint16_t port, const struct mr_rule **ret_rule, char *ret_why,
	size_t size)
{
	const char *why_never = mr_policy_never(target);
	bool known = false, address_allowed = false;
	char address[INET6_ADDRSTRLEN];

	for (size_t i = 0; i < policy->n_rules; i++) {
		const struct mr_rule *rule = &policy->rules[i];

		if (!is_for(policy, rule, who))
			continue;
		known = true;
		if (why_never || !rule_holds(rule, target))
			continue;
		address_allowed = true;
		if (!rule_has_port(rule, port))
			continue;
		snprintf(ret_why, size, "rule \"%s\" allows user %s this target", rule->name,
			who->name);
		*ret_rule = rule;
		return 0;
	}
	if (why_never)
		snprintf(ret_why, size,
			"target %s is %s, which nobody may open; give the address of another host",
			mr_addr_format(target, address, sizeof(address)), why_never);
	else if (!known)
		mr_policy_describe_stranger(who, ret_why, size);
	else
		describe_denial(policy, who, target, port, address_allowed, ret_why, size);
	return -EACCES;
}
