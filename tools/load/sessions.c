// SPDX-License-Identifier: BSD-2-Clause
/*
 * sessions.c - see sessions.h.
 */
#include "sessions.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IN_FLIGHT 256

/** Idle sessions of a run that was killed go away by themselves. */
#define IDLE_SECONDS 3600

void mr_sessions_free(struct mr_sessions *sessions)
{
	free(sessions->endpoints);
	free(sessions->ids);
	*sessions = (struct mr_sessions){0};
}

int mr_sessions_room(uint32_t n, struct mr_sessions *ret_sessions)
{
	struct mr_sessions sessions = {
		.endpoints = calloc(n, sizeof(*sessions.endpoints)),
		.ids = calloc(n, sizeof(*sessions.ids)),
	};

	if (!sessions.endpoints || !sessions.ids) {
		mr_sessions_free(&sessions);
		return -ENOMEM;
	}
	*ret_sessions = sessions;
	return 0;
}

static enum mr_exit fail(struct mr_rpc_error *ret_error, const char *text)
{
	*ret_error = (struct mr_rpc_error){.status = MR_EXIT_FAILED};
	snprintf(ret_error->message, sizeof(ret_error->message), "%s", text);
	return MR_EXIT_FAILED;
}

static enum mr_exit send_open(struct mr_rpc *rpc, const union mr_sockaddr *target, uint16_t port,
	const char *label, uint32_t number, struct mr_rpc_error *ret_error)
{
	char host[INET6_ADDRSTRLEN], endpoint[INET6_ADDRSTRLEN + 8], full_label[64];
	json_t *params;

	mr_sockaddr_format(host, sizeof(host), target);
	mr_cli_format_endpoint(endpoint, sizeof(endpoint), host, port);
	snprintf(full_label, sizeof(full_label), "%s-%u", label, number);
	params = json_pack(
		"{s:s, s:i, s:s}", "target", endpoint, "idle", IDLE_SECONDS, "label", full_label);
	if (!params)
		return fail(ret_error, "cannot open a session: out of memory");
	return mr_rpc_send(rpc, "open", params, ret_error);
}

/** Reads an answer's session. The client dials the first address of the target's own family. */
static enum mr_exit read_session(json_t *result, int family, uint16_t target_port,
	struct mr_engine_endpoint *ret_endpoint, char *ret_id, struct mr_rpc_error *ret_error)
{
	const char *id;
	json_t *addresses, *address;
	size_t i;
	int port;

	*ret_endpoint = (struct mr_engine_endpoint){.target_port = target_port};
	if (json_unpack(result, "{s:s, s:{s:o, s:i}}", "id", &id, "public", "addresses", &addresses,
		    "port", &port) < 0 ||
		strlen(id) >= MR_SESSION_ID_SIZE)
		return fail(ret_error, "cannot use the daemon's answer to open: not a session");
	json_array_foreach (addresses, i, address) {
		union mr_sockaddr relay;

		if (!json_is_string(address) ||
			mr_sockaddr_parse(json_string_value(address), &relay) < 0)
			continue;
		if (ret_endpoint->relay.sa.sa_family == AF_UNSPEC ||
			(relay.sa.sa_family == family &&
				ret_endpoint->relay.sa.sa_family != family))
			ret_endpoint->relay = relay;
	}
	if (ret_endpoint->relay.sa.sa_family == AF_UNSPEC)
		return fail(ret_error,
			"cannot use the session: the daemon advertises no numeric address");
	mr_sockaddr_set_port(&ret_endpoint->relay, (uint16_t)port);
	snprintf(ret_id, MR_SESSION_ID_SIZE, "%s", id);
	return MR_EXIT_DONE;
}

enum mr_exit mr_sessions_open(struct mr_rpc *rpc, const union mr_sockaddr *target,
	struct mr_port_range ports, uint32_t n, const char *label, struct mr_hist *latency,
	struct mr_sessions *ret_sessions, struct mr_rpc_error *ret_error)
{
	uint64_t sent_ns[IN_FLIGHT];
	uint32_t sent = 0, count = mr_port_range_count(ports);

	if (mr_sessions_room(n, ret_sessions) < 0)
		return fail(ret_error, "cannot open sessions: out of memory");
	while (ret_sessions->n < n) {
		uint32_t i = ret_sessions->n;
		json_t *result = NULL;
		enum mr_exit status;

		for (; sent < n && sent - i < IN_FLIGHT; sent++) {
			sent_ns[sent % IN_FLIGHT] = mr_now_ns();
			status = send_open(rpc, target, (uint16_t)(ports.lo + sent % count), label,
				sent, ret_error);
			if (status != MR_EXIT_DONE)
				return status;
		}
		status = mr_rpc_receive(rpc, &result, ret_error);
		if (status != MR_EXIT_DONE)
			return status;
		mr_hist_add(latency, mr_now_ns() - sent_ns[i % IN_FLIGHT]);
		status =
			read_session(result, target->sa.sa_family, (uint16_t)(ports.lo + i % count),
				&ret_sessions->endpoints[i], ret_sessions->ids[i], ret_error);
		json_decref(result);
		if (status != MR_EXIT_DONE)
			return status;
		ret_sessions->n++;
	}
	return MR_EXIT_DONE;
}

enum mr_exit mr_sessions_open_one(struct mr_rpc *rpc, const union mr_sockaddr *target,
	struct mr_port_range ports, uint32_t number, const char *label,
	struct mr_sessions *sessions, struct mr_rpc_error *ret_error)
{
	uint16_t port = (uint16_t)(ports.lo + number % mr_port_range_count(ports));
	json_t *result = NULL;
	enum mr_exit status = send_open(rpc, target, port, label, number, ret_error);

	if (status == MR_EXIT_DONE)
		status = mr_rpc_receive(rpc, &result, ret_error);
	if (status == MR_EXIT_DONE)
		status = read_session(result, target->sa.sa_family, port,
			&sessions->endpoints[sessions->n], sessions->ids[sessions->n], ret_error);
	json_decref(result);
	if (status == MR_EXIT_DONE)
		sessions->n++;
	return status;
}

/** Answers to opens that nobody waited for any more, after a failure. */
static void drop_answers(struct mr_rpc *rpc)
{
	struct mr_rpc_error error;

	while (mr_rpc_pending(rpc) > 0) {
		json_t *result = NULL;

		if (mr_rpc_receive(rpc, &result, &error) == MR_EXIT_DONE)
			json_decref(result);
		else if (!error.answered)
			return;
	}
}

enum mr_exit mr_sessions_close(
	struct mr_rpc *rpc, const struct mr_sessions *sessions, struct mr_rpc_error *ret_error)
{
	uint32_t sent = 0;

	drop_answers(rpc);
	for (uint32_t i = 0; i < sessions->n; i++) {
		json_t *result = NULL;
		enum mr_exit status;

		for (; sent < sessions->n && sent - i < IN_FLIGHT; sent++) {
			status = mr_rpc_send(rpc, "close",
				json_pack("{s:s}", "id", sessions->ids[sent]), ret_error);
			if (status != MR_EXIT_DONE)
				return status;
		}
		status = mr_rpc_receive(rpc, &result, ret_error);
		if (status == MR_EXIT_DONE)
			json_decref(result);
		else if (!ret_error->answered || status != MR_EXIT_NO_SESSION)
			return status;
	}
	return MR_EXIT_DONE;
}

int mr_sessions_fixed(const union mr_sockaddr *relay, struct mr_port_range ports,
	struct mr_port_range target_ports, uint32_t n, struct mr_sessions *ret_sessions)
{
	uint32_t count = mr_port_range_count(ports);
	int r;

	if (mr_port_range_count(target_ports) < count)
		count = mr_port_range_count(target_ports);
	r = mr_sessions_room(n, ret_sessions);
	if (r < 0)
		return r;
	ret_sessions->n = n;
	for (uint32_t i = 0; i < n; i++) {
		struct mr_engine_endpoint *endpoint = &ret_sessions->endpoints[i];

		endpoint->relay = *relay;
		mr_sockaddr_set_port(&endpoint->relay, (uint16_t)(ports.lo + i % count));
		endpoint->target_port = (uint16_t)(target_ports.lo + i % count);
	}
	return 0;
}
