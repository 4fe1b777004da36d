/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_config.c - options and files: what they set, and that each mistake is named with its place.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"

static char path[] = "/tmp/moshrelay-config-XXXXXX";
static struct mr_config config;
static struct mr_why why;

static void make_file(void)
{
	int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	close(fd);
}

static void remove_file(void)
{
	mr_config_clear(&config);
	unlink(path);
}

TestSuite(config, .init = make_file, .fini = remove_file);

/* Writes the file, reads it with these arguments behind "-c FILE". */
static int load(const char *text, char **extra, size_t n)
{
	char *argv[16] = {"moshrelayd", "-c", path};
	struct mr_options options;
	FILE *file = fopen(path, "w");
	int r;

	cr_assert(file);
	fputs(text, file);
	fclose(file);
	for (size_t i = 0; i < n; i++)
		argv[3 + i] = extra[i];
	optind = 0;
	why.text[0] = '\0';
	mr_config_clear(&config);
	r = mr_options_parse((int)(3 + n), argv, &options, &why);
	if (r)
		return r;
	r = mr_config_load(&options, &config, &why);
	mr_options_clear(&options);
	return r;
}

#define LOAD(text, ...) \
	load(text, (char *[]){__VA_ARGS__}, sizeof((char *[]){__VA_ARGS__}) / sizeof(char *))

Test(config, an_empty_file_gives_the_documented_defaults)
{
	cr_assert_eq(load("", NULL, 0), 0, "%s", why.text);
	cr_expect_eq(config.interfaces.n, 0);
	cr_expect_eq(config.n_pools, 1);
	cr_expect_eq(config.pools[0].ports.lo, 60000);
	cr_expect_eq(config.pools[0].ports.hi, 61000);
	cr_expect_eq(config.upstream.lo, 61008);
	cr_expect_eq(config.upstream.hi, 65535);
	cr_expect_eq(config.dataplane, MR_DATAPLANE_AUTO);
	cr_expect_eq(config.max_sessions, 65536);
	cr_expect_str_eq(config.run_dir, "/run/moshrelay");
	cr_expect_str_eq(config.state_dir, "/var/lib/moshrelay");
	cr_expect_str_eq(config.pin_dir, "/sys/fs/bpf/moshrelay");
	cr_expect_eq(config.policy.n_rules, 1);
	cr_expect(mr_strv_contains(&config.policy.admin_users, "root"));
}

static const char whole[] =
	"# a comment\n"
	"interfaces = {\"eth0\", \"eth1\"}\n"
	"public = {\"203.0.113.7\", \"2001:db8::7\"}\n"
	"advertise = {\"bastion.example.org\"}\n"
	"ports = \"60000-60999\"\n"
	"upstream-ports = \"61008-62015\"\n"
	"max-sessions = 1000\n"
	"dataplane = xdp-generic\n"
	"run-dir = \"/run/two\"\n"
	"pool \"second\" { addresses = {\"203.0.113.8\"}  ports = \"60000-61000\" }\n"
	"allow \"developers\" {\n"
	"  groups = {\"dev\"}\n"
	"  targets = {\"10.0.0.0/8\", \"fd00::/8\"}\n"
	"  target-ports = \"60000-61000\"\n"
	"  sessions = 20\n"
	"  opens-per-minute = 60\n"
	"}\n"
	"admin { users = {\"root\"}  groups = {\"ops\"} }\n"
	"dpdk { cores = \"1-2\"  devices = \"0000:00:05.0\" }\n";

Test(config, a_whole_file_is_read)
{
	cr_assert_eq(load(whole, NULL, 0), 0, "%s", why.text);
	cr_expect_eq(config.interfaces.n, 2);
	cr_expect_str_eq(config.interfaces.items[1], "eth1");
	cr_expect_eq(config.n_pools, 2);
	cr_expect_eq(config.pools[0].n_addresses, 2);
	cr_expect_eq(config.pools[0].ports.hi, 60999);
	cr_expect_str_eq(config.pools[0].advertise.items[0], "bastion.example.org");
	cr_expect_str_eq(config.pools[1].name, "second");
	cr_expect_eq(config.pools[1].n_addresses, 1);
	cr_expect_eq(config.upstream.hi, 62015);
	cr_expect_eq(config.max_sessions, 1000);
	cr_expect_eq(config.dataplane, MR_DATAPLANE_XDP_GENERIC);
	cr_expect_str_eq(config.run_dir, "/run/two");
	cr_assert_eq(config.policy.n_rules, 2);
	cr_expect(config.policy.rules[1].fallback);
	cr_expect_eq(config.policy.rules[0].n_targets, 2);
	cr_expect_eq(config.policy.rules[0].sessions, 20);
	cr_expect_eq(config.policy.rules[0].opens_per_minute, 60);
	cr_expect(mr_strv_contains(&config.policy.admin_groups, "ops"));
	cr_assert_eq(config.dpdk.n, 2);
	cr_expect_str_eq(config.dpdk.items[0], "cores=1-2");
	cr_expect_str_eq(config.dpdk.items[1], "devices=0000:00:05.0");
}

Test(config, the_upstream_range_is_cut_to_whole_blocks)
{
	static const struct {
		const char *text;
		uint16_t lo, hi;
	} rows[] = {
		{"61008-65535", 61008, 65535},
		{"61008-61023", 61008, 61023},
		{"61007-61024", 61008, 61023},
		{"61009-61039", 61024, 61039},
		{"62000-63000", 62000, 62991},
		{"65520-65535", 65520, 65535},
		{"65500-65535", 65504, 65535},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_assert_eq(LOAD("", "--upstream-ports", (char *)rows[i].text), 0, "%s: %s",
			rows[i].text, why.text);
		cr_expect_eq(config.upstream.lo, rows[i].lo, "%s", rows[i].text);
		cr_expect_eq(config.upstream.hi, rows[i].hi, "%s", rows[i].text);
		mr_config_clear(&config);
	}
	cr_assert_eq(load("", NULL, 0), 0);
}

Test(config, options_beat_the_file)
{
	cr_assert_eq(
		LOAD(whole, "-i", "eth7", "--public", "198.51.100.1", "--ports", "50000-50001",
			"--max-sessions", "7", "--dataplane", "dpdk", "--run-dir", "/run/three"),
		0, "%s", why.text);
	cr_expect_eq(config.interfaces.n, 1);
	cr_expect_str_eq(config.interfaces.items[0], "eth7");
	cr_expect_eq(config.pools[0].n_addresses, 1);
	cr_expect_eq(config.pools[0].ports.lo, 50000);
	cr_expect_eq(config.max_sessions, 7);
	cr_expect_eq(config.dataplane, MR_DATAPLANE_DPDK);
	cr_expect_str_eq(config.run_dir, "/run/three");
}

/* A file's mistake, the line it is in, and a word of what is said. */
static const struct {
	const char *text;
	int line; /* 0: whichever */
	const char *says;
} mistakes[] = {
	{"\n\nfrobnicate = 1\n", 3, "frobnicate"},
	{"ports = \"61000-60000\"\n", 1, "LO <= HI"},
	{"\nports = \"0-60000\"\n", 2, "ports"},
	{"ports = \"60000-65536\"\n", 1, "ports"},
	{"upstream-ports = \"61000-61022\"\n", 1, "blocks of 16"},
	{"upstream-ports = \"61009-61038\"\n", 1, "blocks of 16"},
	{"max-sessions = 0\n", 1, "max-sessions"},
	{"max-sessions = 4194305\n", 1, "max-sessions"},
	{"max-sessions = -1\n", 1, "max-sessions"},
	{"dataplane = fast\n", 1, "xdp-generic"},
	{"public = {\"host.example.org\"}\n", 1, "address"},
	{"public = {\"127.0.0.1\"}\n", 1, "dial"},
	{"public = {\"203.0.113.7\", \"224.0.0.1\"}\n", 1, "dial"},
	{"interfaces = {\"a-name-that-is-too-long\"}\n", 1, "interface"},
	{"advertise = {\"two words\"}\n", 1, "advertise"},
	{"run-dir = \"run\"\n", 1, "root"},
	{"log-level = loud\n", 1, "debug"},
	{"allow \"a\" {\n  users = {\"u\"}\n  targets = {\"10.0.0.1/8\"}\n}\n", 3, "10.0.0.0/8"},
	{"allow \"a\" {\n  users = {\"u\"}\n}\n", 0, "targets"},
	{"allow \"a\" {\n  targets = {\"10.0.0.0/8\"}\n}\n", 0, "users or groups"},
	{"allow \"a\" {\n  users = {\"u\"}\n  sessions = 0\n}\n", 3, "sessions"},
	{"allow \"a\" {\n  users = {\"u\"}\n  colour = red\n}\n", 3, "colour"},
	{"allow \"a\" {\n", 0, ""},
	{"allow \"a\" { users = {\"u\"} targets = {\"::/0\"} }\n"
	 "allow \"a\" { users = {\"u\"} targets = {\"::/0\"} }\n",
		2, "a"},
	{"pool \"p\" { ports = \"1-2\" }\n", 0, "addresses"},
	{"public = {\"203.0.113.7\"}\npool \"p\" { addresses = {\"203.0.113.7\"} }\n", 0,
		"in two pools"},
	{"public = {\"203.0.113.7\", \"203.0.113.7\"}\n", 0, "twice"},
	{"ports = \"60000-61008\"\n", 0, "overlap"},
	{"}\n", 1, ""},
	{"ports = \"60000\n", 0, ""},
};

Test(config, each_mistake_of_a_file_is_named_with_its_place)
{
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		char place[64];
		int r = load(mistakes[i].text, NULL, 0);

		cr_expect_eq(r, -EBADMSG, "%zu %s: %d", i, mistakes[i].text, r);
		snprintf(place, sizeof(place), "%s:%d:", path, mistakes[i].line);
		cr_expect(!mistakes[i].line || strstr(why.text, place), "%zu: %s: %s", i, place,
			why.text);
		cr_expect(
			why.text[0] && strstr(why.text, mistakes[i].says), "%zu: %s", i, why.text);
		cr_expect_not(strchr(why.text, '\n'), "one line: %s", why.text);
	}
}

static const struct {
	const char *option, *value;
	const char *says;
} bad_options[] = {
	{"--ports", "x", "ports"},
	{"--upstream-ports", "62001-62030", "blocks of 16"},
	{"--max-sessions", "many", "max-sessions"},
	{"--dataplane", "xdp-native", "dataplane"},
	{"--public", "::1", "dial"},
	{"-i", "", "interface"},
	{"--frobnicate", "x", "no such option"},
	{"--run-dir", "relative", "run-dir"},
	{"--log-level", "5", "log-level"},
	{"--metrics", "9100", "ADDRESS:PORT"},
	{"--metrics", "localhost:9100", "ADDRESS:PORT"},
	{"--ports", "60000-62000", "overlap"},
	{"--public=192.0.2.1", "--public=192.0.2.1", "given twice: name it once"},
	{"-c", "", "config: \"\": expected a file's path"},
	{"--p", "3", "could be several"},
	{"word", "word", "only options"},
};

Test(config, each_mistake_on_the_command_line_is_a_usage_error)
{
	for (size_t i = 0; i < sizeof(bad_options) / sizeof(bad_options[0]); i++) {
		int r = LOAD("", (char *)bad_options[i].option, (char *)bad_options[i].value);

		cr_expect_eq(r, -EINVAL, "%s: %d", bad_options[i].option, r);
		cr_expect(strstr(why.text, bad_options[i].says), "%s: %s", bad_options[i].option,
			why.text);
	}
	cr_expect_eq(LOAD("", "--ports"), -EINVAL);
	cr_expect(strstr(why.text, "missing"), "%s", why.text);
}

Test(config, the_default_file_may_be_absent_and_a_named_one_may_not)
{
	struct mr_options options = {.file = "/nonexistent/moshrelay.conf"};

	cr_expect_eq(mr_config_load(&options, &config, &why), -EBADMSG);
	cr_expect(strstr(why.text, "/nonexistent/moshrelay.conf"), "%s", why.text);
	options.file = "/tmp";
	cr_expect_eq(mr_config_load(&options, &config, &why), -EBADMSG);
	cr_expect(strstr(why.text, "directory"), "%s", why.text);
}
