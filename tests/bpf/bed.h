/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bed.h - the loaded XDP program in a network namespace with two interfaces, for Criterion tests.
 *
 * One packet at a time goes in by BPF_PROG_TEST_RUN; what came of it is in `got`. Sessions and
 * packets are those of the packet vectors (the file is in $MR_VECTORS). Needs root.
 */
#ifndef MR_TESTS_BPF_BED_H
#define MR_TESTS_BPF_BED_H

#include "vectors.h"
#include "xdp.h"

#define CLIENTS    11 /* the interfaces' indices, as in the vectors */
#define TARGETS    12
#define FRAME_SIZE 65536

/** What came of one packet. */
struct bed_result {
	unsigned action;
	enum mr_reason reason;
	uint8_t frame[FRAME_SIZE];
	size_t len;
	struct mr_event event; /* the last one */
	unsigned events;
	struct mr_session session; /* afterwards */
};

extern struct bed_result got;
extern struct mr_backend *backend;
extern const struct mr_backend_ops *const ops;

/** For .init and .fini of a suite. */
void bed_set_up(void);
void bed_tear_down(void);

/** Runs a command in the namespace; it must succeed. */
void run(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Another interface "mrINDEX", whose other end is "peerINDEX". */
void make_interface(unsigned index);

/** What an interface of the kernel's routing is to the dataplane. */
void use_link(uint32_t ifindex, uint32_t carrier, uint16_t vlan, uint16_t flags);

const struct mr_vec *find_row(const char *what);

/** Puts `session` where the keys of `row` lead. */
void put_session(const struct mr_vec *row, const struct mr_session *session);

/** Sends a frame into the session that is there. */
void send_frame(const uint8_t *frame, size_t len, uint32_t ingress);

#endif
