/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * criterion.h - as much of Criterion as the tests use, for architectures on which Debian has none.
 *
 * One header and no library. Each test runs in a process of its own, one after the other, and the
 * last line is Criterion's synthesis. Options on the command line are not looked at.
 */
#ifndef CRITERION_H
#define CRITERION_H

#pragma GCC system_header

#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct cr_options {
	void (*init)(void);
	void (*fini)(void);
	double timeout; /* seconds, 0 for none */
};

struct cr_test {
	const char *suite, *name; /* no name: the options of the suite */
	void (*function)(void);
	struct cr_options options;
	struct cr_test *next;
};

/* One list and one main() in a program, however many of its files include this. */
#define cr_shared __attribute__((weak))

cr_shared struct cr_test *cr_first, **cr_end;
cr_shared bool cr_failed;

static inline void cr_add(struct cr_test *test)
{
	if (!cr_end)
		cr_end = &cr_first;
	*cr_end = test;
	cr_end = &test->next;
}

static inline void cr_fail(
	bool fatal, const char *file, int line, const char *what, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "[----] %s:%d: %s ", file, line, what);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	cr_failed = true;
	if (fatal) {
		fflush(NULL);
		_exit(1);
	}
}

cr_shared void cr_run_here(const struct cr_test *test, const struct cr_options *suite)
{
	double timeout = test->options.timeout > 0 ? test->options.timeout : suite->timeout;

	if (timeout > 0) {
		const char *patience = getenv("PATIENCE");

		alarm((unsigned)(timeout * (patience ? atof(patience) : 1)));
	}
	if (suite->init)
		suite->init();
	if (test->options.init)
		test->options.init();
	test->function();
	if (test->options.fini)
		test->options.fini();
	if (suite->fini)
		suite->fini();
	fflush(NULL);
	_exit(cr_failed);
}

/* The exit status of the test's process, -1 if it did not come so far. */
cr_shared int cr_run(const struct cr_test *test)
{
	static const struct cr_options none;
	const struct cr_options *suite = &none;
	int status;
	pid_t pid;

	for (const struct cr_test *t = cr_first; t; t = t->next) {
		if (!t->name && !strcmp(t->suite, test->suite))
			suite = &t->options;
	}
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		cr_run_here(test, suite);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

cr_shared int main(void)
{
	unsigned tested = 0, failing = 0, crashing = 0;

	for (const struct cr_test *t = cr_first; t; t = t->next) {
		int status;

		if (!t->name)
			continue;
		status = cr_run(t);
		tested++;
		failing += status > 0;
		crashing += status < 0;
		if (status)
			fprintf(stderr, "[%s] %s::%s\n", status > 0 ? "FAIL" : "CRASH", t->suite,
				t->name);
	}
	fprintf(stderr, "[====] Synthesis: Tested: %u | Passing: %u | Failing: %u | Crashing: %u\n",
		tested, tested - failing - crashing, failing, crashing);
	return failing + crashing > 0 || !tested;
}

#define CR_ENTRY(id, ...)                                       \
	static struct cr_test id##_entry = {__VA_ARGS__};       \
	__attribute__((constructor)) static void id##_add(void) \
	{                                                       \
		cr_add(&id##_entry);                            \
	}
#define Test(s, n, ...)                                          \
	static void s##_##n##_test(void);                        \
	CR_ENTRY(s##_##n, #s, #n, s##_##n##_test, {__VA_ARGS__}) \
	static void s##_##n##_test(void)
#define TestSuite(s, ...)                                  \
	CR_ENTRY(s##_suite, #s, NULL, NULL, {__VA_ARGS__}) \
	struct cr_test

/* A message may follow; it is a literal. */
#define CR_CHECK(fatal, what, condition, ...) \
	((condition) ? (void)0 : cr_fail(fatal, __FILE__, __LINE__, what, "" __VA_ARGS__))
#define CR_COMPARE(fatal, a, op, b, ...) CR_CHECK(fatal, #a " " #op " " #b, (a)op(b), ##__VA_ARGS__)
#define CR_STRING(fatal, a, op, b, ...) \
	CR_CHECK(fatal, #a " " #op " " #b, strcmp(a, b) op 0, ##__VA_ARGS__)

#define cr_assert_fail(...)          CR_CHECK(true, "here", false, ##__VA_ARGS__)
#define cr_assert(c, ...)            CR_CHECK(true, #c, c, ##__VA_ARGS__)
#define cr_assert_not(c, ...)        CR_CHECK(true, "not " #c, !(c), ##__VA_ARGS__)
#define cr_assert_null(p, ...)       CR_COMPARE(true, p, ==, NULL, ##__VA_ARGS__)
#define cr_assert_not_null(p, ...)   CR_COMPARE(true, p, !=, NULL, ##__VA_ARGS__)
#define cr_assert_eq(a, b, ...)      CR_COMPARE(true, a, ==, b, ##__VA_ARGS__)
#define cr_assert_neq(a, b, ...)     CR_COMPARE(true, a, !=, b, ##__VA_ARGS__)
#define cr_assert_lt(a, b, ...)      CR_COMPARE(true, a, <, b, ##__VA_ARGS__)
#define cr_assert_leq(a, b, ...)     CR_COMPARE(true, a, <=, b, ##__VA_ARGS__)
#define cr_assert_gt(a, b, ...)      CR_COMPARE(true, a, >, b, ##__VA_ARGS__)
#define cr_assert_geq(a, b, ...)     CR_COMPARE(true, a, >=, b, ##__VA_ARGS__)
#define cr_assert_str_eq(a, b, ...)  CR_STRING(true, a, ==, b, ##__VA_ARGS__)
#define cr_assert_str_neq(a, b, ...) CR_STRING(true, a, !=, b, ##__VA_ARGS__)
#define cr_expect(c, ...)            CR_CHECK(false, #c, c, ##__VA_ARGS__)
#define cr_expect_not(c, ...)        CR_CHECK(false, "not " #c, !(c), ##__VA_ARGS__)
#define cr_expect_null(p, ...)       CR_COMPARE(false, p, ==, NULL, ##__VA_ARGS__)
#define cr_expect_not_null(p, ...)   CR_COMPARE(false, p, !=, NULL, ##__VA_ARGS__)
#define cr_expect_eq(a, b, ...)      CR_COMPARE(false, a, ==, b, ##__VA_ARGS__)
#define cr_expect_neq(a, b, ...)     CR_COMPARE(false, a, !=, b, ##__VA_ARGS__)
#define cr_expect_lt(a, b, ...)      CR_COMPARE(false, a, <, b, ##__VA_ARGS__)
#define cr_expect_leq(a, b, ...)     CR_COMPARE(false, a, <=, b, ##__VA_ARGS__)
#define cr_expect_gt(a, b, ...)      CR_COMPARE(false, a, >, b, ##__VA_ARGS__)
#define cr_expect_geq(a, b, ...)     CR_COMPARE(false, a, >=, b, ##__VA_ARGS__)
#define cr_expect_str_eq(a, b, ...)  CR_STRING(false, a, ==, b, ##__VA_ARGS__)
#define cr_expect_str_neq(a, b, ...) CR_STRING(false, a, !=, b, ##__VA_ARGS__)
#define cr_log_info(...)             ((void)fprintf(stderr, __VA_ARGS__))

#endif
