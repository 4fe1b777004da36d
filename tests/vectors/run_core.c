// SPDX-License-Identifier: BSD-2-Clause
/*
 * run_core.c - the packet vectors against the core on the host: run_core FILE...
 *
 * Prints TAP, one line a row.
 */
#include <stdio.h>

#include "host.h"

static int run_file(const char *path, unsigned *number)
{
	struct mr_vec_file file;
	char why[MR_VEC_WHY];
	int failed = 0;

	if (mr_vec_load(path, &file, why) < 0) {
		printf("Bail out! %s: %s\n", path, why);
		return -1;
	}
	for (size_t i = 0; i < file.n_rows; i++) {
		const struct mr_vec *row = &file.rows[i];
		struct mr_session session = row->before;
		struct mr_vec_result result;
		bool good;

		mr_host_run(&file, row, &session, &result);
		good = mr_vec_check(row, &result, &session, 0, why);
		printf("%s %u - %s\n", good ? "ok" : "not ok", ++*number, row->what);
		if (!good)
			printf("# %s:%u: %s\n", path, row->line, why);
		failed += !good;
	}
	mr_vec_free(&file);
	return failed;
}

int main(int argc, char **argv)
{
	unsigned number = 0;
	int failed = 0;

	for (int i = 1; i < argc; i++) {
		int r = run_file(argv[i], &number);

		if (r < 0)
			return 1;
		failed += r;
	}
	printf("1..%u\n", number);
	return failed > 0 || number == 0;
}
