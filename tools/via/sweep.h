/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sweep.h - the process that cleans up behind a mosh session, however that ends.
 *
 * It waits until nobody holds its pipe any longer, which mosh-client does as long as it lives, so
 * that neither a hangup nor a kill -9 leaves a session at the relay or an ssh connection behind.
 */
#ifndef MR_VIA_SWEEP_H
#define MR_VIA_SWEEP_H

#include "bastion.h"

struct mr_sweep {
	int hold; /* open while there is something to keep; programs that are run inherit it */
	int done; /* readable, and at its end, when all is swept */
};

/**
 * From here on the new process owns what `bastion` has open, and session `id`. On failure (-errno)
 * both still are the caller's.
 */
int mr_sweep_start(struct mr_bastion *bastion, const char *id, struct mr_sweep *ret_sweep);

/** Lets go, and waits at most `timeout_ms` until all is swept; it goes on by itself else. */
void mr_sweep_finish(struct mr_sweep *sweep, int timeout_ms);

#endif
