/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_user.c - what changes its owner when the daemon becomes a user, and what must not; and what
 * the process that stays root does for it. Needs root.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attached.h"
#include "monitor.h"
#include "user.h"

/* Nobody's number; a name is only needed where groups are looked up. */
static const struct mr_user user = {.name = "nobody", .uid = 64999, .gid = 64998};

static char top[] = "/tmp/moshrelay-user-XXXXXX";
static char run_dir[64], state_dir[64];
static struct mr_config config = {.run_dir = run_dir, .state_dir = state_dir};

static void make_dirs(void)
{
	cr_assert(mkdtemp(top));
	chmod(top, 0755);
	snprintf(run_dir, sizeof(run_dir), "%s/run", top);
	snprintf(state_dir, sizeof(state_dir), "%s/state", top);
	cr_assert(!mkdir(run_dir, 0755) && !mkdir(state_dir, 0700));
}

static void remove_dirs(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", top);
	cr_expect_eq(system(command), 0);
}

TestSuite(user, .init = make_dirs, .fini = remove_dirs);

static const char *path_of(const char *dir, const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void write_file(const char *dir, const char *name, const char *text)
{
	int fd = open(path_of(dir, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static uid_t owner(const char *path)
{
	struct stat st;

	cr_assert(!lstat(path, &st), "%s: %s", path, strerror(errno));
	return st.st_uid;
}

Test(user, gets_directories_and_the_daemons_files)
{
	write_file(run_dir, "lock", "");
	write_file(state_dir, "sessions.db", "x");
	write_file(state_dir, "sessions.db-wal", "x");
	write_file(state_dir, "changes", "x");
	write_file(state_dir, "sessions.backup", "x");
	mr_user_hand_over(&user, &config);
	cr_expect_eq(owner(run_dir), user.uid);
	cr_expect_eq(owner(state_dir), user.uid);
	cr_expect_eq(owner(path_of(run_dir, "lock")), user.uid);
	cr_expect_eq(owner(path_of(state_dir, "sessions.db")), user.uid);
	cr_expect_eq(owner(path_of(state_dir, "sessions.db-wal")), user.uid);
	cr_expect_eq(owner(path_of(state_dir, "changes")), user.uid);
	cr_expect_eq(owner(path_of(state_dir, "sessions.backup")), 0);
	/* And back. */
	mr_user_hand_over(&(struct mr_user){.name = "root"}, &config);
	cr_expect_eq(owner(state_dir), 0);
	cr_expect_eq(owner(path_of(state_dir, "sessions.db-wal")), 0);
}

Test(user, gets_nothing_by_a_link)
{
	char target[128];

	write_file(top, "secret", "x");
	write_file(top, "other", "x");
	snprintf(target, sizeof(target), "%s", path_of(top, "secret"));
	cr_assert_eq(symlink(target, path_of(state_dir, "sessions.db")), 0);
	snprintf(target, sizeof(target), "%s", path_of(top, "other"));
	cr_assert_eq(link(target, path_of(state_dir, "changes")), 0);
	mr_user_hand_over(&user, &config);
	cr_expect_eq(owner(path_of(top, "secret")), 0);
	cr_expect_eq(owner(path_of(top, "other")), 0);
	cr_expect_eq(owner(path_of(state_dir, "sessions.db")), 0);
}

Test(user, gets_no_directory_that_others_use)
{
	cr_assert_eq(mkdir(path_of(run_dir, "sshd"), 0755), 0);
	mr_user_hand_over(&user, &config);
	cr_expect_eq(owner(run_dir), 0);
	cr_expect_eq(owner(state_dir), user.uid);
}

Test(user, can_not_shut_itself_out_to_have_root_run_the_daemon)
{
	struct mr_user nobody;
	struct mr_why why = {""};

	cr_assert_eq(mr_user_find("nobody", &nobody), 0);
	mr_user_hand_over(&nobody, &config);
	cr_assert_eq(chmod(run_dir, 0055), 0);
	cr_assert_eq(chmod(state_dir, 0), 0);
	mr_user_hand_over(&nobody, &config);
	cr_expect_eq(mr_user_reaches(&nobody, &config, &why), 0, "%s", why.text);
}

Test(user, leaves_no_link_that_root_writes_a_note_through)
{
	static char pin_dir[] = "/nonexistent";
	struct mr_config noted = config;
	char text[8] = "";
	int fd;

	noted.pin_dir = pin_dir;
	write_file(top, "secret", "x");
	cr_assert_eq(symlink("../secret", path_of(run_dir, MR_ATTACHED_FILE ".new")), 0);
	cr_expect_eq(mr_attached_note(&noted), 0);
	fd = open(path_of(top, "secret"), O_RDONLY | O_CLOEXEC);
	cr_assert_geq(fd, 0);
	cr_expect_eq(read(fd, text, sizeof(text) - 1), 1);
	cr_expect_str_eq(text, "x");
	close(fd);
	cr_expect_eq(access(path_of(run_dir, MR_ATTACHED_FILE), F_OK), 0);
}

Test(user, is_asked_whether_it_gets_there)
{
	struct mr_user nobody;
	struct mr_why why = {""};

	cr_assert_eq(mr_user_find("nobody", &nobody), 0);
	cr_expect_eq(mr_user_reaches(&nobody, &config, &why), -EACCES);
	cr_expect(strstr(why.text, run_dir), "%s", why.text);
	mr_user_hand_over(&nobody, &config);
	cr_expect_eq(mr_user_reaches(&nobody, &config, &why), 0);
	write_file(top, "notify", "");
	setenv("NOTIFY_SOCKET", path_of(top, "notify"), 1);
	cr_expect_eq(mr_user_reaches(&nobody, &config, &why), -EACCES);
	cr_expect(strstr(why.text, "NOTIFY_SOCKET"), "%s", why.text);
	unsetenv("NOTIFY_SOCKET");
	chmod(top, 0700);
	cr_expect_eq(mr_user_reaches(&nobody, &config, &why), -EACCES);
	cr_expect_eq(geteuid(), 0);
}

Test(user, that_does_not_exist)
{
	struct mr_user none = {.uid = 4711};

	cr_expect_eq(mr_user_find("nobody-of-this-name", &none), -ENOENT);
	cr_expect_eq(none.uid, 4711);
}

/* The daemon's side, as a user that may not pass the directory: its exit status. */
static int use_monitor(struct mr_monitor *monitor, const char *pin_dir)
{
	char text[8] = "";
	int fd;

	if (setgid(user.gid) || setuid(user.uid) || open(path_of(state_dir, "conf"), O_RDONLY) >= 0)
		return 1;
	fd = mr_monitor_open_config(monitor);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) != 3 || strcmp(text, "new"))
		return 2;
	if (write(fd, "x", 1) >= 0)
		return 3;
	if (rmdir(pin_dir) == 0 || mr_monitor_remove_pin_dir(monitor))
		return 4;
	if (mr_monitor_remove_pin_dir(monitor) != -ENOENT)
		return 5;
	mr_monitor_stop(monitor);
	return 0;
}

Test(user, has_a_monitor_for_one_file_and_one_directory)
{
	struct mr_monitor *monitor;
	char conf[128], pins[128];
	int status;
	pid_t pid;

	snprintf(conf, sizeof(conf), "%s", path_of(state_dir, "conf"));
	snprintf(pins, sizeof(pins), "%s", path_of(state_dir, "pins"));
	cr_assert_eq(mkdir(pins, 0700), 0);
	pid = fork();
	if (!pid) {
		if (mr_monitor_start(conf, pins, true, &monitor))
			_exit(10);
		if (mr_monitor_open_config(monitor) != -ENOENT)
			_exit(11);
		write_file(state_dir, "conf", "new");
		_exit(use_monitor(monitor, pins));
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status));
	cr_expect_eq(WEXITSTATUS(status), 0, "step %d", WEXITSTATUS(status));
	cr_expect_neq(access(pins, F_OK), 0);
}
