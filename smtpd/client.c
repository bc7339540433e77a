#include "smtpd/session.h"

#include <stdlib.h>

#include "base/log.h"
#include "dns/dns.h"

bool client_is_in(struct session *s, struct match *match)
{
	return match_host(match, s->arena, s->name, s->address_text) ==
		MAPS_FOUND;
}

/* With -s there is no socket: the environment may say who is there. */
static void identify_alone(struct session *s)
{
	struct str address = str_from(getenv("POSTHORN_CLIENT_ADDRESS"));
	struct str name = str_from(getenv("POSTHORN_CLIENT_NAME"));

	if (address.len == 0) {
		address = STR("127.0.0.1");
		name = STR("localhost");
	}
	s->has_address = dns_address_parse(address, &s->address);
	s->address_text = address;
	s->name = s->reverse_name = name.len ? name : STR("unknown");
	s->name_code = s->reverse_code = name.len ? 2 : 5;
	s->port = STR("0");
}

static void look_up_name(struct session *s)
{
	struct dns_client found;

	if (!s->conf->smtpd_peername_lookup)
		return;
	dns_client_name(s->arena, &s->address, &found);
	if (found.problem.len > 0)
		log_warning("%.*s", STR_ARG(found.problem));
	s->name = found.name;
	s->reverse_name = found.reverse;
	s->name_code = found.name_code;
	s->reverse_code = found.reverse_code;
}

static void identify_socket(struct session *s)
{
	uint16_t port;

	s->name = s->reverse_name = STR("unknown");
	s->name_code = s->reverse_code = 5;
	s->has_address = dns_address_from(&s->client->address, &s->address,
		&port);
	if (!s->has_address) { /* a UNIX-domain listener */
		s->name = s->reverse_name = STR("localhost");
		s->name_code = s->reverse_code = 2;
		s->has_address = dns_address_parse(STR("127.0.0.1"),
			&s->address);
		s->address_text = STR("127.0.0.1");
		s->port = STR("0");
		return;
	}
	s->address_text = dns_address_text(s->arena, &s->address);
	s->port = arena_fmt(s->arena, "%u", port);
	look_up_name(s);
}

void client_changed(struct session *s)
{
	s->label = arena_fmt(s->home, "%.*s[%.*s]", STR_ARG(s->name),
		STR_ARG(s->address_text));
	if (s->conf->smtpd_client_port_logging)
		s->label = arena_fmt(s->home, "%.*s:%.*s", STR_ARG(s->label),
			STR_ARG(s->port));
	s->may_verp = client_is_in(s, server.verp);
	s->may_xclient = client_is_in(s, server.xclient);
	s->is_debugged = server.debugged && client_is_in(s, server.debugged);
}

void client_identify(struct session *s)
{
	if (service_is_alone()) {
		identify_alone(s);
		explain_begin(s);
	} else {
		identify_socket(s);
	}
	client_changed(s);
	s->may_xforward = client_is_in(s, server.xforward);
	log_info("connect from %.*s", STR_ARG(s->label));
}

/* proxy_interfaces are addresses that lead here from outside; nobody comes
 * from them. */
bool client_is_own(struct session *s)
{
	struct network own;

	if (!network_parse_address(s->address_text, &own))
		return false;
	for (size_t i = 0; i < server.interfaces.count; i++) {
		struct network address = server.interfaces.all[i].address;

		address.prefix = network_bits(&address);
		if (network_has(&address, &own))
			return true;
	}
	return false;
}

static bool is_listed(struct session *s, struct str fingerprint)
{
	struct str value;

	return fingerprint.len > 0 && maps_find(server.clientcerts, s->arena,
		fingerprint, &value) == MAPS_FOUND;
}

bool client_has_listed_certificate(struct session *s)
{
	return s->has_tls && s->tls.has_peer &&
		(is_listed(s, s->tls.peer_fingerprint) ||
			is_listed(s, s->tls.peer_key_fingerprint));
}

struct str client_server_address(struct session *s)
{
	struct dns_address address;
	uint16_t port;

	if (!str_is_none(s->server_address))
		return s->server_address;
	return dns_address_from(&s->client->server_address, &address, &port) ?
		dns_address_text(s->arena, &address) : STR("");
}
