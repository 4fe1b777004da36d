/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user.c - finds the user, and changes the owner of what the daemon keeps.
 */
#include "user.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/magic.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attached.h"
#include "changes.h"
#include "store.h"

#define TEXT_MAX 65536

/* What may lie in a directory of the daemon. */
static const char *const run_files[] = {"lock", MR_ATTACHED_FILE, MR_ATTACHED_FILE ".new", NULL};
static const char *const state_files[] = {MR_STORE_FILE, MR_STORE_FILE "-wal", MR_STORE_FILE "-shm",
	MR_STORE_FILE "-journal", MR_CHANGES_FILE, MR_CHANGES_FILE ".new", NULL};

static void close_fd(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
#define cleanup_fd __attribute__((cleanup(close_fd)))

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}
#define cleanup_dir __attribute__((cleanup(close_dir)))

static void free_text(char **text)
{
	free(*text);
}

int mr_user_find(const char *name, struct mr_user *ret_user)
{
	__attribute__((cleanup(free_text))) char *text = malloc(TEXT_MAX);
	struct passwd entry, *found = NULL;
	int r = text ? getpwnam_r(name, &entry, text, TEXT_MAX, &found) : ENOMEM;

	/* Databases report "not found" in several ways: getpwnam_r(3). */
	if (!found)
		return r == ENOMEM || r == ERANGE ? -r : -ENOENT;
	*ret_user = (struct mr_user){.uid = entry.pw_uid, .gid = entry.pw_gid};
	snprintf(ret_user->name, sizeof(ret_user->name), "%s", name);
	return 0;
}

void mr_user_current(struct mr_user *ret_user)
{
	__attribute__((cleanup(free_text))) char *text = malloc(TEXT_MAX);
	struct passwd entry, *found = NULL;

	*ret_user = (struct mr_user){.uid = geteuid(), .gid = getegid()};
	if (text && !getpwuid_r(ret_user->uid, &entry, text, TEXT_MAX, &found) && found)
		snprintf(ret_user->name, sizeof(ret_user->name), "%s", entry.pw_name);
	else
		snprintf(ret_user->name, sizeof(ret_user->name), "%u", (unsigned)ret_user->uid);
}

/* Gives one file of a directory away; a link to something else, of either kind, is left alone. */
static void give(const struct mr_user *user, int dir_fd, const char *name)
{
	cleanup_fd int fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_nlink != 1)
		return;
	(void)fchownat(fd, "", user->uid, user->gid, AT_EMPTY_PATH);
}

/* File systems need not say of what type an entry is. */
static bool is_directory(int dir_fd, const struct dirent *entry)
{
	struct stat st;

	if (entry->d_type != DT_UNKNOWN)
		return entry->d_type == DT_DIR;
	return fstatat(dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) || S_ISDIR(st.st_mode);
}

/* Directories in it say that others keep things here: /run itself, say. */
static bool is_shared(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_dir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!dir)
		return true;
	while ((entry = readdir(dir))) {
		const char *name = entry->d_name;

		if (strcmp(name, ".") && strcmp(name, "..") && strcmp(name, "lost+found") &&
			is_directory(fd, entry))
			return true;
	}
	return false;
}

/* Its owner gets in: a daemon that was taken over must not shut its user out of what is its own,
 * for the next one to run as root. */
static void open_to_owner(int dir_fd)
{
	struct stat st;

	if (!fstat(dir_fd, &st) && (st.st_mode & S_IRWXU) != S_IRWXU)
		(void)fchmod(dir_fd, (st.st_mode & 07777) | S_IRWXU);
}

static void give_directory(const struct mr_user *user, const char *path, const char *const *files)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return;
	if ((st.st_uid != user->uid || st.st_gid != user->gid) && !is_shared(fd))
		(void)fchown(fd, user->uid, user->gid);
	open_to_owner(fd);
	for (size_t i = 0; files[i]; i++)
		give(user, fd, files[i]);
}

void mr_user_hand_over(const struct mr_user *user, const struct mr_config *config)
{
	give_directory(user, config->run_dir, run_files);
	give_directory(user, config->state_dir, state_files);
}

int mr_user_hand_over_pins(const struct mr_user *user, const char *pin_dir)
{
	bool made = !mkdir(pin_dir, 0700);
	cleanup_fd int fd = open(pin_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	cleanup_dir DIR *dir = NULL;
	const struct dirent *entry;
	struct statfs fs;

	if (fd < 0)
		return -errno;
	if (fstatfs(fd, &fs) || fs.f_type != BPF_FS_MAGIC) {
		if (made)
			rmdir(pin_dir);
		return -EINVAL;
	}
	if (is_shared(fd))
		return -ENOTEMPTY;
	dir = fdopendir(openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	while (dir && (entry = readdir(dir)))
		give(user, fd, entry->d_name);
	if (fchown(fd, user->uid, user->gid))
		return -errno;
	return open(pin_dir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* What the user has to get at. */
struct need {
	const char *path;
	int mode; /* of access(2) */
};

/* In the child: the answer is its exit status, 0: all of it. */
static int ask_as(const struct mr_user *user, const struct need *needs, size_t n)
{
	if (initgroups(user->name, user->gid) || setresgid(user->gid, user->gid, user->gid) ||
		setresuid(user->uid, user->uid, user->uid))
		return (int)n + 1;
	for (size_t i = 0; i < n; i++)
		if (needs[i].path && access(needs[i].path, needs[i].mode))
			return (int)i + 1;
	return 0;
}

/* Where READY=1 is told; systemd's is for everybody, other supervisors' may not be. */
static const char *notify_socket(void)
{
	const char *path = getenv("NOTIFY_SOCKET");

	return path && path[0] == '/' ? path : NULL;
}

int mr_user_reaches(
	const struct mr_user *user, const struct mr_config *config, struct mr_why *ret_why)
{
	const struct need needs[] = {
		{config->run_dir, R_OK | W_OK | X_OK},
		{config->state_dir, R_OK | W_OK | X_OK},
		{notify_socket(), W_OK},
	};
	const size_t n = sizeof(needs) / sizeof(needs[0]);
	int status = 0;
	pid_t pid = fork();

	if (!pid)
		_exit(ask_as(user, needs, n));
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
		(size_t)WEXITSTATUS(status) > n)
		return mr_why_set(
			ret_why, -EPERM, "can't become user %s: a container's limits?", user->name);
	if (!WEXITSTATUS(status))
		return 0;
	if ((size_t)WEXITSTATUS(status) == n)
		return mr_why_set(ret_why, -EACCES,
			"user %s can't write to %.100s ($NOTIFY_SOCKET): let it", user->name,
			needs[n - 1].path);
	return mr_why_set(ret_why, -EACCES,
		"user %s can't work in %.100s: let everybody pass the directories above it, and "
		"let it hold nothing of others'",
		user->name, needs[WEXITSTATUS(status) - 1].path);
}
