/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * registry.h - how `run` finds the targets that a `serve` on the same machine stands for.
 *
 * Network namespaces share the file system, so a small file in a run directory is enough. Its owner
 * holds a lock on it as long as it lives.
 */
#ifndef MR_LOAD_REGISTRY_H
#define MR_LOAD_REGISTRY_H

#include "net.h"

/** Announces targets for as long as `*ret_fd` is open; unlink with mr_registry_remove(). */
int mr_registry_add(const union mr_sockaddr *address, struct mr_port_range ports, int *ret_fd);

/** Takes this process's announcement back. */
void mr_registry_remove(void);

/** The newest announcement of a living process. -ENOENT: there is none. */
int mr_registry_find(union mr_sockaddr *ret_address, struct mr_port_range *ret_ports);

#endif
