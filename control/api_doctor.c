/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * api_doctor.c - the method doctor: hands the checks what the daemon knows.
 */
#include <errno.h>
#include <string.h>

#include "api_internal.h"
#include "doctor.h"

/* Sessions looked at for their targets (some ms), and different targets asked for: more would keep
 * the daemon from its work. */
#define SESSIONS_MAX 2048
#define TARGETS_MAX  256

/* It looks at all sockets of the host, which takes 50 ms and more: of the loop's time, so of
 * everybody's. */
#define DOCTORS_PER_MINUTE 20

struct targets {
	struct mr_addr addresses[TARGETS_MAX];
	size_t n;
};

/* For whom the policy is asked. */
struct inquiry {
	struct mr_api *api;
	struct mr_rpc_request *request;
};

static int on_policy_question(
	const struct mr_addr *target, uint16_t port, char *ret_text, size_t size, void *context)
{
	struct inquiry *inquiry = context;
	const struct mr_rule *rule;

	return !mr_api_check_target(inquiry->api, mr_rpc_request_identity(inquiry->request), target,
		port, &rule, ret_text, size);
}

/* Public addresses of all pools, in one array. */
static size_t all_addresses(const struct mr_config *config, struct mr_addr *ret_addresses)
{
	size_t n = 0;

	for (size_t i = 0; i < config->n_pools; i++) {
		for (size_t j = 0; j < config->pools[i].n_addresses && n < MR_PUBLIC_MAX; j++)
			ret_addresses[n++] = config->pools[i].addresses[j];
	}
	return n;
}

static void on_session(const struct mr_session_view *view, void *context)
{
	struct targets *targets = context;

	for (size_t i = 0; i < targets->n; i++)
		if (mr_addr_equal(&targets->addresses[i], &view->info->target))
			return;
	if (targets->n < TARGETS_MAX)
		targets->addresses[targets->n++] = view->info->target;
}

/* Different targets of the sessions that the caller may see. */
static void find_targets(
	struct mr_api *api, const struct mr_rpc_request *request, struct targets *ret_targets)
{
	struct mr_session_filter filter = {
		.by_uid = !mr_api_is_admin(api, request),
		.uid = mr_rpc_request_identity(request)->uid,
	};
	uint32_t cursor = 0;

	ret_targets->n = 0;
	mr_sessions_list(api->sessions, &cursor, SESSIONS_MAX, &filter, on_session, ret_targets);
}

/* False: the request has been answered. */
static bool admit(struct mr_api *api, struct mr_rpc_request *request)
{
	uint64_t wait_ns = 0;

	if (mr_api_is_admin(api, request) ||
		!mr_quota_take(&api->doctors, mr_rpc_request_identity(request)->uid,
			DOCTORS_PER_MINUTE, uv_hrtime(), &wait_ns))
		return true;
	mr_rpc_request_fail(request, MR_RPC_LIMIT,
		"limit reached: each user may ask the doctor %d times a minute; try again in %u s",
		DOCTORS_PER_MINUTE, (unsigned)(wait_ns / MR_SECOND) + 1);
	return false;
}

void mr_api_doctor(struct mr_api *api, struct mr_rpc_request *request, json_t *params)
{
	const struct mr_config *config = api->config;
	struct inquiry inquiry = {.api = api, .request = request};
	struct mr_addr publics[MR_PUBLIC_MAX];
	char text[MR_WHY_SIZE] = "";
	struct targets targets;
	struct mr_why trouble = {""};
	struct mr_doctor doctor = {
		.netlink = api->netlink,
		.dataplane = api->selection->dataplane,
		.dataplane_text = text,
		.dataplane_error = trouble.text,
		.sandbox = api->sandbox,
		.interfaces = (const char *const *)config->interfaces.items,
		.n_interfaces = config->interfaces.n,
		.publics = publics,
		.n_publics = all_addresses(config, publics),
		.port_lo = config->pools[0].ports.lo,
		.port_hi = config->pools[0].ports.hi,
		.upstream_lo = config->upstream.lo,
		.upstream_hi = config->upstream.hi,
		.policy = on_policy_question,
		.context = &inquiry,
	};
	json_t *result = NULL;
	int r;

	if (!admit(api, request))
		return;
	find_targets(api, request, &targets);
	doctor.targets = targets.addresses;
	doctor.n_targets = targets.n;
	api->ops->describe(api->backend, text, sizeof(text));
	if (api->ops->trouble)
		api->ops->trouble(api->backend, &trouble);
	r = mr_doctor_run(&doctor, mr_api_text(params, "target"), &result);
	if (r) {
		mr_rpc_request_fail(request, r == -EINVAL ? MR_RPC_PARAMS : MR_RPC_FAILED,
			"doctor: %s",
			r == -EINVAL ? "target: expected ADDRESS, ADDRESS:PORT or [IPV6]:PORT"
				     : strerror(-r));
		return;
	}
	mr_json_value(mr_rpc_request_result(request), NULL, result);
	json_decref(result);
	mr_rpc_request_finish(request);
}
