#include "resolver/servers.h"

#include "base/log.h"
#include "config/file.h"
#include "resolver/file.h"

enum {
	DNS_PORT = 53,
};

bool server_parse(struct str text, struct server *server)
{
	struct str address = text, port = STR_NONE;
	size_t colon = str_rfind_char(text, ':');

	server->port = DNS_PORT;
	if (str_take_char(&address, '[')) {
		port = address;
		address = str_take_until(&port, ']');
		if (port.len == 0)
			port = STR_NONE;
		else if (!str_take_char(&port, ':'))
			return false;
	} else if (colon != SIZE_MAX && str_find_char(text, ':') == colon) {
		address = str_first(text, colon);
		port = str_skip(text, colon + 1);
	}
	if (!str_is_none(port) && (server->port = dns_port_parse(port)) == 0)
		return false;
	return dns_address_parse(address, &server->address);
}

static void add(struct servers *servers, struct str text)
{
	struct server *next = &servers->list[servers->count];

	if (servers->count == SERVERS_MOST)
		return;
	if (server_parse(text, next))
		servers->count++;
	else
		log_warning("name server \"%.*s\" is not an address; ignored",
			STR_ARG(text));
}

static void take_option(struct str option, struct servers *servers)
{
	uint64_t value;

	if (str_is(option, "trust-ad"))
		servers->trusted = true;
	else if (str_take_prefix(&option, STR("timeout:")) &&
		str_parse_u64(option, 30, &value) && value > 0)
		servers->timeout = span_s((int64_t)value);
	else if (str_take_prefix(&option, STR("attempts:")) &&
		str_parse_u64(option, 5, &value) && value > 0)
		servers->attempts = (int)value;
}

void servers_parse(struct str text, struct servers *servers)
{
	struct str line, word, item;

	while (str_take_line(&text, &line)) {
		word = str_take_word(&line);
		if (str_is(word, "nameserver"))
			add(servers, str_take_word(&line));
		else if (str_is(word, "options"))
			while (str_take_item(&line, " \t", &item))
				take_option(item, servers);
	}
}

static bool all_on_loopback(const struct servers *servers)
{
	for (size_t i = 0; i < servers->count; i++)
		if (!dns_address_is_loopback(&servers->list[i].address))
			return false;
	return true;
}

struct servers servers_read(struct arena *arena, const struct conf *conf)
{
	struct servers servers = { .timeout = span_s(5), .attempts = 2 };
	struct str list = conf->resolver_servers, item, text;

	while (str_take_item(&list, ", \t\r\n", &item))
		add(&servers, item);
	if (servers.count == 0) {
		servers.file = "/etc/resolv.conf";
		servers.file_changed_us = state_of_file(servers.file,
			&servers.file_number);
		if (file_read(arena, servers.file, &text))
			servers_parse(text, &servers);
	}
	if (servers.count == 0)
		add(&servers, STR("127.0.0.1"));
	if (conf->resolver_timeout.us > 0)
		servers.timeout = conf->resolver_timeout;
	if (conf->resolver_attempts > 0)
		servers.attempts = (int)conf->resolver_attempts;
	servers.trusted = servers.trusted || conf->resolver_trust_ad ||
		all_on_loopback(&servers);
	return servers;
}

bool servers_changed(const struct servers *servers)
{
	int64_t number;

	return servers->file &&
		(state_of_file(servers->file, &number) !=
				servers->file_changed_us ||
			number != servers->file_number);
}
