/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * metrics_text.c - the counts of the relay in Prometheus' text format, version 0.0.4. The names are
 * in moshrelayd(8).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "metrics.h"

#define VERDICT_PASS "pass"
#define VERDICT_DROP "drop"
#define VERDICT_SEND "send"

static const struct {
	const char *name, *verdict;
} reasons[] = {
#define MR_X(name, verdict, text) [MR_REASON_##name] = {#name, VERDICT_##verdict},
	MR_REASONS(MR_X)
#undef MR_X
};

static void put_head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP moshrelay_%s %s\n# TYPE moshrelay_%s %s\n", name, help, name, type);
}

static void put_one(FILE *out, const char *name, const char *type, const char *help, uint64_t value)
{
	put_head(out, name, type, help);
	fprintf(out, "moshrelay_%s %" PRIu64 "\n", name, value);
}

static void put_info(FILE *out, const struct mr_api *api)
{
	put_head(out, "info", "gauge", "The relay's version, and what moves its packets");
	fprintf(out, "moshrelay_info{version=\"%s\",dataplane=\"%s\"} 1\n", MR_VERSION,
		mr_dataplane_name(api->selection->dataplane));
	put_head(out, "start_time_seconds", "gauge", "When the daemon started");
	fprintf(out, "moshrelay_start_time_seconds %.3f\n", (double)api->started_at / 1e9);
}

static void put_sessions(
	FILE *out, const struct mr_api *api, const uint64_t ends[static MR_METRICS_ENDS])
{
	struct mr_sessions_counts counts;

	mr_sessions_counts(api->sessions, &counts);
	put_head(out, "sessions", "gauge", "Sessions by state");
	for (unsigned i = 0; i < MR_SESSION_STATES; i++)
		fprintf(out, "moshrelay_sessions{state=\"%s\"} %" PRIu32 "\n",
			mr_session_state_name(i), counts.by_state[i]);
	put_one(out, "sessions_max", "gauge", "Sessions that there can be", counts.max_sessions);
	put_one(out, "public_ports", "gauge", "Public ports of all pools", counts.public_ports);
	put_one(out, "public_ports_free", "gauge", "Of those: without a session",
		counts.public_ports_free);
	put_one(out, "draining", "gauge", "1: new sessions are refused",
		mr_sessions_draining(api->sessions));
	put_one(out, "sessions_opened_total", "counter", "Sessions opened", counts.opened);
	put_head(out, "sessions_closed_total", "counter", "Sessions that ended, by reason");
	for (unsigned i = 0; i < MR_METRICS_ENDS; i++)
		fprintf(out, "moshrelay_sessions_closed_total{reason=\"%s\"} %" PRIu64 "\n",
			mr_session_end_name(i), ends[i]);
	put_one(out, "store_errors_total", "counter", "Writes to the store that failed",
		counts.store_errors);
}

static void put_requests(FILE *out, const struct mr_api *api)
{
	uint64_t requests, denied;

	mr_rpc_server_counts(api->server, &requests, &denied);
	put_one(out, "connections", "gauge", "Connections to the setup socket",
		mr_rpc_server_clients(api->server));
	put_one(out, "requests_total", "counter", "Requests on the setup socket", requests);
	put_one(out, "requests_denied_total", "counter", "Of those: denied", denied);
}

static void put_packets(FILE *out, const struct mr_api *api,
	const struct mr_reason_count counts[static MR_REASON_CAPACITY])
{
	put_head(out, "packets_total", "counter", "Packets by what became of them");
	for (size_t i = 0; i < MR_REASON_COUNT; i++)
		fprintf(out, "moshrelay_packets_total{reason=\"%s\",verdict=\"%s\"} %" PRIu64 "\n",
			reasons[i].name, reasons[i].verdict, (uint64_t)counts[i].packets);
	put_head(out, "bytes_total", "counter", "Octets of those packets");
	for (size_t i = 0; i < MR_REASON_COUNT; i++)
		fprintf(out, "moshrelay_bytes_total{reason=\"%s\",verdict=\"%s\"} %" PRIu64 "\n",
			reasons[i].name, reasons[i].verdict, (uint64_t)counts[i].bytes);
	put_one(out, "events_suppressed_total", "counter",
		"News from packets that the rate limit kept back",
		api->ops->events_suppressed(api->backend));
}

int mr_metrics_text(const struct mr_api *api, const uint64_t ends[static MR_METRICS_ENDS],
	char **ret_text, size_t *ret_size)
{
	struct mr_reason_count counts[MR_REASON_CAPACITY];
	int r = api->ops->stats(api->backend, counts);
	char *text = NULL;
	size_t size;
	FILE *out;

	if (r)
		return r;
	out = open_memstream(&text, &size);
	if (!out)
		return -ENOMEM;
	put_info(out, api);
	put_sessions(out, api, ends);
	put_requests(out, api);
	put_packets(out, api, counts);
	r = ferror(out) ? -ENOMEM : 0;
	if (fclose(out))
		r = -ENOMEM;
	if (r) {
		free(text);
		return r;
	}
	*ret_text = text;
	*ret_size = size;
	return 0;
}
