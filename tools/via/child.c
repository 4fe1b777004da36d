// SPDX-License-Identifier: BSD-2-Clause
/*
 * child.c - see child.h.
 *
 * A signal handler writes one octet into a pipe, and every wait is a poll() with that pipe in it:
 * a signal that comes just before the wait isn't lost.
 */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"

extern char **environ;

/* Between the end of a child and that of its output, which its own children may keep open. */
#define DRAIN_MS 500

static volatile sig_atomic_t noted;
static int alarm_pipe[2] = {-1, -1};

static void on_signal(int number)
{
	int saved = errno;

	if (number != SIGCHLD && !noted)
		noted = number;
	/* a full pipe wakes the reader just as well */
	if (write(alarm_pipe[1], "", 1) < 0)
		errno = saved;
	errno = saved;
}

static int set_flags(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
		fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	return 0;
}

static int open_alarm(void)
{
	if (pipe(alarm_pipe) < 0)
		return -errno;
	for (int i = 0; i < 2; i++)
		if (set_flags(alarm_pipe[i]) < 0)
			return -errno;
	return 0;
}

int mr_child_init(void)
{
	static const int caught[] = {SIGCHLD, SIGHUP, SIGINT, SIGTERM};
	struct sigaction action = {.sa_handler = on_signal}, old;

	int r = open_alarm();

	if (r < 0)
		return r;
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < sizeof(caught) / sizeof(caught[0]); i++) {
		/* what was started with nohup stays deaf to hangups */
		if (sigaction(caught[i], NULL, &old) < 0)
			return -errno;
		if (old.sa_handler == SIG_IGN && caught[i] != SIGCHLD)
			continue;
		if (sigaction(caught[i], &action, NULL) < 0)
			return -errno;
	}
	action.sa_handler = SIG_IGN;
	return sigaction(SIGPIPE, &action, NULL) < 0 ? -errno : 0;
}

int mr_child_signal(void)
{
	return noted;
}

int mr_child_detach(void)
{
	static const int ignored[] = {SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGTSTP};
	mr_cleanup(mr_close_fd) int null = open("/dev/null", O_RDWR);

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	noted = 0;
	setsid();
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (null < 0 || dup2(null, fd) < 0)
			return -errno;
	for (int i = 0; i < 2; i++)
		mr_close_fd(&alarm_pipe[i]);
	return open_alarm();
}

static void redirect_or_die(int from, int to)
{
	if (from < 0 || dup2(from, to) < 0)
		_exit(126);
}

/** In the child: never returns. Tells the parent through `report` what stands in its way. */
static void execute(
	char *const *argv, char *const *environment, int flags, const int ends[2], int report)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), error;

	if (flags & MR_CHILD_NO_INPUT)
		redirect_or_die(null, STDIN_FILENO);
	if (flags & MR_CHILD_NO_OUTPUT) {
		redirect_or_die(null, STDOUT_FILENO);
		redirect_or_die(null, STDERR_FILENO);
	}
	if (flags & MR_CHILD_CAPTURE)
		redirect_or_die(ends[0], STDOUT_FILENO);
	if (flags & MR_CHILD_ERRORS)
		redirect_or_die(ends[1], STDERR_FILENO);
	signal(SIGPIPE, SIG_DFL); /* handlers go by themselves, what is ignored doesn't */
	if (environment)
		environ = (char **)environment;
	execvp(argv[0], argv);
	error = errno;
	while (write(report, &error, sizeof(error)) < 0 && errno == EINTR)
		;
	_exit(127);
}

static void close_pipe(int (*fds)[2])
{
	mr_close_fd(&(*fds)[0]);
	mr_close_fd(&(*fds)[1]);
}

/** What execute() reports: 0 if the program runs. */
static int read_report(int fd)
{
	int error = 0;
	ssize_t n;

	do {
		n = read(fd, &error, sizeof(error));
	} while (n < 0 && errno == EINTR);
	return n == sizeof(error) ? -error : 0;
}

/** A pipe from the child: our end doesn't block, no other child inherits either. */
static int open_pipe(int (*ret_pipe)[2])
{
	if (pipe(*ret_pipe) < 0 || fcntl((*ret_pipe)[1], F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	return set_flags((*ret_pipe)[0]);
}

int mr_child_start(char *const *argv, char *const *environment, int flags, struct mr_child *ret)
{
	mr_cleanup(close_pipe) int out[2] = {-1, -1};
	mr_cleanup(close_pipe) int err[2] = {-1, -1};
	mr_cleanup(close_pipe) int report[2] = {-1, -1};
	pid_t pid;
	int r = 0;

	if (pipe(report) < 0 || fcntl(report[1], F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	if (flags & MR_CHILD_CAPTURE)
		r = open_pipe(&out);
	if (r == 0 && flags & MR_CHILD_ERRORS)
		r = open_pipe(&err);
	if (r < 0)
		return r;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		close(report[0]);
		execute(argv, environment, flags, (const int[]){out[1], err[1]}, report[1]);
	}
	mr_close_fd(&report[1]);
	r = read_report(report[0]);
	if (r < 0) {
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		return r;
	}
	*ret = (struct mr_child){
		.pid = pid, .deaf = flags & MR_CHILD_DEAF, .out = out[0], .err = err[0]};
	out[0] = err[0] = -1;
	return 0;
}

int mr_child_read(const struct mr_child_reader *reader)
{
	char data[4096];
	ssize_t n;

	for (;;) {
		n = read(reader->fd, data, sizeof(data));
		if (n > 0) {
			reader->take(reader->context, data, (size_t)n);
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		/* EIO: how some systems say that a pseudo terminal's other end is closed */
		return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
	}
}

/** What is left until `deadline`, for poll(); a negative deadline is none. */
static int left_ms(int64_t deadline)
{
	int64_t left = deadline - mr_cli_clock_ms();

	return deadline < 0 ? -1 : left < 0 ? 0 : (int)left;
}

enum { OUTPUT, ERRORS, OTHER, READERS };

/** Waits for anything at all, reads it; what has ended gets an fd of -1. 0: the time is up. */
static int wait_once(struct mr_child_reader readers[READERS], int64_t deadline)
{
	struct pollfd fds[READERS + 1];
	char drain[64];
	int n;

	for (int i = 0; i < READERS; i++)
		fds[i] = (struct pollfd){.fd = readers[i].fd, .events = POLLIN};
	fds[READERS] = (struct pollfd){.fd = alarm_pipe[0], .events = POLLIN};
	n = poll(fds, READERS + 1, left_ms(deadline));
	if (n < 0)
		return errno == EINTR ? 1 : -errno;
	while (fds[READERS].revents && read(alarm_pipe[0], drain, sizeof(drain)) == sizeof(drain))
		;
	for (int i = 0; i < READERS; i++)
		if (fds[i].revents && !mr_child_read(&readers[i]))
			readers[i].fd = -1;
	return n;
}

static int exit_status(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void drop(void *context, const char *data, size_t size)
{
	(void)context;
	(void)data;
	(void)size;
}

/** Reads on until the output ends; who holds it open longer than DRAIN_MS isn't waited for. */
static void drain_output(struct mr_child_reader readers[READERS])
{
	int64_t deadline = mr_cli_clock_ms() + DRAIN_MS;

	while ((readers[OUTPUT].fd >= 0 || readers[ERRORS].fd >= 0) && left_ms(deadline) > 0)
		if (wait_once(readers, deadline) <= 0)
			break;
	if (readers[OTHER].fd >= 0)
		mr_child_read(&readers[OTHER]);
}

/** `reader`, of `fd`; a NULL one drops what it reads. */
static struct mr_child_reader reader_of(int fd, const struct mr_child_reader *reader)
{
	if (!reader)
		return (struct mr_child_reader){fd, drop, NULL};
	return (struct mr_child_reader){fd, reader->take, reader->context};
}

int mr_child_wait(struct mr_child *child, const struct mr_child_reader *output,
	const struct mr_child_reader *errors, const struct mr_child_reader *other, int timeout_ms,
	int *ret_status)
{
	struct mr_child_reader readers[READERS] = {
		[OUTPUT] = reader_of(child->out, output),
		[ERRORS] = reader_of(child->err, errors),
		[OTHER] = reader_of(other ? other->fd : -1, other),
	};
	int64_t deadline = timeout_ms < 0 ? -1 : mr_cli_clock_ms() + timeout_ms;
	int status = 0, passed_on = 0, r = 0;

	while (waitpid(child->pid, &status, WNOHANG) == 0) {
		if (noted && !passed_on && !child->deaf) {
			passed_on = noted;
			kill(child->pid, passed_on);
		}
		if (wait_once(readers, deadline) == 0 && left_ms(deadline) == 0) {
			kill(child->pid, SIGKILL);
			deadline = -1;
			r = -ETIMEDOUT;
		}
	}
	drain_output(readers);
	mr_close_fd(&child->out);
	mr_close_fd(&child->err);
	*ret_status = exit_status(status);
	return noted && !child->deaf ? -EINTR : r;
}

int mr_child_run(char *const *argv, int flags, int timeout_ms, int *ret_status)
{
	struct mr_child child;
	int r = mr_child_start(argv, NULL, flags, &child);

	return r < 0 ? r : mr_child_wait(&child, NULL, NULL, NULL, timeout_ms, ret_status);
}
