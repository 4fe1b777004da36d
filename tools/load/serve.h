/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * serve.h - the targets' side: one process that stands for a mosh-server on each of many ports.
 */
#ifndef MR_LOAD_SERVE_H
#define MR_LOAD_SERVE_H

#include "net.h"

/**
 * Binds every port of `ports` at `address` and answers until SIGINT or SIGTERM. `ready` is called
 * once all are bound. Returns 0 or -errno; on failure `*ret_port` is the port that it failed on,
 * or 0.
 */
int mr_serve_run(const union mr_sockaddr *address, struct mr_port_range ports,
	void (*ready)(void *context), void *context, uint16_t *ret_port);

#endif
