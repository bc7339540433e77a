#include "smtpd/session.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "dns/dns.h"
#include "smtp/haproxy.h"

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

/* ---- smtpd_upstream_proxy_protocol ---- */

enum {
	SHOWN_MOST = 100, /* octets of a bad header, in the log */
};

/* False: why has been logged. */
static bool bad_header(struct session *s, const char *problem, struct str seen)
{
	struct buf text = BUF_IN(s->arena);

	for (size_t i = 0; i < seen.len && i < SHOWN_MOST; i++) {
		unsigned char c = (unsigned char)seen.p[i];

		if (c == '\r' || c == '\n')
			buf_text(&text, c == '\r' ? "\\r" : "\\n");
		else if (c == '\\' || !ascii_is_print(c))
			buf_fmt(&text, "\\%03o", c);
		else
			buf_char(&text, (char)c);
	}
	log_warning("haproxy read: %s%s%.*s", problem, seen.len ? ": " : "",
		STR_ARG(buf_str(&text)));
	return false;
}

static bool no_header(struct session *s, struct str seen)
{
	if (errno == EMSGSIZE)
		return bad_header(s, "missing protocol header terminator",
			seen);
	return bad_header(s, errno == ETIMEDOUT ? "timeout error" :
		"lost connection", STR(""));
}

static bool read_binary(struct session *s, struct span timeout,
	struct str first, struct haproxy *header)
{
	struct moment until = moment_after(timeout);
	struct str fixed, rest;
	size_t more;

	if (!stream_raw_exactly(s->io, HAPROXY_FIXED - 1, timeout, &rest))
		return no_header(s, first);
	fixed = arena_join(s->arena, first, rest);
	if (!haproxy_parse_fixed(fixed, &more, header))
		return bad_header(s, header->problem, fixed);
	if (!stream_raw_exactly(s->io, more, moment_left(until), &rest))
		return no_header(s, fixed);
	return haproxy_parse_binary(fixed, rest, header) ||
		bad_header(s, header->problem,
			arena_join(s->arena, fixed, rest));
}

static bool read_line(struct session *s, struct span timeout,
	struct str first, struct haproxy *header)
{
	struct str rest, line;

	if (!stream_raw_line(s->io, HAPROXY_LINE_MOST, timeout, &rest))
		return no_header(s, arena_join(s->arena, first, rest));
	line = arena_join(s->arena, first, rest);
	return haproxy_parse_line(line, header) ||
		bad_header(s, header->problem, line);
}

static bool read_header(struct session *s, struct haproxy *header)
{
	struct span timeout = s->conf->smtpd_upstream_proxy_timeout;
	struct moment until = moment_after(timeout);
	struct str first;

	if (!stream_raw_exactly(s->io, 1, timeout, &first))
		return no_header(s, STR(""));
	first = arena_copy(s->arena, first);
	timeout = moment_left(until);
	return haproxy_is_binary(first.p[0]) ?
		read_binary(s, timeout, first, header) :
		read_line(s, timeout, first, header);
}

bool client_is_introduced(struct session *s)
{
	struct client *client = s->client;
	struct haproxy header;

	if (!server.has_upstream_proxy || service_is_alone())
		return true;
	if (!read_header(s, &header))
		return false;
	if (header.is_local)
		return true;
	client->address_len = dns_address_to(&header.client,
		header.client_port, &client->address);
	client->server_address_len = dns_address_to(&header.server,
		header.server_port, &client->server_address);
	client->is_unix = false;
	return true;
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
