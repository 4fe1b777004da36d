// SPDX-License-Identifier: BSD-2-Clause
/*
 * bench_dpdk.c - see bench_dpdk.h. Runs the program and reads its JSON document.
 */
#include "bench_dpdk.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"

#define PROGRAM  "moshrelay-load-dpdk"
#define TURN_MAX 400 /* ms */

/* Seen from the directory of this program: in a build tree, and installed. */
static const char *const beside[] = {
	"dpdk/" PROGRAM,
	"../" MR_LIBDIR "/moshrelay/" PROGRAM,
	"../lib/moshrelay/" PROGRAM,
};

static const struct {
	const char *name, *title;
} titles[] = {
	{MR_BENCH_DPDK_NAME, "DPDK worker on ports of rings"},
	{"dpdk-l3fwd", "l3fwd-like loop on the same ports"},
	{"dpdk-l3fwd-em", "l3fwd -E-like loop, by flows"},
	{"dpdk-ports", "the same ports alone"},
};

/** What a datagram may cost the worker, ns. */
static const struct mr_bench_fact costs[] = {
	{"dpdk_worker_ns", "DPDK worker on ports of rings, 1 session", "ns", 0, 0, 100},
	{"dpdk_worker_ns_many", "DPDK worker on ports of rings, all in turn", "ns", 0, 0, 150},
};

static int find_program(char *ret_path, size_t size)
{
	char self[2048];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	const char *slash;

	if (length < 0)
		return -errno;
	self[length] = '\0';
	slash = strrchr(self, '/');
	for (size_t i = 0; slash && i < sizeof(beside) / sizeof(beside[0]); i++) {
		snprintf(ret_path, size, "%.*s/%s", (int)(slash - self), self, beside[i]);
		if (access(ret_path, X_OK) == 0)
			return 0;
	}
	return -ENOENT;
}

/** Waits until it has ended; what it wrote to stderr becomes the reason of a failure. */
static int wait_for(pid_t pid, int log_fd, struct mr_proc_why *ret_why)
{
	ssize_t length;
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
		if (atomic_load(&mr_load_stop)) {
			mr_proc_stop(&pid);
			return -EINTR;
		}
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	length = pread(log_fd, ret_why->text, sizeof(ret_why->text) - 1, 0);
	ret_why->text[length > 0 ? length : 0] = '\0';
	ret_why->text[strcspn(ret_why->text, "\n")] = '\0';
	if (!ret_why->text[0])
		snprintf(ret_why->text, sizeof(ret_why->text), PROGRAM " failed");
	return -EPROTO;
}

static int run_program(const struct mr_bench_dpdk_options *options, json_t **ret_document,
	struct mr_proc_why *ret_why)
{
	mr_cleanup(mr_close_fd) int out = memfd_create("out", MFD_CLOEXEC);
	mr_cleanup(mr_close_fd) int log = memfd_create("log", MFD_CLOEXEC);
	char program[4096], out_path[64], log_path[64], rounds[16], turn[16], sessions[16], cpu[16];
	char *argv[] = {program, "--rounds", rounds, "--turn", turn, "--sessions", sessions,
		"--cpu", cpu, NULL};
	struct mr_proc_options process = {
		.netns_fd = -1, .cpu = options->cpu, .log = log_path, .out = out_path};
	pid_t pid;
	int r;

	if (out < 0 || log < 0)
		return -errno;
	r = find_program(program, sizeof(program));
	if (r < 0) {
		snprintf(ret_why->text, sizeof(ret_why->text), PROGRAM);
		return r;
	}
	snprintf(out_path, sizeof(out_path), "/proc/self/fd/%d", out);
	snprintf(log_path, sizeof(log_path), "/proc/self/fd/%d", log);
	snprintf(rounds, sizeof(rounds), "%u", options->rounds);
	snprintf(turn, sizeof(turn), "%u",
		options->turn_ms < TURN_MAX ? options->turn_ms : TURN_MAX);
	snprintf(sessions, sizeof(sessions), "%u", options->sessions);
	snprintf(cpu, sizeof(cpu), "%d", options->cpu);
	r = mr_proc_start(&process, argv, &pid);
	if (r == 0)
		r = wait_for(pid, log, ret_why);
	if (r < 0)
		return r;
	lseek(out, 0, SEEK_SET);
	*ret_document = json_loadfd(out, 0, NULL);
	if (*ret_document)
		return 0;
	snprintf(ret_why->text, sizeof(ret_why->text), PROGRAM ": its answer is not JSON");
	return -EPROTO;
}

/** One row of the document; false: it is not one that is known. */
static bool read_row(const json_t *entry, struct mr_bench_row *ret_row)
{
	const char *name = json_string_value(json_object_get(entry, "name"));
	const json_t *costs_ns = json_object_get(entry, "ns_per_datagram");
	struct mr_bench_row row = {
		.sessions = (uint32_t)json_integer_value(json_object_get(entry, "sessions"))};

	for (size_t i = 0; name && i < sizeof(titles) / sizeof(titles[0]); i++) {
		if (strcmp(name, titles[i].name) == 0) {
			row.name = titles[i].name;
			row.title = titles[i].title;
		}
	}
	if (!row.name)
		return false;
	for (size_t i = 0; i < json_array_size(costs_ns) && row.n < MR_BENCH_ROUNDS_MAX; i++) {
		double ns = json_real_value(json_array_get(costs_ns, i));

		if (ns <= 0)
			return false;
		row.turns[row.n++] = (struct mr_bench_turn){
			.delivered = 1e9 / ns, .offered = 1e9 / ns, .ns_a_packet = ns};
	}
	*ret_row = row;
	return row.n > 0;
}

static void add_cost(struct mr_bench_result *result, const struct mr_bench_row *row)
{
	struct mr_bench_fact *fact = &result->facts[result->n_facts];

	if (result->n_facts == MR_BENCH_FACTS_MAX)
		return;
	*fact = costs[row->sessions > 1];
	fact->value = MR_BENCH_SPREAD(row, ns_a_packet).median;
	result->n_facts++;
}

int mr_bench_dpdk_measure(const struct mr_bench_dpdk_options *options,
	struct mr_bench_result *result, struct mr_proc_why *ret_why)
{
	json_t *document, *entry;
	size_t i;
	int r = run_program(options, &document, ret_why);

	if (r < 0)
		return r;
	json_array_foreach (json_object_get(document, "rows"), i, entry) {
		struct mr_bench_row *row = &result->rows[result->n_rows];

		if (result->n_rows == MR_BENCH_ROWS_MAX || !read_row(entry, row))
			continue;
		result->n_rows++;
		if (strcmp(row->name, MR_BENCH_DPDK_NAME) == 0)
			add_cost(result, row);
	}
	if (!result->fact_sessions)
		result->fact_sessions = options->sessions;
	json_decref(document);
	return 0;
}
