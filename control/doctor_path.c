// SPDX-License-Identifier: BSD-2-Clause
/*
 * doctor_path.c - public addresses, and the ways to targets: policy, route, interface, MTU,
 * neighbour.
 */
#include <errno.h>
#include <linux/neighbour.h>
#include <stdio.h>
#include <string.h>

#include "addr.h"
#include "doctor_private.h"
#include "neigh.h"
#include "routes.h"

#define MTU_MIN       1300
#define TARGETS_SHOWN 5

static const char *text_of(const struct mr_addr *addr)
{
	static char text[INET6_ADDRSTRLEN]; /* one at a time */

	return mr_addr_format(addr, text, sizeof(text));
}

static const char *iface_name(const struct mr_netlink *netlink, uint32_t ifindex)
{
	const struct mr_iface *iface = mr_netlink_iface(netlink, ifindex);

	return iface ? iface->name : "?";
}

/* Is the dataplane attached to what carries the traffic of an interface? */
static bool is_carried(const struct mr_doctor *doctor, uint32_t ifindex)
{
	uint16_t vlan;
	const struct mr_iface *carrier = mr_netlink_carrier(doctor->netlink, ifindex, &vlan);

	return carrier && is_attached(doctor, carrier->name);
}

static void examine_public(struct report *report, const struct mr_addr *addr)
{
	const struct mr_doctor *doctor = report->doctor;
	const struct mr_own_address *addresses;
	size_t count = mr_netlink_addresses(doctor->netlink, &addresses);
	struct phrase name = phrase("public address %s", text_of(addr));

	for (size_t i = 0; i < count; i++) {
		if (!mr_addr_equal(&addresses[i].addr, addr))
			continue;
		const char *iface = iface_name(doctor->netlink, addresses[i].ifindex);
		if (addresses[i].duplicate)
			finding_add(report, FINDING_FAIL, name.text,
				phrase("on %s, and another host on its network has it too: this "
				       "one does not answer there",
					iface)
					.text,
				phrase("take it off the other host, then: ip address del %s dev "
				       "%s, "
				       "and add it again",
					text_of(addr), iface)
					.text);
		else if (is_carried(doctor, addresses[i].ifindex))
			finding_add(
				report, FINDING_OK, name.text, phrase("on %s", iface).text, NULL);
		else
			finding_add(report, FINDING_WARN, name.text,
				phrase("on %s, which the relay is not attached to: what arrives "
				       "there "
				       "is not relayed",
					iface)
					.text,
				phrase("add -i %s, unless clients come in another way", iface)
					.text);
		return;
	}
	finding_add(report, FINDING_WARN, name.text,
		"on no interface of this host: works once it is on one, or where the network "
		"routes it here",
		phrase("ip address add %s dev INTERFACE; or, behind NAT, configure the host's own "
		       "address as `public` and this one as `advertise`",
			text_of(addr))
			.text);
}

void examine_publics(struct report *report)
{
	for (size_t i = 0; i < report->doctor->n_publics; i++)
		examine_public(report, &report->doctor->publics[i]);
}

/* All targets of sessions */

/* Why a target can't be reached now; "": it can. */
static struct phrase obstacle(const struct mr_doctor *doctor, const struct mr_addr *target)
{
	struct mr_neigh_state state;
	struct mr_route route;
	int error = mr_route_to_target(doctor->netlink, target, &route);

	if (error)
		return phrase("%s: no route", text_of(target));
	if (!is_carried(doctor, route.oif))
		return phrase("%s: by %s, which the relay is not attached to", text_of(target),
			iface_name(doctor->netlink, route.oif));
	if (!mr_neigh_state_get(doctor->netlink, target, &state) && !state.valid)
		return phrase("%s: no answer from its next hop", text_of(target));
	return phrase("%s", "");
}

void examine_targets(struct report *report)
{
	const struct mr_doctor *doctor = report->doctor;
	size_t bad = 0, length = 0;
	struct phrase list = {""};

	for (size_t i = 0; i < doctor->n_targets; i++) {
		struct phrase why = obstacle(doctor, &doctor->targets[i]);
		if (!*why.text)
			continue;
		if (bad++ < TARGETS_SHOWN && length < sizeof(list.text))
			length += (size_t)snprintf(list.text + length, sizeof(list.text) - length,
				"%s%s", length ? "; " : "", why.text);
	}
	if (bad)
		finding_add(report, FINDING_WARN, "targets",
			phrase("%zu of %zu can't be reached now: %s%s", bad, doctor->n_targets,
				list.text, bad > TARGETS_SHOWN ? "; ..." : "")
				.text,
			"moshrelay doctor TARGET says more about one");
	else
		finding_add(report, FINDING_OK, "targets",
			doctor->n_targets
				? phrase("%zu, with known next hops", doctor->n_targets).text
				: "no session is open",
			NULL);
}

/* One target, step by step */

/* Addresses that no session may lead to, whatever the policy says; NULL: none of those. */
static const char *forbidden(const struct mr_netlink *netlink, const struct mr_addr *target)
{
	const uint8_t *octets = (const uint8_t *)target->w;
	bool v4 = mr_addr_is_v4(target);

	if (mr_netlink_is_own(netlink, target))
		return "is this host itself";
	if (mr_netlink_is_broadcast(netlink, target))
		return "is a broadcast address";
	if (v4 ? (octets[12] & 0xf0) == 0xe0 : octets[0] == 0xff)
		return "is a multicast address";
	if (v4 ? octets[12] == 169 && octets[13] == 254
	       : octets[0] == 0xfe && (octets[1] & 0xc0) == 0x80)
		return "is a link-local address";
	return NULL;
}

static void examine_policy(struct report *report, const struct mr_addr *target, uint16_t port)
{
	const struct mr_doctor *doctor = report->doctor;
	char text[MR_WHY_SIZE] = "";

	if (!doctor->policy)
		return;
	int allowed = doctor->policy(target, port, text, sizeof(text), doctor->context);
	if (allowed < 0)
		finding_add(report, FINDING_WARN, "target policy",
			phrase("can't be asked: %s", strerror(-allowed)).text, NULL);
	else
		finding_add(report, allowed ? FINDING_OK : FINDING_FAIL, "target policy", text,
			allowed ? NULL
				: "an administrator changes `allow` sections in the configuration, "
				  "then reloads: systemctl reload moshrelayd");
}

static void examine_neighbour(
	struct report *report, const struct mr_addr *target, const struct mr_route *route)
{
	struct mr_netlink *netlink = report->doctor->netlink;
	struct mr_neigh_state state;
	const char *iface = iface_name(netlink, route->oif);
	struct phrase hop = phrase(
		"%s %s", route->on_link ? "the target" : "gateway", text_of(&route->gateway));
	int error = mr_neigh_state_get(netlink, target, &state);

	if (error)
		finding_add(report, FINDING_WARN, "target neighbour",
			phrase("can't be asked for: %s", strerror(-error)).text, NULL);
	else if (state.valid)
		finding_add(report, FINDING_OK, "target neighbour",
			phrase("%s is at %02x:%02x:%02x:%02x:%02x:%02x%s", hop.text, state.mac[0],
				state.mac[1], state.mac[2], state.mac[3], state.mac[4],
				state.mac[5], state.managed ? ", kept by the kernel" : "")
				.text,
			NULL);
	else if (state.nud & (NUD_INCOMPLETE | NUD_FAILED))
		finding_add(report, FINDING_FAIL, "target neighbour",
			phrase("%s does not answer %s on %s", hop.text,
				mr_addr_is_v4(&route->gateway) ? "ARP" : "neighbour solicitations",
				iface)
				.text,
			"is that host up, and on this network?");
	else
		finding_add(report, FINDING_OK, "target neighbour",
			phrase("%s is not resolved yet: that is done when a session opens",
				hop.text)
				.text,
			NULL);
}

static void examine_way(
	struct report *report, const struct mr_addr *target, const struct mr_route *route)
{
	const struct mr_doctor *doctor = report->doctor;
	const char *iface = iface_name(doctor->netlink, route->oif);
	struct phrase from = phrase("%s", text_of(&route->source));

	finding_add(report, FINDING_OK, "target route",
		route->on_link ? phrase("on %s, from %s", iface, from.text).text
			       : phrase("by gateway %s on %s, from %s", text_of(&route->gateway),
					 iface, from.text)
					 .text,
		NULL);
	for (int i = 0; i < 2; i++) {
		uint32_t oif = i ? route->oif_alt : route->oif;
		if (!oif)
			continue;
		bool carried = is_carried(doctor, oif);
		iface = iface_name(doctor->netlink, oif);
		finding_add(report, carried ? FINDING_OK : FINDING_FAIL, "target interface",
			phrase("%s: the relay is %sattached to what carries it", iface,
				carried ? "" : "not ")
				.text,
			carried ? NULL
				: phrase("add -i %s (for a VLAN device or the like: what it is "
					 "on), or "
					 "route the target another way",
					  iface)
					  .text);
	}
	finding_add(report, route->mtu < MTU_MIN ? FINDING_WARN : FINDING_OK, "target MTU",
		phrase("%u%s", route->mtu,
			route->mtu < MTU_MIN
				? ": mosh's largest datagrams, 1280 octets in IPv4 and "
				  "1300 where that becomes IPv6, may be dropped"
				: "")
			.text,
		route->mtu < MTU_MIN ? "raise the MTU of the interface or of the route" : NULL);
	examine_neighbour(report, target, route);
}

void examine_target(struct report *report, const struct mr_addr *target, uint16_t port)
{
	struct mr_route route = {.type = MR_ROUTE_UNICAST};
	const char *why = forbidden(report->doctor->netlink, target);

	if (why) {
		finding_add(report, FINDING_FAIL, "target address",
			phrase("%s %s", text_of(target), why).text,
			"sessions lead to other hosts only; name the target's own unicast address");
		return;
	}
	examine_policy(report, target, port);
	int error = mr_route_to_target(report->doctor->netlink, target, &route);
	if (!error) {
		examine_way(report, target, &route);
		return;
	}
	finding_add(report, FINDING_FAIL, "target route",
		phrase("%s: %s", text_of(target),
			route.type != MR_ROUTE_UNICAST
				? phrase("the route is %s", mr_route_type_name(route.type)).text
				: strerror(-error))
			.text,
		phrase("ip route get %s shows the kernel's choice; add or mend the route",
			text_of(target))
			.text);
}
