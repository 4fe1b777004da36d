/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dial.h - which of the relay's addresses mosh-client dials.
 *
 * The address on which ssh reached the bastion is the one that is known to work from here. The
 * relay may serve others, or say that a NAT gives it another.
 */
#ifndef MR_VIA_DIAL_H
#define MR_VIA_DIAL_H

#include <netinet/in.h>
#include <stddef.h>

/**
 * Finds the bastion's address in a line of ssh's log: `Authenticated to HOST ([ADDRESS]:PORT)…`,
 * as ssh writes it from LogLevel VERBOSE on. -ENOENT: it isn't that line, or the connection went
 * through a proxy, so that nobody here knows the address. Nothing is written then.
 */
int mr_dial_reached(const char *line, char ret_address[INET6_ADDRSTRLEN]);

/**
 * Chooses one of the relay's `n` addresses (numeric, or a name, which the daemon only gives where
 * its configuration advertises one), as a numeric address.
 *
 * `reached`, if not NULL, is where ssh reached the bastion: taken if it is among them. Then comes
 * an advertised name. Else, where `reached` is public and what the relay has of that family is
 * private, a NAT stands between and `reached` is dialled. Else the first of the family of
 * `reached`; else the first to which there is a route.
 * `family` (AF_INET or AF_INET6; AF_UNSPEC: any) bounds all of it.
 * -ENOENT: none is left.
 */
int mr_dial_choose(const char *const *addresses, size_t n, const char *reached, int family,
	char ret_address[INET6_ADDRSTRLEN]);

#endif
