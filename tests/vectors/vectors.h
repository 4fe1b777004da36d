/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vectors.h - packet vectors: the loader of .vec files, and the judge of what a binding made of a
 * row. README.md explains the format. Knows no binding.
 *
 * A runner does this for each row: puts `before` into its tables at MR_VEC_INDEX, with the keys of
 * mr_vec_public_key() and mr_vec_target_key(), sends `in` into interface `ingress` at `clock_ns`,
 * fills in a struct mr_vec_result, reads the session back, and asks mr_vec_check().
 */
#ifndef MR_TESTS_VECTORS_H
#define MR_TESTS_VECTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event.h"
#include "reason.h"
#include "session.h"

#define MR_VEC_FRAME_MAX 2048
#define MR_VEC_INDEX     1 /* of the row's session; index 0 stays empty */
#define MR_VEC_ADDRESSES 8
#define MR_VEC_LINKS     8
#define MR_VEC_EVENTS    4
#define MR_VEC_WHY       1024

struct mr_vec {
	const char *what;
	unsigned line;
	bool exact; /* needs a clock that is set to the nanosecond */
	uint64_t clock_ns;
	uint32_t ingress, egress;
	enum mr_reason reason;
	struct mr_session before, after;
	struct mr_event events[MR_VEC_EVENTS]; /* in order */
	size_t n_events;
	size_t in_len, out_len; /* out_len 0: nothing leaves */
	uint8_t in[MR_VEC_FRAME_MAX], out[MR_VEC_FRAME_MAX];
};

/** One file: what is around the sessions, and the rows. */
struct mr_vec_file {
	struct mr_addr addresses[MR_VEC_ADDRESSES];
	size_t n_addresses;
	struct {
		uint32_t ifindex;
		struct mr_link link;
	} links[MR_VEC_LINKS];
	size_t n_links;
	uint32_t generation;
	struct mr_next_hop lookup; /* what a look-up of any client's next hop gives */
	struct mr_vec *rows;
	size_t n_rows;
};

/** What a binding made of a row. */
struct mr_vec_result {
	enum mr_reason reason;
	uint32_t egress; /* 0: the binding can't tell */
	/* what the daemon is told; more than there is room for is an error of the binding's */
	struct mr_event events[MR_VEC_EVENTS];
	size_t n_events;
	bool no_events; /* the binding tells nobody: not compared */
	size_t len;     /* of the frame that was sent or passed */
	uint8_t frame[MR_VEC_FRAME_MAX];
};

/** Loads a file; `why` (MR_VEC_WHY octets) says what is wrong with which line. 0 or -errno. */
int mr_vec_load(const char *path, struct mr_vec_file *ret_file, char *why);

void mr_vec_free(struct mr_vec_file *file);

/** The key by which clients find the row's session at public address `slot`. */
struct mr_key mr_vec_public_key(
	const struct mr_vec_file *file, const struct mr_vec *row, size_t slot);

/** The key by which the target finds it. */
struct mr_key mr_vec_target_key(const struct mr_vec *row);

/** Moves every time in a session by `delta_ns`; 0 ("never") stays. */
void mr_vec_shift(struct mr_session *session, int64_t delta_ns);

/**
 * True if the result is what the row expects, and `session` too, up to `tolerance_ns` in every
 * time. Else `why` (MR_VEC_WHY octets) names the first difference.
 */
bool mr_vec_check(const struct mr_vec *row, const struct mr_vec_result *result,
	const struct mr_session *session, uint64_t tolerance_ns, char *why);

/** Adds an event to `result`, a struct mr_vec_result; counts what there is no room for. */
void mr_vec_keep_event(const struct mr_event *event, void *result);

/** Sum over 16-bit words as they lie, not folded; an odd last octet counts as with a zero behind.
 */
uint64_t mr_vec_sum(const uint8_t *at, size_t len);

/** "to_target" and so on. */
const char *mr_vec_reason_name(enum mr_reason reason);

#endif
