#include "smtp/self.h"

#include "base/log.h"

#include <ifaddrs.h>
#include <netdb.h>

static struct own {
	struct dns_address *list;
	size_t count, capacity;
} own; /* set once, by self_prepare */

static void add(const struct dns_address *address)
{
	array_grow(&own.list, &own.capacity, own.count + 1,
		sizeof(struct dns_address));
	own.list[own.count++] = *address;
}

static void add_socket(const struct sockaddr *socket, size_t len)
{
	struct sockaddr_storage storage = { 0 };
	struct dns_address address;
	uint16_t port;

	memcpy(&storage, socket, len);
	if (dns_address_from(&storage, &address, &port))
		add(&address);
}

static void add_all_interfaces(void)
{
	struct ifaddrs *list;

	if (getifaddrs(&list) < 0) {
		log_warning("addresses of this host: %m");
		return;
	}
	for (struct ifaddrs *at = list; at; at = at->ifa_next)
		if (at->ifa_addr && at->ifa_addr->sa_family == AF_INET)
			add_socket(at->ifa_addr, 16);
		else if (at->ifa_addr && at->ifa_addr->sa_family == AF_INET6)
			add_socket(at->ifa_addr, 28);
	freeifaddrs(list);
}

static void add_host(struct str host)
{
	auto_arena struct arena *arena = arena_new(0);
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list;
	struct dns_address address;

	if (host.len > 2 && host.p[0] == '[')
		host = str_of(host.p + 1, host.len - 2);
	if (dns_address_parse(host, &address)) {
		add(&address);
		return;
	}
	if (getaddrinfo(arena_cstr(arena, host), NULL, &hints, &list) != 0) {
		log_warning("inet_interfaces: host not found: %.*s",
			STR_ARG(host));
		return;
	}
	for (struct addrinfo *at = list; at; at = at->ai_next)
		add_socket(at->ai_addr, at->ai_addrlen);
	freeaddrinfo(list);
}

static void add_list(struct str list)
{
	struct str item;

	while (str_take_item(&list, ", \t\r\n", &item)) {
		if (str_is_nocase(item, "all")) {
			add_all_interfaces();
		} else if (str_is_nocase(item, "loopback-only")) {
			add_host(STR("127.0.0.1"));
			add_host(STR("::1"));
		} else {
			add_host(item);
		}
	}
}

void self_prepare(const struct conf *conf)
{
	add_list(conf->inet_interfaces);
	add_list(conf->proxy_interfaces);
}

bool self_is_address(const struct dns_address *address)
{
	for (size_t i = 0; i < own.count; i++)
		if (dns_address_eq(&own.list[i], address))
			return true;
	return false;
}
