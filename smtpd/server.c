#include "smtpd/server.h"

#include <string.h>

#include "base/log.h"
#include "config/list.h"
#include "mail/date.h"
#include "maps/dns_filter.h"
#include "service/service.h"
#include "smtpd/check.h"

struct server server;

/* ---- restriction lists ---- */

static const struct {
	const char *name;
	size_t text; /* offset in struct conf */
	enum restriction_subject about;
} lists[CHECK_STAGES] = {
	[CHECK_CLIENT] = { "smtpd_client_restrictions",
		offsetof(struct conf, smtpd_client_restrictions),
		ABOUT_CLIENT },
	[CHECK_HELO] = { "smtpd_helo_restrictions",
		offsetof(struct conf, smtpd_helo_restrictions), ABOUT_HELO },
	[CHECK_SENDER] = { "smtpd_sender_restrictions",
		offsetof(struct conf, smtpd_sender_restrictions),
		ABOUT_SENDER },
	[CHECK_RELAY] = { "smtpd_relay_restrictions",
		offsetof(struct conf, smtpd_relay_restrictions),
		ABOUT_RECIPIENT },
	[CHECK_RECIPIENT] = { "smtpd_recipient_restrictions",
		offsetof(struct conf, smtpd_recipient_restrictions),
		ABOUT_RECIPIENT },
	[CHECK_DATA] = { "smtpd_data_restrictions",
		offsetof(struct conf, smtpd_data_restrictions),
		ABOUT_RECIPIENT },
	[CHECK_END_OF_DATA] = { "smtpd_end_of_data_restrictions",
		offsetof(struct conf, smtpd_end_of_data_restrictions),
		ABOUT_RECIPIENT },
	[CHECK_ETRN] = { "smtpd_etrn_restrictions",
		offsetof(struct conf, smtpd_etrn_restrictions), ABOUT_ETRN },
};

static void open_tables(struct restriction_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		struct restriction *item = &list->items[i];

		if (item->id == RESTRICTION_CLASS)
			open_tables(item->list);
		else if (item->row && item->row->argument == TAKES_MAP)
			item->opened = maps_open(server.arena, server.conf,
				item->row->name, item->argument, 0);
		else if (item->id == RESTRICTION_check_policy_service)
			policy_open(item, list->name);
	}
}

static void open_lists(void)
{
	for (size_t i = 0; i < CHECK_STAGES; i++) {
		struct str text = *(const struct str *)(const void *)
			((const char *)server.conf + lists[i].text);

		if (server.is_local)
			text = STR("");
		server.lists[i] = restrictions_parse(server.arena,
			server.conf, str_from(lists[i].name), text,
			lists[i].about);
		open_tables(server.lists[i]);
	}
	if (!server.is_local &&
		!restrictions_protect(server.lists[CHECK_RELAY]) &&
		!restrictions_protect(server.lists[CHECK_RECIPIENT]))
		log_fatal("in parameter smtpd_relay_restrictions or "
			"smtpd_recipient_restrictions, specify at least one "
			"working instance of: reject_unauth_destination, "
			"defer_unauth_destination, reject, defer, "
			"defer_if_permit or check_relay_domains");
}

/* ---- mail filters ---- */

/* receive_override_options = no_milters: there are none. */
static void open_milters(void)
{
	const struct conf *conf = server.conf;
	struct str problem;

	if (server.is_local ||
		list_has_word(conf->receive_override_options, "no_milters"))
		return;
	if (!milter_places_parse(server.arena, conf, STR("smtpd_milters"),
		    conf->smtpd_milters, &server.milters, &problem)) {
		log_warning("smtpd_milters: %.*s", STR_ARG(problem));
		server.guard = STR("smtpd_milters");
	}
	server.milter_maps = maps_open(server.arena, conf,
		"smtpd_milter_maps", conf->smtpd_milter_maps, 0);
	server.has_milters = server.milters.count > 0 ||
		!maps_is_empty(server.milter_maps);
}

static void consider_newlines(void)
{
	struct str mode = server.conf->smtpd_forbid_bare_newline;

	server.newline = SMTP_NEWLINE_NORMALIZE;
	if (str_is_nocase(mode, "reject"))
		server.newline = SMTP_NEWLINE_REJECT;
	else if (str_is_nocase(mode, "no"))
		server.newline = SMTP_NEWLINE_ANY;
	server.note_bare_newline = str_is_nocase(mode, "note");
}

/* A list or a table of the server, and the parameter that names it. */
struct opened {
	size_t place; /* offset in struct server */
	const char *name;
	size_t text;  /* offset in struct conf */
	unsigned flags;
};

#define OPENED(field, parameter, ...) \
	{ offsetof(struct server, field), #parameter, \
		offsetof(struct conf, parameter), __VA_ARGS__ }

static const struct opened match_rows[] = {
	OPENED(mynetworks, mynetworks),
	OPENED(bare_newline_exempt, smtpd_forbid_bare_newline_exclusions),
	OPENED(sasl_exempt, smtpd_sasl_exceptions_networks),
	OPENED(noop_commands, smtpd_noop_commands),
	OPENED(forbidden_commands, smtpd_forbidden_commands),
	OPENED(mechanisms, smtpd_sasl_mechanism_filter),
	OPENED(verp, smtpd_authorized_verp_clients),
	OPENED(xclient, smtpd_authorized_xclient_hosts),
	OPENED(xforward, smtpd_authorized_xforward_hosts),
	OPENED(logged_permits, smtpd_log_access_permit_actions),
	OPENED(mx_backup_networks, permit_mx_backup_networks),
};

static const struct opened map_rows[] = {
	OPENED(tls_loglevels, smtpd_tls_loglevel_maps),
	OPENED(command_filter, smtpd_command_filter),
	OPENED(discard_ehlo, smtpd_discard_ehlo_keyword_address_maps),
	OPENED(logins, smtpd_sender_login_maps),
	OPENED(reject_filter, smtpd_reject_filter_maps),
	OPENED(reject_footers, smtpd_reject_footer_maps, MAPS_NO_SUBSTITUTION),
	OPENED(rbl_replies, rbl_reply_maps),
	OPENED(clientcerts, relay_clientcerts),
};

#undef OPENED

static void *place_of(const struct opened *row)
{
	return (char *)&server + row->place;
}

static struct str text_of(const struct opened *row)
{
	return *(const struct str *)(const void *)((const char *)server.conf +
		row->text);
}

static struct match *open_match(const char *name, struct str text)
{
	return match_open(server.arena, server.conf, name, text);
}

/* local_header_rewrite_clients: "check_address_map type:table", or the table
 * alone; the rest are words. */
static void open_local_clients(void)
{
	struct str rest = server.conf->local_header_rewrite_clients, item, type,
		   name;
	struct buf tables = BUF_IN(server.arena);

	while (list_take(&rest, &item))
		if (list_split_table(item, &type, &name))
			buf_fmt(&tables, "%s%.*s", tables.len ? ", " : "",
				STR_ARG(item));
	server.local_clients = maps_open(server.arena, server.conf,
		"local_header_rewrite_clients", buf_str(&tables), 0);
}

static void open_matches(void)
{
	const struct conf *conf = server.conf;

	for (size_t i = 0; i < COUNT(match_rows); i++)
		*(struct match **)place_of(&match_rows[i]) =
			open_match(match_rows[i].name, text_of(&match_rows[i]));
	server.exempt = open_match("smtpd_client_event_limit_exceptions",
		conf_is_set(conf, STR("smtpd_client_event_limit_exceptions")) ?
			conf->smtpd_client_event_limit_exceptions :
			conf->smtpd_client_connection_limit_exceptions);
	if (conf->debug_peer_level > 0 && conf->debug_peer_list.len > 0)
		server.debugged = open_match("debug_peer_list",
			conf->debug_peer_list);
}

static void open_maps(void)
{
	for (size_t i = 0; i < COUNT(map_rows); i++)
		*(struct maps **)place_of(&map_rows[i]) = maps_open(server.arena,
			server.conf, map_rows[i].name, text_of(&map_rows[i]),
			map_rows[i].flags);
	open_local_clients();
	maps_dns_filter_open(server.arena, server.conf,
		"smtpd_dns_reply_filter", server.conf->smtpd_dns_reply_filter);
}

void server_ticket_keys(struct str keys)
{
	tls_server_ticket_keys(&server.tls, keys);
}

static void add_own(const struct interfaces *found)
{
	for (size_t i = 0; i < found->count; i++) {
		const struct network *network = &found->all[i].address;
		struct dns_address *own;

		arena_grow(server.arena, &server.own, &server.own_capacity,
			server.own_count + 1, sizeof(*server.own));
		own = &server.own[server.own_count++];
		*own = (struct dns_address){ .v6 = network->v6 };
		memcpy(own->octets, network->octets, sizeof(own->octets));
	}
}

static void find_own(unsigned protocols)
{
	struct interfaces proxies = { 0 };
	struct str bad;

	add_own(&server.interfaces);
	if (server.conf->proxy_interfaces.len > 0 &&
		!interfaces_find(server.arena, server.conf->proxy_interfaces,
			protocols, &proxies, &bad))
		log_warning("proxy_interfaces: host not found: %.*s",
			STR_ARG(bad));
	add_own(&proxies);
}

void server_open(const struct conf *conf)
{
	unsigned protocols = protocols_parse(conf->inet_protocols);
	struct str bad;

	server = (struct server){ .conf = conf, .arena = arena_new(0),
		.is_local = service_is_local() };
	mail_date_ready();
	open_lists();
	open_matches();
	open_maps();
	server.router = router_open(server.arena, conf);
	server.rewriter = rewriter_open(server.arena, conf, server.router);
	if (!interfaces_find(server.arena, conf->inet_interfaces, protocols,
		&server.interfaces, &bad))
		log_fatal("parameter inet_interfaces: no local interface "
			"found for %.*s", STR_ARG(bad));
	find_own(protocols);
	server.guard = STR_NONE;
	if (!server.is_local) {
		tls_server_open(server.arena, conf, &server.tls);
		server.has_proxy = conf->smtpd_proxy_filter.len > 0;
		server.has_upstream_proxy =
			conf->smtpd_upstream_proxy_protocol.len > 0;
	}
	open_milters();
	consider_newlines();
}
