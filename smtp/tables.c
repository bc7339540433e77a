#include "smtp/tables.h"

#include "agent/deliver.h"
#include "base/log.h"
#include "maps/maps.h"

static struct maps *tables[TABLES_END]; /* set once, by tables_prepare */

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
	tables[TABLE_REPLIES] = maps_open(arena, set->conf,
		set->is_lmtp ? "lmtp_reply_filter" : "smtp_reply_filter",
		set->reply_filter, MAPS_KEEP_CASE);
	deliver_filter_open(arena, set->conf,
		set->is_lmtp ? "lmtp_delivery_status_filter" :
			       "smtp_delivery_status_filter",
		set->delivery_status_filter);
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
