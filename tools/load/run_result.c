// SPDX-License-Identifier: BSD-2-Clause
/*
 * run_result.c - see run_result.h.
 */
#include "run_result.h"

#include <inttypes.h>

static double us(uint64_t ns)
{
	return (double)ns / 1000.0;
}

static void print_latency(const char *what, const struct mr_hist *hist, FILE *out)
{
	if (hist->count == 0)
		return;
	fprintf(out, "%-12s p50 %.1f µs, p99 %.1f µs, p99.9 %.1f µs, max %.1f µs (%" PRIu64 ")\n",
		what, us(mr_hist_quantile(hist, 500)), us(mr_hist_quantile(hist, 990)),
		us(mr_hist_quantile(hist, 999)), us(hist->max), hist->count);
}

void mr_run_result_print(const struct mr_run_result *result, FILE *out)
{
	const struct mr_flow_account *account = &result->account;

	fprintf(out, "%" PRIu32 " sessions, %s, %.1f s\n", result->sessions,
		mr_profile_name(result->profile), result->seconds);
	if (result->unreached)
		fprintf(out, "%-12s %" PRIu32 " sessions gave no sign of life\n", "unreached",
			result->unreached);
	fprintf(out, "%-12s %" PRIu64 " (%.0f a second)\n", "sent", account->sent,
		result->seconds > 0 ? (double)account->sent / result->seconds : 0);
	fprintf(out, "%-12s %" PRIu64 "\n", "answered", account->answered);
	fprintf(out, "%-12s %" PRIu64 " to the target, %" PRIu64 " to the client\n", "lost",
		account->lost_to_target, account->lost_to_client);
	fprintf(out, "%-12s %" PRIu64 "\n", "duplicated", account->duplicated);
	fprintf(out, "%-12s %" PRIu64 " (%" PRIu64 " came too late to be answered)\n", "reordered",
		account->reordered, account->dropped_old);
	fprintf(out, "%-12s %" PRIu64 "\n", "misdelivered", account->misdelivered);
	fprintf(out, "%-12s %" PRIu64 "\n", "corrupted", account->corrupted);
	if (account->unsent)
		fprintf(out, "%-12s %" PRIu64 " (this machine's own queue was full)\n", "unsent",
			account->unsent);
	if (account->unaccounted_sessions)
		fprintf(out, "%-12s %" PRIu64 " sessions: their targets' counts could not be had\n",
			"unaccounted", account->unaccounted_sessions);
	if (result->roamed)
		fprintf(out, "%-12s %" PRIu64 "\n", "roamed", result->roamed);
	if (result->spoofed)
		fprintf(out, "%-12s %" PRIu64 "\n", "spoofed", result->spoofed);
	print_latency("round trip", &result->round_trip, out);
	print_latency("roam", &result->roam, out);
	print_latency("open", &result->open, out);
	if (result->open_seconds > 0)
		fprintf(out, "%-12s %.0f a second\n", "opens",
			result->sessions / result->open_seconds);
	if (result->lossless_rate >= 0)
		fprintf(out, "%-12s %.0f datagrams a second without loss\n", "ramp",
			result->lossless_rate);
}

json_t *mr_hist_json(const struct mr_hist *hist)
{
	struct mr_hist_point points[MR_HIST_CURVE];
	unsigned n = mr_hist_curve(hist, points);
	json_t *curve = json_array();

	for (unsigned i = 0; i < n; i++)
		json_array_append_new(
			curve, json_pack("[f, f]", points[i].one_in, points[i].ns / 1000));
	return json_pack("{s:I, s:f, s:f, s:f, s:f, s:f, s:o}", "count", (json_int_t)hist->count,
		"mean", us(mr_hist_mean(hist)), "p50", us(mr_hist_quantile(hist, 500)), "p99",
		us(mr_hist_quantile(hist, 990)), "p99_9", us(mr_hist_quantile(hist, 999)), "max",
		us(hist->max), "curve", curve);
}

static int put(json_t *object, const char *name, uint64_t value)
{
	return json_object_set_new(object, name, json_integer((json_int_t)value));
}

json_t *mr_run_result_json(const struct mr_run_result *result)
{
	const struct mr_flow_account *account = &result->account;
	json_t *json = json_pack("{s:i, s:s, s:s, s:i, s:f}", "version", MR_RESULT_VERSION, "kind",
		"run", "profile", mr_profile_name(result->profile), "sessions",
		(int)result->sessions, "seconds", result->seconds);
	int r = 0;

	r |= put(json, "unreached_sessions", result->unreached);
	r |= put(json, "sent", account->sent);
	r |= put(json, "answered", account->answered);
	r |= put(json, "lost", account->lost_to_target + account->lost_to_client);
	r |= put(json, "lost_to_target", account->lost_to_target);
	r |= put(json, "lost_to_client", account->lost_to_client);
	r |= put(json, "duplicated", account->duplicated);
	r |= put(json, "reordered", account->reordered);
	r |= put(json, "dropped_old", account->dropped_old);
	r |= put(json, "misdelivered", account->misdelivered);
	r |= put(json, "corrupted", account->corrupted);
	r |= put(json, "unsent", account->unsent);
	r |= put(json, "unaccounted_sessions", account->unaccounted_sessions);
	r |= put(json, "roamed", result->roamed);
	r |= put(json, "spoofed", result->spoofed);
	r |= json_object_set_new(json, "latency_us", mr_hist_json(&result->round_trip));
	if (result->roam.count)
		r |= json_object_set_new(json, "roam_us", mr_hist_json(&result->roam));
	if (result->open.count)
		r |= json_object_set_new(json, "open_us", mr_hist_json(&result->open));
	if (result->open_seconds > 0)
		r |= json_object_set_new(json, "opens_per_second",
			json_real(result->sessions / result->open_seconds));
	if (result->lossless_rate >= 0)
		r |= json_object_set_new(
			json, "lossless_per_second", json_real(result->lossless_rate));
	if (r != 0) {
		json_decref(json);
		return NULL;
	}
	return json;
}
