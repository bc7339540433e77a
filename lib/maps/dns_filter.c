#include "maps/dns_filter.h"

#include "base/log.h"
#include "dns/filter.h"
#include "maps/maps.h"

struct dns_filter {
	const char *parameter;
	struct maps *maps;
};

static enum dns_verdict judge(void *context, struct arena *arena,
	struct str record)
{
	const struct dns_filter *filter = context;
	struct str action;

	switch (maps_find(filter->maps, arena, record, &action)) {
	case MAPS_ABSENT:
		return DNS_KEEP;
	case MAPS_FOUND:
		if (str_is_nocase(action, "IGNORE")) {
			log_info("ignoring DNS RR: %.*s", STR_ARG(record));
			return DNS_IGNORE;
		}
		log_warning("%s: unknown DNS filter action: \"%.*s\"",
			filter->parameter, STR_ARG(action));
		return DNS_NO_VERDICT;
	case MAPS_ERROR:
		break;
	}
	log_warning("%.*s lookup error for \"%.*s\"",
		STR_ARG(maps_failed(filter->maps)), STR_ARG(record));
	return DNS_NO_VERDICT;
}

void maps_dns_filter_open(struct arena *arena, const struct conf *conf,
	const char *parameter, struct str tables)
{
	struct dns_filter *filter = arena_new_of(arena, struct dns_filter);

	filter->parameter = parameter;
	filter->maps = maps_open(arena, conf, parameter, tables, 0);
	if (!maps_is_empty(filter->maps))
		dns_filter_open(judge, filter);
}
