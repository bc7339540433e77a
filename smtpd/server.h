/*
 * smtpd/server - what the process knows before it serves: tables, lists, keys.
 *
 * Made by server_open before the sandbox closes; read-only from then on.
 */
#ifndef SMTPD_SERVER_H
#define SMTPD_SERVER_H

#include "config/config.h"
#include "config/interfaces.h"
#include "dns/address.h"
#include "maps/maps.h"
#include "maps/match.h"
#include "maps/tls_server.h"
#include "milter/place.h"
#include "rewrite/resolve.h"
#include "rewrite/rewrite.h"
#include "smtp/data.h"
#include "smtp/restriction.h"

/* Where a list of restrictions is evaluated, in this order. */
enum check_stage {
	CHECK_CLIENT,
	CHECK_HELO,
	CHECK_SENDER,
	CHECK_RELAY,
	CHECK_RECIPIENT,
	CHECK_DATA,
	CHECK_END_OF_DATA,
	CHECK_ETRN,
	CHECK_STAGES,
};

struct server {
	const struct conf *conf;
	struct arena *arena; /* of the process */
	struct router *router;
	struct rewriter *rewriter;
	struct restriction_list *lists[CHECK_STAGES];

	struct match *mynetworks, *exempt, *bare_newline_exempt, *sasl_exempt;
	struct match *noop_commands, *forbidden_commands, *mechanisms;
	struct maps *command_filter, *discard_ehlo, *logins, *rbl_replies;
	struct maps *clientcerts, *reject_filter, *reject_footers;
	struct maps *local_clients; /* tables that local_header_rewrite_clients
				       names; by address */
	struct interfaces interfaces; /* inet_interfaces */
	/* These and proxy_interfaces: as whose MX we are known. */
	struct dns_address *own;
	size_t own_count, own_capacity;
	struct match *mx_backup_networks;
	struct maps *tls_loglevels;

	struct tls_server tls;

	enum smtp_newline newline;
	bool note_bare_newline;
	/* A parameter that filters or restricts, is set, and is not honoured:
	 * no mail is taken. NONE: there is none. */
	struct str guard;
	struct match *verp;    /* who may say XVERP */
	struct match *xclient, *xforward;
	struct milter_places milters; /* smtpd_milters */
	struct maps *milter_maps;
	bool has_milters; /* one of both */
	bool has_proxy; /* smtpd_proxy_filter */
	bool has_upstream_proxy; /* smtpd_upstream_proxy_protocol = haproxy */
	struct match *logged_permits;
	struct match *debugged; /* whose dialogue is logged; NULL: nobody's */
	/* sendmail -bs: no restrictions, TLS or counting; pickup and cleanup
	 * have their own. */
	bool is_local;
};

extern struct server server;

void server_open(const struct conf *conf);
/* Of TLS session tickets, from master. */
void server_ticket_keys(struct str keys);

#endif
