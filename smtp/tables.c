#include "smtp/tables.h"

#include "agent/deliver.h"
#include "base/log.h"
#include "maps/dns_filter.h"
#include "maps/maps.h"
#include "maps/match.h"

/* Set once, by tables_prepare. */
static struct maps *tables[TABLES_END];
static struct match *debugged;

void tables_prepare(const struct settings *set)
{
	static struct arena *arena; /* for the life of the process */

	arena = arena_new(0);
	tables[TABLE_PASSWORDS] = maps_open(arena, set->conf,
		set->is_lmtp ? "lmtp_sasl_password_maps" :
			       "smtp_sasl_password_maps",
		set->sasl_password_maps, 0);
	tables[TABLE_POLICIES] = maps_open(arena, set->conf,
		set->is_lmtp ? "lmtp_tls_policy_maps" : "smtp_tls_policy_maps",
		set->tls_policy_maps, 0);
	tables[TABLE_SITES] = maps_open(arena, set->conf,
		set->is_lmtp ? "lmtp_tls_per_site" : "smtp_tls_per_site",
		set->tls_per_site, 0);
	if (tables_has(TABLE_SITES) && tables_has(TABLE_POLICIES)) {
		const char *whose = set->is_lmtp ? "lmtp" : "smtp";

		log_warning("%s_tls_per_site ignored when %s_tls_policy_maps "
			"is not empty.", whose, whose);
		tables[TABLE_SITES] = NULL;
	}
	tables[TABLE_REPLIES] = maps_open(arena, set->conf,
		set->is_lmtp ? "lmtp_reply_filter" : "smtp_reply_filter",
		set->reply_filter, MAPS_KEEP_CASE);
	tables[TABLE_DISCARDS] = maps_open(arena, set->conf,
		set->is_lmtp ? "lmtp_discard_lhlo_keyword_address_maps" :
			       "smtp_discard_ehlo_keyword_address_maps",
		set->discard_keyword_maps, 0);
	tables[TABLE_LOGLEVELS] = maps_open(arena, set->conf,
		set->is_lmtp ? "lmtp_tls_loglevel_maps" :
			       "smtp_tls_loglevel_maps",
		set->tls_loglevel_maps, 0);
	tables[TABLE_PIX] = maps_open(arena, set->conf,
		set->is_lmtp ? "lmtp_pix_workaround_maps" :
			       "smtp_pix_workaround_maps",
		set->pix_workaround_maps, 0);
	if (set->conf->debug_peer_level > 0)
		debugged = match_open(arena, set->conf, "debug_peer_list",
			set->conf->debug_peer_list);
	maps_dns_filter_open(arena, set->conf,
		set->is_lmtp ? "lmtp_dns_reply_filter" :
			       "smtp_dns_reply_filter",
		set->dns_reply_filter);
	deliver_filter_open(arena, set->conf,
		set->is_lmtp ? "lmtp_delivery_status_filter" :
			       "smtp_delivery_status_filter",
		set->delivery_status_filter);
}

bool tables_debugs(struct arena *arena, struct str host, struct str address)
{
	return debugged && match_host(debugged, arena, host, address) ==
		MAPS_FOUND;
}

bool tables_has(enum table_use use)
{
	return !maps_is_empty(tables[use]);
}

enum table_result tables_find(struct arena *arena, enum table_use use,
	struct str key, struct str *value)
{
	struct str failed;

	switch (maps_find(tables[use], arena, key, value)) {
	case MAPS_FOUND:
		return TABLE_FOUND;
	case MAPS_ABSENT:
		return TABLE_NOTHING;
	default:
		failed = maps_failed(tables[use]);
		log_warning("%.*s lookup error for \"%.*s\"", STR_ARG(failed),
			STR_ARG(key));
		return TABLE_TROUBLE;
	}
}
