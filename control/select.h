/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * select.h - picks the dataplane: the one that was asked for, or the fastest that runs here.
 *
 * Knows where the DPDK module may lie; what a dataplane does is backend.h's.
 */
#ifndef MR_CONTROL_SELECT_H
#define MR_CONTROL_SELECT_H

#include "backend.h"

/** Dataplanes that may be tried one after the other. */
#define MR_SELECT_MAX 3

/** One that was tried and would not run. */
struct mr_refusal {
	enum mr_dataplane dataplane;
	struct mr_why why;
};

struct mr_selection {
	const struct mr_backend_ops *ops;
	struct mr_backend *backend;
	enum mr_dataplane dataplane; /* in use, never AUTO */
	bool adopted;                /* an earlier daemon's tables go on */
	struct mr_refusal refusals[MR_SELECT_MAX];
	size_t n_refusals;
	void *module; /* of dlopen(), NULL: none */
};

/**
 * Opens `config->dataplane`; with AUTO native XDP, then generic XDP, then DPDK. Refusals are
 * filled in even on failure.
 * \return 0, or the error of the last one that was tried.
 */
int mr_select_open(const struct mr_backend_config *config, struct mr_selection *ret_selection);

#endif
