// SPDX-License-Identifier: BSD-2-Clause
/*
 * latency.c - see latency.h.
 */
#include "latency.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include "again.h"

#define RAMP_SECONDS "8"
#define TEXT_OF(x)   TEXT(x)
#define TEXT(x)      #x

/** Runs one client against the contestant's first endpoint. NULL: it failed. */
static json_t *drive(const struct mr_contestant *contestant, bool ramp)
{
	const struct mr_bench_endpoint *endpoint = &contestant->endpoints[0];
	char address[INET_ADDRSTRLEN], port[8], target_port[8];
	pid_t pid;
	int r;

	inet_ntop(AF_INET, &endpoint->daddr, address, sizeof(address));
	snprintf(port, sizeof(port), "%u", ntohs(endpoint->dport));
	snprintf(target_port, sizeof(target_port), "%u", MR_PEER_TARGET_LO);
	r = mr_again_start(contestant, MR_HOST_CLIENT, "latency.json", &pid, "run", "--relay",
		address, "--relay-ports", port, "--target-ports", target_port, "--profile", "flood",
		"--json", "--seconds", ramp ? RAMP_SECONDS : TEXT_OF(MR_LATENCY_SECONDS),
		ramp ? "--ramp" : "--rate", ramp ? NULL : TEXT_OF(MR_LATENCY_RATE), NULL);
	return r < 0 ? NULL : mr_again_finish(contestant, pid, "latency.json");
}

static int measure(const struct mr_contestant *contestant, struct mr_bench_row *row)
{
	json_t *json = drive(contestant, false);

	if (!json)
		return -EIO;
	row->latency = (struct mr_bench_latency){
		.p50 = mr_again_number(json, "latency_us", "p50"),
		.p99 = mr_again_number(json, "latency_us", "p99"),
		.p99_9 = mr_again_number(json, "latency_us", "p99_9"),
		.max = mr_again_number(json, "latency_us", "max"),
		.sent = mr_again_number(json, NULL, "sent"),
		.answered = mr_again_number(json, NULL, "answered"),
	};
	json_decref(json);
	return row->latency.answered > 0 ? 0 : -EIO;
}

int mr_latency_measure(struct mr_contestant *contestant, struct mr_bench_row *row)
{
	pid_t serve = 0;
	json_t *json = NULL;
	int r = 0;

	if (contestant->peer->one_client)
		r = mr_contestant_renew(contestant);
	if (r == 0)
		r = mr_again_serve(contestant, &serve);
	if (r == 0)
		r = measure(contestant, row);
	if (r == 0 && contestant->peer->merges) {
		r = mr_contestant_renew(contestant);
		json = r == 0 ? drive(contestant, true) : NULL;
		row->lossless = json ? mr_again_number(json, NULL, "lossless_per_second") : 0;
		json_decref(json);
	}
	mr_proc_stop(&serve);
	return r;
}
