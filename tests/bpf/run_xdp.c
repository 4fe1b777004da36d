// SPDX-License-Identifier: BSD-2-Clause
/*
 * run_xdp.c - the packet vectors against the loaded XDP program: run_xdp FILE...
 *
 * Prints TAP, one line a row. Needs root. Rows that the program can't be asked are left to the
 * host.
 */
#include <stdio.h>
#include <stdlib.h>

#include "vec_xdp.h"

static void bail_out(const char *what, const char *why)
{
	printf("Bail out! %s: %s\n", what, why);
	exit(1);
}

static bool run_row(
	struct mr_vec_xdp *bed, const struct mr_vec_file *file, const struct mr_vec *row, char *why)
{
	struct mr_session session = row->before;
	struct mr_vec_result result = {0};

	return mr_vec_xdp_run(bed, file, row, &session, &result, why) &&
		mr_vec_check(row, &result, &session, MR_VEC_XDP_TOLERANCE_NS, why);
}

static int run_file(struct mr_vec_xdp *bed, const char *path, unsigned *number)
{
	struct mr_vec_file file;
	char why[MR_VEC_WHY];
	unsigned left_out = 0;
	int failed = 0;

	if (mr_vec_load(path, &file, why) < 0)
		bail_out(path, why);
	mr_vec_xdp_world(bed, &file);
	for (size_t i = 0; i < file.n_rows; i++) {
		const struct mr_vec *row = &file.rows[i];
		bool good;

		if (!mr_vec_xdp_can_run(row)) {
			left_out++;
			continue;
		}
		good = run_row(bed, &file, row, why);
		printf("%s %u - %s\n", good ? "ok" : "not ok", ++*number, row->what);
		if (!good)
			printf("# %s:%u: %s\n", path, row->line, why);
		failed += !good;
	}
	printf("# %s: %u rows are the host's alone\n", path, left_out);
	mr_vec_free(&file);
	return failed;
}

int main(int argc, char **argv)
{
	struct mr_vec_xdp *bed = mr_vec_xdp_open();
	unsigned number = 0;
	int failed = 0;

	for (int i = 1; i < argc; i++)
		failed += run_file(bed, argv[i], &number);
	mr_vec_xdp_close(bed);
	printf("1..%u\n", number);
	return failed > 0 || number == 0;
}
