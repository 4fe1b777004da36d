// SPDX-License-Identifier: BSD-2-Clause
/*
 * run_dpdk.c - the packet vectors against the DPDK worker: run_dpdk FILE...
 *
 * Prints TAP, one line a row.
 */
#include <stdio.h>
#include <string.h>

#include "vec_dpdk.h"

static int bail_out(const char *what, const char *why)
{
	printf("Bail out! %s: %s\n", what, why);
	return -1;
}

static int run_file(struct mr_vec_dpdk *bed, const char *path, unsigned *number)
{
	struct mr_vec_file file;
	char why[MR_VEC_WHY];
	int failed = 0, rc;

	if (mr_vec_load(path, &file, why) < 0)
		return bail_out(path, why);
	rc = mr_vec_dpdk_world(bed, &file);
	for (size_t i = 0; i < file.n_rows && !rc; i++) {
		const struct mr_vec *row = &file.rows[i];
		struct mr_session session = row->before;
		struct mr_vec_result result;
		bool good;

		rc = mr_vec_dpdk_run(bed, &file, row, &session, &result);
		good = !rc && mr_vec_check(row, &result, &session, 0, why);
		printf("%s %u - %s\n", good ? "ok" : "not ok", ++*number, row->what);
		if (!good && !rc)
			printf("# %s:%u: %s\n", path, row->line, why);
		failed += !good;
	}
	mr_vec_free(&file);
	return rc ? bail_out(path, strerror(-rc)) : failed;
}

int main(int argc, char **argv)
{
	struct mr_vec_dpdk *bed;
	char why[MR_VEC_WHY];
	unsigned number = 0;
	int failed = 0;

	if (mr_vec_dpdk_open(&bed, why)) {
		bail_out("the worker", why);
		return 1;
	}
	for (int i = 1; i < argc; i++) {
		int r = run_file(bed, argv[i], &number);

		if (r < 0)
			return 1;
		failed += r;
	}
	mr_vec_dpdk_close(bed);
	printf("1..%u\n", number);
	return failed > 0 || number == 0;
}
