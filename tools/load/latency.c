// SPDX-License-Identifier: BSD-2-Clause
/*
 * latency.c - see latency.h.
 */
#include "latency.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include "again.h"

/* Rates tried with a peer that merges datagrams, until one is lost; and for how long each. */
static const double slow_rates[] = {10, 30, 100, 300};
#define SLOW_SECONDS 2

/** Runs one client against the contestant's first endpoint. NULL: it failed. */
static json_t *drive(const struct mr_contestant *contestant, double rate, unsigned seconds)
{
	const struct mr_bench_endpoint *endpoint = &contestant->endpoints[0];
	char address[INET_ADDRSTRLEN], port[8], target_port[8], rate_text[16], seconds_text[16];
	pid_t pid;
	int r;

	inet_ntop(AF_INET, &endpoint->daddr, address, sizeof(address));
	snprintf(port, sizeof(port), "%u", ntohs(endpoint->dport));
	snprintf(target_port, sizeof(target_port), "%u",
		contestant->sessions < MR_PEER_MANY ? MR_PEER_TARGET_LO : MR_PEER_TARGET_LO_MANY);
	snprintf(rate_text, sizeof(rate_text), "%.0f", rate);
	snprintf(seconds_text, sizeof(seconds_text), "%u", seconds);
	r = mr_again_start(contestant, MR_HOST_CLIENT, "latency.json", &pid, "run", "--relay",
		address, "--relay-ports", port, "--target-ports", target_port, "--profile", "flood",
		"--json", "--seconds", seconds_text, "--rate", rate_text, NULL);
	return r < 0 ? NULL : mr_again_finish(contestant, pid, "latency.json");
}

static void read_curve(json_t *json, struct mr_bench_latency *latency)
{
	const json_t *curve = json_object_get(json_object_get(json, "latency_us"), "curve"), *point;
	size_t i;

	json_array_foreach (curve, i, point) {
		if (latency->n_curve == MR_HIST_CURVE)
			return;
		latency->curve[latency->n_curve++] =
			(struct mr_hist_point){json_number_value(json_array_get(point, 0)),
				json_number_value(json_array_get(point, 1)) * 1000};
	}
}

static int measure(const struct mr_contestant *contestant, double rate, unsigned seconds,
	struct mr_bench_latency *ret_latency)
{
	json_t *json = drive(contestant, rate, seconds);

	if (!json)
		return -EIO;
	*ret_latency = (struct mr_bench_latency){
		.rate = rate,
		.p50 = mr_again_number(json, "latency_us", "p50"),
		.p99 = mr_again_number(json, "latency_us", "p99"),
		.p99_9 = mr_again_number(json, "latency_us", "p99_9"),
		.max = mr_again_number(json, "latency_us", "max"),
		.sent = mr_again_number(json, NULL, "sent"),
		.answered = mr_again_number(json, NULL, "answered"),
	};
	read_curve(json, ret_latency);
	json_decref(json);
	return ret_latency->answered > 0 ? 0 : -EIO;
}

/** The greatest rate that comes back whole. */
static int measure_slow(struct mr_contestant *contestant, struct mr_bench_row *row)
{
	int r = 0;

	for (size_t i = 0; i < sizeof(slow_rates) / sizeof(slow_rates[0]) && r == 0; i++) {
		struct mr_bench_latency latency;

		r = measure(contestant, slow_rates[i], SLOW_SECONDS, &latency);
		if (r < 0 || latency.answered < latency.sent)
			break;
		row->latency = latency;
		row->lossless = slow_rates[i];
		r = mr_contestant_renew(contestant);
	}
	return row->lossless > 0 ? 0 : -EIO;
}

int mr_latency_measure(struct mr_contestant *contestant, struct mr_bench_row *row)
{
	pid_t serve = 0;
	int r = 0;

	if (contestant->peer->one_client)
		r = mr_contestant_renew(contestant);
	if (r == 0)
		r = mr_again_serve(contestant, &serve);
	if (r == 0)
		r = contestant->peer->merges
			? measure_slow(contestant, row)
			: measure(contestant, MR_LATENCY_RATE, MR_LATENCY_SECONDS, &row->latency);
	mr_proc_stop(&serve);
	return r;
}
