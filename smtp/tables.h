/*
 * smtp/tables - the lookup tables of this client, opened before the sandbox
 * closes.
 *
 * Waits    tables_find
 */
#ifndef SMTP_TABLES_H
#define SMTP_TABLES_H

#include "smtp/settings.h"

enum table_use {
	TABLE_PASSWORDS, /* *_sasl_password_maps */
	TABLE_POLICIES,  /* *_tls_policy_maps */
	TABLE_SITES,     /* *_tls_per_site, when there are no policies */
	TABLE_REPLIES,   /* *_reply_filter */
	TABLE_DISCARDS,  /* *_discard_ehlo_keyword_address_maps, by address */
	TABLE_LOGLEVELS, /* *_tls_loglevel_maps, by nexthop, name, address */
	TABLE_PIX,       /* *_pix_workaround_maps, by address */
	TABLES_END
};

enum table_result {
	TABLE_NOTHING,
	TABLE_FOUND,
	TABLE_TROUBLE, /* the table cannot be asked now: mail waits */
};

void tables_prepare(const struct settings *set);
/* debug_peer_list has this server. */
bool tables_debugs(struct arena *arena, struct str host, struct str address);
bool tables_has(enum table_use use);
enum table_result tables_find(struct arena *arena, enum table_use use,
	struct str key, struct str *value);

#endif
