/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * attach.c - the bpf_links that hold the program on its interfaces, pinned as link-IFACE.
 */
#include "xdp.h"

#include <dirent.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#define LINK_PREFIX MR_XDP_LINK_PREFIX

static bool attached_generic(unsigned ifindex)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, opts);

	return !bpf_xdp_query((int)ifindex, 0, &opts) && opts.attach_mode == XDP_ATTACHED_SKB;
}

/* The interface that a link is attached to, 0 if its interface is gone. */
static unsigned link_ifindex(int fd)
{
	struct bpf_link_info info = {};
	uint32_t size = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &size) < 0 || info.type != BPF_LINK_TYPE_XDP)
		return 0;
	return info.xdp.ifindex;
}

/* Puts our program in the place of what a pinned link runs. -ENOENT: there is no usable link. */
static int take_over(struct mr_xdp_port *port, const char *pin, int prog_fd, bool generic,
	struct mr_why *ret_why)
{
	int fd = bpf_obj_get(pin);

	if (fd < 0)
		return -ENOENT;
	if (link_ifindex(fd) != port->ifindex) { /* the interface was removed or made anew */
		unlink(pin);
		close(fd);
		return -ENOENT;
	}
	if (attached_generic(port->ifindex) != generic) {
		close(fd);
		return mr_why_set(ret_why, -EBUSY,
			"%s: attached in %s mode by an earlier daemon: run \"moshrelay detach\" to "
			"change the mode",
			port->name, generic ? "native" : "generic");
	}
	if (bpf_link_update(fd, prog_fd, NULL) < 0) {
		int error = -errno;

		close(fd);
		return mr_why_set(ret_why, error, "%s: cannot exchange the XDP program: %s",
			port->name, strerror(-error));
	}
	port->link_fd = fd;
	port->adopted = true;
	return 0;
}

static int explain_attach(
	const struct mr_xdp_port *port, bool generic, int error, struct mr_why *ret_why)
{
	if (error == -EBUSY || error == -EEXIST)
		return mr_why_set(ret_why, -EBUSY,
			"%s: another XDP program is attached: take it off first: with moshrelay "
			"detach where another moshrelayd left it (-s or --pin-dir names which), "
			"else with what attached it, or ip link set dev %s xdp off",
			port->name, port->name);
	if (!generic && (error == -EOPNOTSUPP || error == -EINVAL))
		return mr_why_set(ret_why, -EOPNOTSUPP,
			"%s: the driver takes no native XDP program with this MTU and these "
			"settings",
			port->name);
	return mr_why_set(ret_why, error, "%s: cannot attach the XDP program: %s", port->name,
		strerror(-error));
}

static int attach_new(struct mr_xdp_port *port, const char *pin, int prog_fd, bool generic,
	struct mr_why *ret_why)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts,
		.flags = generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE);
	int fd = bpf_link_create(prog_fd, (int)port->ifindex, BPF_XDP, &opts);

	if (fd < 0)
		return explain_attach(port, generic, -errno, ret_why);
	if (bpf_obj_pin(fd, pin) < 0) {
		int error = -errno;

		close(fd);
		return mr_why_set(
			ret_why, error, "cannot pin the link %s: %s", pin, strerror(-error));
	}
	port->link_fd = fd;
	return 0;
}

static int attach_port(struct mr_backend *b, struct mr_xdp_port *port, struct mr_why *ret_why)
{
	int prog_fd = bpf_program__fd(b->skel->progs.moshrelay);
	char *pin = mr_xdp_pin_path(b, LINK_PREFIX, port->name);
	uint32_t ifindex = port->ifindex;
	int rc;

	if (!pin)
		return mr_why_set(ret_why, -ENOMEM, "no memory");
	/* Before frames can be redirected there, and whether or not the attachment is new. */
	if (bpf_map_update_elem(bpf_map__fd(b->skel->maps.devices), &ifindex, &ifindex, 0) < 0) {
		rc = mr_why_set(ret_why, -errno, "%s: cannot enter it among the devices: %s",
			port->name, strerror(errno));
	} else {
		rc = take_over(port, pin, prog_fd, port->generic, ret_why);
		if (rc == -ENOENT)
			rc = attach_new(port, pin, prog_fd, port->generic, ret_why);
	}
	free(pin);
	return rc;
}

static bool configured(const struct mr_backend *b, const char *name)
{
	for (size_t i = 0; i < b->n_ports; i++)
		if (!strcmp(b->ports[i].name, name))
			return true;
	return false;
}

/* Takes the program off one interface, by name: its link goes with the pin. */
static void drop_link(struct mr_backend *b, const char *name)
{
	char *pin = mr_xdp_pin_path(b, LINK_PREFIX, name);
	int fd;

	if (!pin)
		return;
	fd = bpf_obj_get(pin);
	if (fd >= 0) {
		uint32_t ifindex = link_ifindex(fd);

		bpf_link_detach(fd);
		bpf_map_delete_elem(bpf_map__fd(b->skel->maps.devices), &ifindex);
		close(fd);
	}
	unlink(pin);
	free(pin);
}

/* Links that an earlier daemon pinned for interfaces that this one isn't told to use, or all. */
static void drop_links(struct mr_backend *b, bool all)
{
	DIR *dir = opendir(b->pin_path);
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		const char *name = entry->d_name;

		if (strncmp(name, LINK_PREFIX, strlen(LINK_PREFIX)))
			continue;
		name += strlen(LINK_PREFIX);
		if (all || !configured(b, name))
			drop_link(b, name);
	}
	closedir(dir);
}

static int find_ports(
	struct mr_backend *b, const struct mr_backend_config *config, struct mr_why *ret_why)
{
	b->ports = calloc(config->n_interfaces, sizeof(*b->ports));
	if (!b->ports)
		return mr_why_set(ret_why, -ENOMEM, "no memory");
	for (size_t i = 0; i < config->n_interfaces; i++) {
		struct mr_xdp_port *port = &b->ports[i];
		const char *name = config->interfaces[i];

		port->ifindex = if_nametoindex(name);
		if (!port->ifindex || strlen(name) >= sizeof(port->name))
			return mr_why_set(ret_why, -ENODEV,
				"there is no interface %s: see \"ip link\"", name);
		strcpy(port->name, name);
		port->generic = config->dataplane == MR_DATAPLANE_XDP_GENERIC;
		port->link_fd = -1;
		b->n_ports++;
	}
	return 0;
}

int mr_xdp_attach(
	struct mr_backend *b, const struct mr_backend_config *config, struct mr_why *ret_why)
{
	int rc = find_ports(b, config, ret_why);

	for (size_t i = 0; i < b->n_ports && rc >= 0; i++)
		rc = attach_port(b, &b->ports[i], ret_why);
	if (rc >= 0) {
		drop_links(b, false);
		return 0;
	}
	for (size_t i = 0; i < b->n_ports; i++)
		if (b->ports[i].link_fd >= 0 && !b->ports[i].adopted)
			drop_link(b, b->ports[i].name);
	return rc;
}

/* The interface has lost its name, or is gone: then the kernel has taken off what was on it. */
static void leave_port(struct mr_backend *b, struct mr_xdp_port *port)
{
	uint32_t ifindex = port->ifindex;

	if (port->link_fd >= 0)
		close(port->link_fd);
	port->link_fd = -1;
	drop_link(b, port->name);
	bpf_map_delete_elem(bpf_map__fd(b->skel->maps.devices), &ifindex);
	port->ifindex = 0;
	port->adopted = false;
}

int mr_xdp_interface_set(
	struct mr_backend *b, const char *name, uint32_t ifindex, struct mr_why *ret_why)
{
	struct mr_xdp_port *port = NULL;
	int rc;

	for (size_t i = 0; i < b->n_ports && !port; i++)
		if (!strcmp(b->ports[i].name, name))
			port = &b->ports[i];
	if (!port)
		return mr_why_set(ret_why, -ENOENT, "%s: not one of the relay's interfaces", name);
	if (port->ifindex == ifindex && (!ifindex || port->link_fd >= 0))
		return 0;
	leave_port(b, port);
	if (!ifindex)
		return 0;
	port->ifindex = ifindex;
	rc = attach_port(b, port, ret_why);
	if (rc < 0)
		leave_port(b, port);
	return rc < 0 ? rc : 0;
}

void mr_xdp_forget_links(struct mr_backend *b)
{
	for (size_t i = 0; i < b->n_ports; i++) {
		if (b->ports[i].link_fd >= 0)
			close(b->ports[i].link_fd);
		b->ports[i].link_fd = -1;
	}
}

void mr_xdp_detach(struct mr_backend *b)
{
	mr_xdp_forget_links(b);
	drop_links(b, true);
}
