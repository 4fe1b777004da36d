/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * select.c - tries dataplanes in order, and loads the DPDK module from where it lies.
 */
#include "select.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MODULE "moshrelay-dpdk.so"

/* Seen from the daemon's directory: installed (also below a DESTDIR), and in a build tree. */
static const char *const module_dirs[] = {
	"../" MR_LIBDIR "/moshrelay",
	"../lib/moshrelay",
	"../dataplane/dpdk",
};

/* The directory of this executable. 0 or -errno. */
static int own_directory(char *ret_dir, size_t size)
{
	ssize_t len = readlink("/proc/self/exe", ret_dir, size - 1);
	char *slash;

	if (len < 0)
		return -errno;
	ret_dir[len] = '\0';
	slash = strrchr(ret_dir, '/');
	if (!slash)
		return -EINVAL;
	*slash = '\0';
	return 0;
}

/* Not by access(): that asks for the rights of a user, and leaves out capabilities. */
static bool is_readable(const char *path)
{
	return !faccessat(AT_FDCWD, path, R_OK, AT_EACCESS);
}

static int find_module(char *ret_path, size_t size)
{
	char dir[PATH_MAX];

	if (own_directory(dir, sizeof(dir)))
		return -ENOENT;
	for (size_t i = 0; i < sizeof(module_dirs) / sizeof(module_dirs[0]); i++) {
		if (snprintf(ret_path, size, "%s/%s/" MODULE, dir, module_dirs[i]) < (int)size &&
			is_readable(ret_path))
			return 0;
	}
	if (snprintf(ret_path, size, MR_MODULE_DIR "/" MODULE) < (int)size && is_readable(ret_path))
		return 0;
	return -ENOENT;
}

static int refuse(struct mr_why *why, int error, const char *what, const char *detail)
{
	snprintf(why->text, sizeof(why->text), "%.100s%.150s", what, detail);
	return error;
}

/* The module's operations; `ret_module` is its handle. */
static int load_module(
	const struct mr_backend_ops **ret_ops, void **ret_module, struct mr_why *ret_why)
{
	const struct mr_backend_module *module;
	char path[2 * PATH_MAX];
	void *handle;

	if (find_module(path, sizeof(path)))
		return refuse(ret_why, -ENOENT, "the module " MODULE " is not installed",
			": install it, or choose another dataplane");
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		return refuse(ret_why, -ENOEXEC, "the module can't be loaded: ", dlerror());
	module = dlsym(handle, MR_BACKEND_MODULE_SYMBOL);
	if (!module || module->layout != MR_LAYOUT_VERSION || strcmp(module->version, MR_VERSION)) {
		dlclose(handle);
		return refuse(ret_why, -EPROTO, path, ": of another version than the daemon");
	}
	*ret_ops = module->ops;
	*ret_module = handle;
	return 0;
}

static int try_one(const struct mr_backend_config *config, enum mr_dataplane dataplane,
	struct mr_selection *selection)
{
	struct mr_refusal *refusal = &selection->refusals[selection->n_refusals];
	struct mr_backend_config wanted = *config;
	const struct mr_backend_ops *ops = &mr_backend_xdp;
	void *module = NULL;
	int r = 0;

	refusal->dataplane = dataplane;
	refusal->why.text[0] = '\0';
	wanted.dataplane = dataplane;
	if (dataplane == MR_DATAPLANE_DPDK)
		r = load_module(&ops, &module, &refusal->why);
	if (!r)
		r = ops->open(&wanted, &selection->backend, &selection->adopted, &refusal->why);
	if (r) {
		/* A module stays loaded: the libraries below it don't survive dlclose(). */
		if (!refusal->why.text[0])
			refuse(&refusal->why, r, "", strerror(-r));
		selection->n_refusals++;
		return r;
	}
	selection->ops = ops;
	selection->module = module;
	selection->dataplane = dataplane;
	return 0;
}

int mr_select_open(const struct mr_backend_config *config, struct mr_selection *ret_selection)
{
	static const enum mr_dataplane order[MR_SELECT_MAX] = {
		MR_DATAPLANE_XDP_NATIVE, MR_DATAPLANE_XDP_GENERIC, MR_DATAPLANE_DPDK};
	int r = -EINVAL;

	*ret_selection = (struct mr_selection){0};
	if (config->dataplane != MR_DATAPLANE_AUTO)
		return try_one(config, config->dataplane, ret_selection);
	/* -EPROTO: an earlier daemon's program is attached and forwards, and can't be taken over.
	 * Another dataplane beside it would see the same packets. */
	for (size_t i = 0; r && r != -EPROTO && i < MR_SELECT_MAX; i++)
		r = try_one(config, order[i], ret_selection);
	return r;
}
