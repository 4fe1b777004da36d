/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_filter.c - what the filters of system calls let through, and that they bite: each row in a
 * child process, which never comes out from under them.
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "filter.h"

/* Each returns what the call did: 0, or its error. */
typedef int attempt_fn(void);

static int error_of(long result)
{
	return result < 0 ? errno : 0;
}

static int try_execve(void)
{
	char *const argv[] = {(char *)(uintptr_t) "true", NULL};

	return error_of(execve("/bin/true", argv, argv + 1));
}

static int try_fork(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	return error_of(pid);
}

static int try_ptrace(void)
{
	return error_of(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int try_mount(void)
{
	return error_of(mount("none", "/nowhere", "tmpfs", 0, NULL));
}

static int try_unshare(void)
{
	return error_of(unshare(CLONE_NEWUSER));
}

static int try_setuid(void)
{
	return error_of(syscall(SYS_setuid, 0));
}

static int try_kill(void)
{
	return error_of(kill(getppid(), 0));
}

static int try_bpf(int command)
{
	union bpf_attr attr = {0};

	/* With nothing to work on the kernel says EINVAL or the like, the filter EPERM. */
	return error_of(syscall(SYS_bpf, command, &attr, 4)) == EPERM ? EPERM : 0;
}

static int try_prog_load(void)
{
	return try_bpf(BPF_PROG_LOAD);
}

static int try_map_create(void)
{
	return try_bpf(BPF_MAP_CREATE);
}

static int try_packet_socket(void)
{
	return error_of(socket(AF_PACKET, SOCK_RAW, 0));
}

static int try_tiocsti(void)
{
	char octet = 'x';

	return error_of(ioctl(STDIN_FILENO, TIOCSTI, &octet)) == EPERM ? EPERM : 0;
}

static int try_map(int protection)
{
	void *at = mmap(NULL, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return at == MAP_FAILED ? errno : 0;
}

static int try_map_write_exec(void)
{
	return try_map(PROT_READ | PROT_WRITE | PROT_EXEC);
}

static int try_map_exec(void)
{
	return try_map(PROT_READ | PROT_EXEC);
}

static int try_map_write(void)
{
	return try_map(PROT_READ | PROT_WRITE);
}

static int try_open_read(void)
{
	return error_of(open("/etc/passwd", O_RDONLY | O_CLOEXEC));
}

static int try_unix_socket(void)
{
	return error_of(socket(AF_UNIX, SOCK_STREAM, 0));
}

static void *end_at_once(void *context)
{
	return context;
}

static int try_thread(void)
{
	pthread_t thread;
	int error = pthread_create(&thread, NULL, end_at_once, NULL);

	return error ? error : pthread_join(thread, NULL);
}

struct row {
	const char *what;
	attempt_fn *attempt;
	enum mr_filter filter;
	int expected;
};

static const struct row rows[] = {
	{"execve", try_execve, MR_FILTER_XDP, EPERM},
	{"execve, DPDK", try_execve, MR_FILTER_DPDK, EPERM},
	{"execve, monitor", try_execve, MR_FILTER_MONITOR, EPERM},
	{"fork", try_fork, MR_FILTER_XDP, EPERM},
	{"fork, DPDK", try_fork, MR_FILTER_DPDK, EPERM},
	{"ptrace", try_ptrace, MR_FILTER_XDP, EPERM},
	{"ptrace, DPDK", try_ptrace, MR_FILTER_DPDK, EPERM},
	{"mount", try_mount, MR_FILTER_XDP, EPERM},
	{"mount, DPDK", try_mount, MR_FILTER_DPDK, EPERM},
	{"unshare", try_unshare, MR_FILTER_XDP, EPERM},
	{"setuid", try_setuid, MR_FILTER_XDP, EPERM},
	{"kill of another process", try_kill, MR_FILTER_XDP, EPERM},
	{"another BPF program", try_prog_load, MR_FILTER_XDP, EPERM},
	{"another BPF map", try_map_create, MR_FILTER_XDP, EPERM},
	{"a packet socket", try_packet_socket, MR_FILTER_XDP, EPERM},
	{"typing into a terminal", try_tiocsti, MR_FILTER_XDP, EPERM},
	{"memory to write and run", try_map_write_exec, MR_FILTER_XDP, EPERM},
	{"memory to write and run, DPDK", try_map_write_exec, MR_FILTER_DPDK, EPERM},
	{"memory to run", try_map_exec, MR_FILTER_XDP, 0},
	{"memory to write", try_map_write, MR_FILTER_XDP, 0},
	{"reading a file", try_open_read, MR_FILTER_XDP, 0},
	{"reading a file, monitor", try_open_read, MR_FILTER_MONITOR, 0},
	{"a UNIX socket", try_unix_socket, MR_FILTER_XDP, 0},
	{"a UNIX socket, monitor", try_unix_socket, MR_FILTER_MONITOR, EPERM},
	{"a thread", try_thread, MR_FILTER_XDP, 0},
	{"a thread, DPDK", try_thread, MR_FILTER_DPDK, 0},
};

/* An exit status that is no error number. */
#define NOT_INSTALLED 255

static int in_child(const struct row *row)
{
	struct mr_why why;
	int status;
	pid_t pid = fork();

	if (!pid) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || mr_filter_install(row->filter, &why))
			_exit(NOT_INSTALLED);
		_exit(row->attempt());
	}
	cr_assert_gt(pid, 0);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status), "%s: ended by signal %d", row->what, WTERMSIG(status));
	return WEXITSTATUS(status);
}

/* By number: where functions lie differs between Criterion's processes. */
ParameterizedTestParameters(filter, lets_through_what_is_on_its_list)
{
	static size_t numbers[sizeof(rows) / sizeof(rows[0])];
	const size_t n = sizeof(numbers) / sizeof(numbers[0]);

	for (size_t i = 0; i < n; i++)
		numbers[i] = i;
	return cr_make_param_array(size_t, numbers, n);
}

ParameterizedTest(size_t *number, filter, lets_through_what_is_on_its_list)
{
	const struct row *row = &rows[*number];
	int got = in_child(row);

	cr_expect_eq(got, row->expected, "%s: %s, not %s", row->what, strerror(got),
		strerror(row->expected));
}

static sem_t go;

static void *wait_and_try(void *context)
{
	int *ret_error = context;

	while (sem_wait(&go))
		;
	*ret_error = try_unshare();
	return NULL;
}

static int try_in_older_thread(void)
{
	struct mr_why why;
	pthread_t thread;
	int error = 0;

	sem_init(&go, 0, 0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
		pthread_create(&thread, NULL, wait_and_try, &error) ||
		mr_filter_install(MR_FILTER_XDP, &why))
		return NOT_INSTALLED;
	sem_post(&go);
	pthread_join(thread, NULL);
	return error;
}

Test(filter, holds_for_threads_that_were_there_before)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(try_in_older_thread());
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status));
	cr_expect_eq(WEXITSTATUS(status), EPERM);
}

/* Without it, these go through. */
Test(filter, is_what_refuses)
{
	cr_expect_eq(try_fork(), 0);
	cr_expect_eq(try_map_write_exec(), 0);
}
