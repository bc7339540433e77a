#include "smtp/self.h"

#include "base/log.h"
#include "config/interfaces.h"

#include <netinet/in.h>

static struct {
	struct dns_address *list;
	size_t count, capacity;
} own; /* set once, by self_prepare */

static void add_list(struct arena *arena, struct str list, unsigned protocols,
	const char *parameter)
{
	struct interfaces found = { 0 };
	struct str bad = STR_NONE;

	if (!interfaces_find(arena, list, protocols, &found, &bad))
		log_warning("%s: host not found: %.*s", parameter,
			STR_ARG(bad));
	for (size_t i = 0; i < found.count; i++) {
		const struct network *network = &found.all[i].address;
		struct dns_address address = { .v6 = network->v6 };

		memcpy(address.octets, network->octets,
			sizeof(address.octets));
		array_grow(&own.list, &own.capacity, own.count + 1,
			sizeof(struct dns_address));
		own.list[own.count++] = address;
	}
}

void self_prepare(const struct conf *conf)
{
	struct arena *arena = arena_new(0);
	unsigned protocols = protocols_parse(conf->inet_protocols);

	if (protocols == 0)
		protocols = PROTOCOL_V4 | PROTOCOL_V6;
	add_list(arena, conf->inet_interfaces, protocols, "inet_interfaces");
	if (conf->proxy_interfaces.len > 0)
		add_list(arena, conf->proxy_interfaces, protocols,
			"proxy_interfaces");
	arena_free(arena);
}

bool self_is_address(const struct dns_address *address)
{
	for (size_t i = 0; i < own.count; i++)
		if (dns_address_eq(&own.list[i], address))
			return true;
	return false;
}
