/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * monitor.c - the questions, the answers, and the process that gives them.
 */
#include "monitor.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "filter.h"

enum question {
	OPEN_CONFIG = 'c',
	REMOVE_PIN_DIR = 'p',
};

struct mr_monitor {
	int fd;
	pid_t pid;
};

static void close_fd(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
#define cleanup_fd __attribute__((cleanup(close_fd)))

/* The monitor's side. */

/* An error number, 0: done; with a descriptor, if there is one. */
static void answer(int socket_fd, int error, int fd)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {&error, sizeof(error)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fd >= 0) {
		struct cmsghdr *cmsg;

		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	}
	(void)sendmsg(socket_fd, &msg, MSG_NOSIGNAL);
}

static void answer_all(int socket_fd, const char *config_file, const char *pin_dir)
{
	char question;

	while (read(socket_fd, &question, 1) == 1) {
		if (question == OPEN_CONFIG) {
			cleanup_fd int fd = open(config_file, O_RDONLY | O_CLOEXEC);

			answer(socket_fd, fd < 0 ? errno : 0, fd);
		} else {
			answer(socket_fd, rmdir(pin_dir) ? errno : 0, -1);
		}
	}
}

/* The daemon's descriptors are the daemon's: a lock, or a pipe that somebody reads to its end. */
static int leave_descriptors(int socket_fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
		return -errno;
	if (socket_fd > 3 && close_range(3, (unsigned)socket_fd - 1, 0))
		return -errno;
	return close_range((unsigned)socket_fd + 1, ~0U, 0) ? -errno : 0;
}

static int leave_privileges(void)
{
	bool reads_all, may_bound;

	if (capng_get_caps_process())
		return -EIO;
	reads_all = capng_have_capability(CAPNG_EFFECTIVE, CAP_DAC_READ_SEARCH);
	may_bound = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
	capng_clear(CAPNG_SELECT_BOTH);
	if (reads_all)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET,
			CAP_DAC_READ_SEARCH);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
		capng_apply(may_bound ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS))
		return -EPERM;
	return 0;
}

static _Noreturn void run(
	int socket_fd, const char *config_file, const char *pin_dir, bool filtered)
{
	struct mr_why why;
	int error;

	/* These are for the daemon, and the monitor ends after it. */
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	prctl(PR_SET_NAME, "mr-monitor");
	error = leave_descriptors(socket_fd);
	if (!error)
		error = leave_privileges();
	if (!error && filtered)
		(void)mr_filter_install(MR_FILTER_MONITOR, &why);
	answer(socket_fd, -error, -1);
	if (!error)
		answer_all(socket_fd, config_file, pin_dir);
	_exit(error != 0);
}

/* The daemon's side. */

/* 0, or -errno as the monitor says; `*ret_fd` is a descriptor that came along, -1: none. */
static int receive(const struct mr_monitor *monitor, int *ret_fd)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	int error, fd = -1;
	struct iovec iov = {&error, sizeof(error)};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	const struct cmsghdr *cmsg;
	ssize_t length;

	do {
		length = recvmsg(monitor->fd, &msg, MSG_CMSG_CLOEXEC);
	} while (length < 0 && errno == EINTR);
	if (length != sizeof(error))
		return -EPIPE;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (cmsg && cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	*ret_fd = fd;
	return -error;
}

static int ask(struct mr_monitor *monitor, enum question question, int *ret_fd)
{
	char octet = (char)question;

	if (send(monitor->fd, &octet, 1, MSG_NOSIGNAL) != 1)
		return -EPIPE;
	return receive(monitor, ret_fd);
}

int mr_monitor_open_config(struct mr_monitor *monitor)
{
	int fd = -1, r = ask(monitor, OPEN_CONFIG, &fd);

	return r ? r : fd;
}

int mr_monitor_remove_pin_dir(struct mr_monitor *monitor)
{
	int none;

	return ask(monitor, REMOVE_PIN_DIR, &none);
}

int mr_monitor_start(const char *config_file, const char *pin_dir, bool filtered,
	struct mr_monitor **ret_monitor)
{
	struct mr_monitor *monitor = malloc(sizeof(*monitor));
	int fds[2], none, r;

	if (!monitor)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds)) {
		free(monitor);
		return -errno;
	}
	*monitor = (struct mr_monitor){.fd = fds[0], .pid = fork()};
	if (!monitor->pid) {
		close(fds[0]);
		run(fds[1], config_file, pin_dir, filtered);
	}
	close(fds[1]);
	r = monitor->pid < 0 ? -errno : receive(monitor, &none);
	if (r) {
		mr_monitor_stop(monitor);
		return r;
	}
	*ret_monitor = monitor;
	return 0;
}

void mr_monitor_stop(struct mr_monitor *monitor)
{
	if (!monitor)
		return;
	close(monitor->fd);
	if (monitor->pid > 0)
		(void)waitpid(monitor->pid, NULL, 0);
	free(monitor);
}
