/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * doctor.h - looks at kernel, drivers, privileges and network, and says what to change.
 *
 * Read only, and nothing is kept: each run looks anew. Owns no policy; the caller's hook answers
 * whether a target is allowed.
 */
#ifndef MR_CONTROL_DOCTOR_H
#define MR_CONTROL_DOCTOR_H

#include <jansson.h>

#include "backend.h"
#include "netlink.h"
#include "sandbox.h"

/** May the caller open a session to this target? Writes one line that says by which rule or why
 * not. `port` 0: not given. Returns 1 yes, 0 no, -errno. */
typedef int mr_doctor_policy_fn(
	const struct mr_addr *target, uint16_t port, char *ret_text, size_t size, void *context);

/** What the daemon knows; everything is borrowed for the call. */
struct mr_doctor {
	struct mr_netlink *netlink;
	enum mr_dataplane dataplane;      /* in use */
	const char *dataplane_text;       /* describe() of the backend */
	const char *dataplane_error;      /* trouble() of it, "": none */
	const struct mr_sandbox *sandbox; /* what the daemon has given up; NULL: not looked at */
	const char *const *interfaces;    /* that the dataplane is attached to */
	size_t n_interfaces;
	const struct mr_addr *publics; /* public addresses of all pools */
	size_t n_publics;
	uint16_t port_lo, port_hi;         /* public ports of the first pool, inclusive */
	uint16_t upstream_lo, upstream_hi; /* upstream ports, inclusive */
	const struct mr_addr *targets;     /* different addresses of sessions' targets */
	size_t n_targets;
	mr_doctor_policy_fn *policy; /* NULL: no check of the policy */
	void *context;
};

/**
 * Runs every check. `target` is "ADDRESS", "ADDRESS:PORT" or "[v6]:PORT", or NULL; names
 * are not looked up (the CLI does that).
 * `*ret_result` is {"checks": [{"name", "status": "ok|warn|fail", "detail", "advice"}], "ok":
 * bool}, a new reference; "advice" is null where there is nothing to do. Takes some milliseconds.
 * \return 0, -EINVAL (target can't be read), -ENOMEM.
 */
int mr_doctor_run(const struct mr_doctor *doctor, const char *target, json_t **ret_result);

#endif
