/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * preflight.c - looks at /sys, /dev and the interfaces, and says in one line what is missing.
 */
#include "preflight.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define HUGEPAGES "/sys/kernel/mm/hugepages"
#define PCI_NAME  12 /* 0000:00:00.0 */

static void close_fd(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
#define cleanup_fd __attribute__((cleanup(close_fd)))

/* Last component of a link below /sys; empty if there is no link. */
static void link_name(const char *path, char *ret, size_t size)
{
	char target[PATH_MAX];
	ssize_t length = readlink(path, target, sizeof(target) - 1);
	const char *slash;

	*ret = 0;
	if (length < 0)
		return;
	target[length] = 0;
	slash = strrchr(target, '/');
	slash = slash ? slash + 1 : target;
	if (strlen(slash) < size)
		strcpy(ret, slash);
}

/* Somebody else who has the group open makes the open fail with EBUSY. */
static int check_vfio(const char *device, struct mr_why *ret_why)
{
	char path[PATH_MAX], group[32];
	cleanup_fd int fd = -1;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", device);
	link_name(path, group, sizeof(group));
	if (!*group)
		return mr_why_set(ret_why, -ENODEV,
			"%s: no IOMMU group: turn the IOMMU on, or load vfio with "
			"enable_unsafe_noiommu_mode=1",
			device);
	snprintf(path, sizeof(path), "/dev/vfio/%s", group);
	if (access(path, F_OK))
		snprintf(path, sizeof(path), "/dev/vfio/noiommu-%s", group);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		return 0;
	if (errno == EBUSY)
		return mr_why_set(ret_why, -EBUSY,
			"%s: in use by another program (%s): stop it first", device, path);
	return mr_why_set(ret_why, -errno, "%s: %s: %m", device, path);
}

static int check_device(const char *device, struct mr_why *ret_why)
{
	/* mlx4 and mlx5 share the device with the kernel's driver. */
	static const char *const fit[] = {"uio_pci_generic", "igb_uio", "mlx4_core", "mlx5_core"};
	char path[PATH_MAX], driver[64];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", device);
	if (access(path, F_OK))
		return mr_why_set(ret_why, -ENODEV,
			"%s: no such PCI device: see dpdk-devbind.py --status", device);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", device);
	link_name(path, driver, sizeof(driver));
	if (!strcmp(driver, "vfio-pci"))
		return check_vfio(device, ret_why);
	for (size_t i = 0; i < sizeof(fit) / sizeof(fit[0]); i++) {
		if (!strcmp(driver, fit[i]))
			return 0;
	}
	if (!*driver)
		return mr_why_set(ret_why, -ENODEV,
			"%s: bound to no driver: dpdk-devbind.py -b vfio-pci (or, without an "
			"IOMMU, "
			"uio_pci_generic) %s",
			device, device);
	return mr_why_set(ret_why, -EBUSY,
		"%s: in use by the kernel's driver %s: dpdk-devbind.py -b vfio-pci %s takes it "
		"from the kernel",
		device, driver, device);
}

int mr_preflight_devices(const struct mr_dpdk_options *options, struct mr_why *ret_why)
{
	for (size_t i = 0; i < options->n_devices; i++) {
		char device[PCI_NAME + 1];
		int rc;

		snprintf(device, sizeof(device), "%.*s", (int)strcspn(options->devices[i], ","),
			options->devices[i]);
		rc = check_device(device, ret_why);
		if (rc)
			return rc;
	}
	return 0;
}

static size_t read_size(const char *path)
{
	unsigned long long value = 0;
	FILE *file = fopen(path, "re");

	if (!file)
		return 0;
	if (fscanf(file, "%llu", &value) != 1)
		value = 0;
	fclose(file);
	return (size_t)value;
}

/* Octets in free huge pages of whatever size. */
static size_t free_hugepages(void)
{
	DIR *dir = opendir(HUGEPAGES);
	const struct dirent *entry;
	size_t sum = 0;

	if (!dir)
		return 0;
	while ((entry = readdir(dir))) {
		char path[PATH_MAX];
		unsigned long kib;

		if (sscanf(entry->d_name, "hugepages-%lukB", &kib) != 1)
			continue;
		snprintf(path, sizeof(path), HUGEPAGES "/%s/free_hugepages", entry->d_name);
		sum += read_size(path) * kib * 1024;
	}
	closedir(dir);
	return sum;
}

/* Without an IOMMU a device needs physical addresses, and those only huge pages have. */
static const char *device_without_iommu(const struct mr_dpdk_options *options)
{
	for (size_t i = 0; i < options->n_devices; i++) {
		char path[PATH_MAX], driver[64];

		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%.*s/driver", PCI_NAME,
			options->devices[i]);
		link_name(path, driver, sizeof(driver));
		if (strcmp(driver, "vfio-pci"))
			return options->devices[i];
	}
	return NULL;
}

int mr_preflight_memory(
	const struct mr_dpdk_options *options, size_t need, bool *ret_huge, struct mr_why *ret_why)
{
	const char *device = device_without_iommu(options);
	size_t have = free_hugepages();
	bool must = device || options->hugepages == MR_HUGEPAGES_REQUIRED;

	if (options->memory_mib)
		need = (size_t)options->memory_mib << 20;
	if (device && options->hugepages == MR_HUGEPAGES_NONE)
		return mr_why_set(ret_why, -EINVAL,
			"dpdk option hugepages=none: %s has no IOMMU and needs huge pages", device);
	if (must && have < need)
		return mr_why_set(ret_why, -ENOMEM,
			"huge pages: %zu MiB are free, %zu are needed%s%s: sysctl "
			"vm.nr_hugepages=%zu",
			have >> 20, need >> 20, device ? " by " : "", device ? device : "",
			(need >> 21) + 1);
	*ret_huge = must || (options->hugepages == MR_HUGEPAGES_AUTO && have >= need);
	return 0;
}

int mr_preflight_interface(
	const char *name, uint32_t *ret_ifindex, uint16_t *ret_mtu, struct mr_why *ret_why)
{
	struct ifreq request = {0};
	cleanup_fd int fd = -1;
	uint32_t ifindex;
	int mtu;

	if (strlen(name) >= sizeof(request.ifr_name))
		return mr_why_set(ret_why, -ENODEV, "%.32s: no such interface", name);
	memcpy(request.ifr_name, name, strlen(name));
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0 && errno == EPERM)
		return mr_why_set(ret_why, -EPERM,
			"%s: no right to open a packet socket: start moshrelayd as root, or give "
			"it CAP_NET_RAW and CAP_NET_ADMIN",
			name);
	if (fd < 0)
		return mr_why_set(ret_why, -errno, "%s: packet socket: %m", name);
	ifindex = if_nametoindex(name);
	if (!ifindex)
		return mr_why_set(ret_why, -ENODEV, "%s: no such interface", name);
	if (ioctl(fd, SIOCGIFHWADDR, &request))
		return mr_why_set(ret_why, -errno, "%s: hardware address: %m", name);
	if (request.ifr_hwaddr.sa_family != ARPHRD_ETHER)
		return mr_why_set(ret_why, -ENOTSUP, "%s: not an Ethernet interface", name);
	if (ioctl(fd, SIOCGIFMTU, &request))
		return mr_why_set(ret_why, -errno, "%s: MTU: %m", name);
	mtu = request.ifr_mtu;
	if (ioctl(fd, SIOCGIFFLAGS, &request))
		return mr_why_set(ret_why, -errno, "%s: flags: %m", name);
	if (!(request.ifr_flags & IFF_UP))
		return mr_why_set(ret_why, -ENETDOWN, "%s: is down: ip link set %s up", name, name);
	*ret_ifindex = ifindex;
	*ret_mtu = (uint16_t)mr_min(mtu, UINT16_MAX);
	return 0;
}
