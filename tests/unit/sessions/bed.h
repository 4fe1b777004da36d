/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bed.h - a session manager over a fake dataplane and a real store in a directory of its
 * own, with a clock that tests set.
 */
#ifndef MR_TESTS_SESSIONS_BED_H
#define MR_TESTS_SESSIONS_BED_H

#include "fake_backend.h"
#include "sessions.h"

#define BED_SESSIONS 64

struct bed {
	char dir[64];
	uv_loop_t loop;
	struct mr_backend *backend;
	struct mr_store *store;
	struct mr_sessions *sessions;
	struct mr_addr public[3]; /* two of the first pool, one of "second" */
	struct mr_session_pool pools[2];
	struct mr_sessions_config config; /* to be changed before bed_start() */
	struct mr_addr upstream;          /* what the route look-up answers, unless */
	int route_error;                  /* this is not 0 */
	bool crashes;                     /* bed_stop() saves no totals */
	bool no_files;                    /* the manager finds that no file may be opened */
	struct mr_restore_report report;
	struct mr_why why;

	struct mr_subscriber subscriber; /* hears everything: */
	unsigned notices[MR_NOTICE_KINDS];
	struct mr_notice last; /* `info` may be gone */
	char last_text[MR_WHY_SIZE];
};

/**
 * Set in a forked child: there Criterion's assertions, which talk to its parent process, would be
 * heard as the test's own. What fails in the bed then ends the child by abort().
 */
extern bool bed_in_child;

/** What a done callback was told; zeroed before. */
struct bed_done {
	bool called;
	int error;
	uint64_t id;
	struct mr_why why;
};

extern const struct mr_clock bed_clock;
extern int64_t bed_monotonic, bed_realtime; /* what it says */
void bed_pass(int64_t ns);                  /* lets time pass on both */

/** Directory, loop, dataplane and configuration, but no daemon yet. Two pools of 5 and 3 ports. */
void bed_init(struct bed *bed);

/** Opens the store, makes a manager and restores. `adopted`: as a backend would say. */
int bed_start(struct bed *bed, bool adopted);

/** A clean stop; dataplane and files stay. */
void bed_stop(struct bed *bed);

/** bed_stop() if need be, and everything removed. */
void bed_end(struct bed *bed);

/** A target of 10.0.0.0/8 by number, port 60001. */
struct mr_session_open bed_target(uint32_t number);

void bed_on_done(void *context, int error, uint64_t id, const struct mr_why *why);

/** Runs the loop until `done` was called. Fails the test if that can't happen any more. */
void bed_wait(struct bed *bed, const struct bed_done *done);

/** Opens, waits, and returns the id; fails the test on any error. */
uint64_t bed_open(struct bed *bed, const struct mr_session_open *open);

/** Closes and waits. */
int bed_close(struct bed *bed, uint64_t id);

/** Waits until every session that is closing is gone. */
void bed_wait_closings(struct bed *bed);

/** Checks that dataplane, store and manager hold the same sessions, and nothing beyond. */
void bed_check_whole(struct bed *bed);

#endif
