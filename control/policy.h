/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * policy.h - who may open sessions to which targets, and what says so.
 *
 * Pure: rules, an identity and a target go in, an answer and its reason in words come out. Reading
 * rules is config.h's, finding out who somebody is identity.h's, counting opens quota.h's. What the
 * host's own addresses are the caller knows: they are refused before a rule is looked at.
 */
#ifndef MR_CONTROL_POLICY_H
#define MR_CONTROL_POLICY_H

#include <sys/types.h>

#include "addr.h"
#include "strv.h"

/** What a rule grants where the file doesn't say. */
#define MR_POLICY_SESSIONS         1000
#define MR_POLICY_OPENS_PER_MINUTE 600

/** The group that may open sessions where the file has no rule. */
#define MR_POLICY_GROUP "moshrelay"

/** Who somebody is, as far as rules can tell. */
struct mr_identity {
	uid_t uid;
	char *name; /* the number in decimal, where the uid has no name */
	struct mr_strv groups;
};

/** One `allow` section. A session's first rule in the file's order decides, quotas included. */
struct mr_rule {
	char *name;
	struct mr_strv users; /* names or uids in decimal */
	struct mr_strv groups;
	struct mr_prefix *targets;
	size_t n_targets;
	struct mr_port_range ports;
	uint32_t sessions; /* of one user at a time */
	uint32_t opens_per_minute;
	bool fallback; /* for nobody whom a rule before it names */
};

struct mr_policy {
	struct mr_rule *rules;
	size_t n_rules;
	struct mr_strv admin_users;
	struct mr_strv admin_groups;
};

/** The policy of a file without `allow`: root and group moshrelay, every target, 60000-61000.
 * Adds the rule to what is there already. 0 or -ENOMEM. */
int mr_policy_add_default(struct mr_policy *policy);

/** Appends what holds for root where the file has rules, but none that names root: the default. An
 * administrator who can change the file is not locked out by it. 0 or -ENOMEM. */
int mr_policy_add_root(struct mr_policy *policy);

/** Appends an empty rule to be filled in: no users, no targets, default ports and quotas.
 * NULL: no memory. The pointer is good until the next rule is added. */
struct mr_rule *mr_policy_add_rule(struct mr_policy *policy, const char *name);

/** Appends a block to a rule's targets. 0 or -ENOMEM. */
int mr_policy_add_target(struct mr_rule *rule, const struct mr_prefix *prefix);

/** Frees what the policy owns and leaves it empty: nobody is allowed anything. */
void mr_policy_clear(struct mr_policy *policy);

/** Administrators see and close every session, and have no quota. */
bool mr_policy_is_admin(const struct mr_policy *policy, const struct mr_identity *who);

/** Is there a rule for them at all, or are they an administrator? Others are strangers. */
bool mr_policy_knows(const struct mr_policy *policy, const struct mr_identity *who);

/** Why no rule can ever allow this target, NULL: one can. "loopback", "a multicast address", ... */
const char *mr_policy_never(const struct mr_addr *target);

/**
 * May they open a session to `target`, `port` (host byte order; 0: whichever port)?
 * Writes one line either way: by which rule, or what would be allowed and whom to ask.
 * \return 0 and the rule; -EACCES, `ret_rule` untouched.
 */
int mr_policy_check(const struct mr_policy *policy, const struct mr_identity *who,
	const struct mr_addr *target, uint16_t port, const struct mr_rule **ret_rule, char *ret_why,
	size_t size);

/** The line for a stranger. */
void mr_policy_describe_stranger(const struct mr_identity *who, char *ret_why, size_t size);

/** Frees what an identity owns and leaves it empty. */
void mr_identity_clear(struct mr_identity *who);

#endif
