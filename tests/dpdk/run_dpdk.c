// SPDX-License-Identifier: BSD-2-Clause
/*
 * run_dpdk.c - the packet vectors against the DPDK worker: run_dpdk FILE...
 *
 * Prints TAP, one line a row in each shape that its frame can come in. No buffer is lost.
 */
#include <stdio.h>
#include <string.h>

#include "vec_dpdk.h"

static int bail_out(const char *what, const char *why)
{
	printf("Bail out! %s: %s\n", what, why);
	return -1;
}

static const char *const shapes[MR_VEC_SHAPES] = {
	[MR_VEC_WHOLE] = "",
	[MR_VEC_SEGMENTS] = ", in segments",
	[MR_VEC_CHAIN] = ", in segments to the end",
	[MR_VEC_STRIPPED] = ", its tag taken off",
	[MR_VEC_UNFINISHED] = ", its checksum unfinished",
};

static int run_row(struct mr_vec_dpdk *bed, const struct mr_vec_file *file,
	const struct mr_vec *row, enum mr_vec_shape shape, unsigned number)
{
	struct mr_session session = row->before;
	struct mr_vec_result result;
	char why[MR_VEC_WHY];
	int rc = mr_vec_dpdk_run(bed, file, row, &session, &result);
	bool good = !rc && mr_vec_check(row, &result, &session, 0, why);

	printf("%s %u - %s%s\n", good ? "ok" : "not ok", number, row->what, shapes[shape]);
	if (!good && !rc)
		printf("# line %u: %s\n", row->line, why);
	return rc ? rc : !good;
}

static int run_file(struct mr_vec_dpdk *bed, const char *path, unsigned *number)
{
	struct mr_vec_file file;
	char why[MR_VEC_WHY];
	int failed = 0, rc;

	if (mr_vec_load(path, &file, why) < 0)
		return bail_out(path, why);
	rc = mr_vec_dpdk_world(bed, &file);
	for (unsigned shape = 0; shape < MR_VEC_SHAPES; shape++) {
		for (size_t i = 0; i < file.n_rows && rc >= 0; i++) {
			if (!mr_vec_dpdk_shape(bed, shape, &file.rows[i]))
				continue;
			rc = run_row(bed, &file, &file.rows[i], shape, ++*number);
			failed += rc > 0;
		}
	}
	mr_vec_free(&file);
	return rc < 0 ? bail_out(path, strerror(-rc)) : failed;
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
	number++;
	printf("%s %u - every buffer is back\n", mr_vec_dpdk_lost(bed) ? "not ok" : "ok", number);
	failed += mr_vec_dpdk_lost(bed) != 0;
	mr_vec_dpdk_close(bed);
	printf("1..%u\n", number);
	return failed > 0 || number == 0;
}
