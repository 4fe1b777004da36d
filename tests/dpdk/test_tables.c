/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_tables.c - what the DPDK dataplane's tables are opened with. Packets in them are
 * run_dpdk.c's.
 */
#include <criterion/criterion.h>

#include "kernel_bed.h"
#include "tables.h"

TestSuite(tables, .init = kernel_set_up, .fini = kernel_tear_down, .timeout = 240);

static bool goes_without_lock(uint32_t workers)
{
	const struct mr_backend_config config = {.max_sessions = 16, .upstream_lo = 61008};
	struct mr_tables t = {0};
	struct mr_why why = {""};
	bool quick;

	cr_assert_eq(mr_tables_open(&config, workers, &t, &why), 0, "%s", why.text);
	quick = t.quick;
	mr_tables_close(&t);
	return quick;
}

/* A worker alone decides alone. Several see each other's stores in order on x86-64 only. */
Test(tables, several_workers_go_without_the_lock_on_x86_64_alone)
{
#ifdef __x86_64__
	const bool expected = true;
#else
	const bool expected = false;
#endif

	cr_expect(goes_without_lock(1));
	cr_expect_eq(goes_without_lock(2), expected);
}
