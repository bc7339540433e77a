#include "config/source.h"

#include <unistd.h>

#include "base/log.h"
#include "config/expand.h"
#include "config/interfaces.h"

static struct str explicit(struct config *config, const char *name)
{
	struct conf_entry *entry = config_entry(config, str_from(name));

	return entry ? entry->value : STR_NONE;
}

static struct str text_of(struct config *config, enum param id)
{
	struct str text, error;

	return config_text(config, param_row(id), &text, &error) ? text
								 : STR("");
}

static struct str compute_hostname(struct config *config)
{
	char name[256] = "";
	struct str domain = explicit(config, "mydomain");

	if (gethostname(name, sizeof(name) - 1) < 0 || !name[0])
		return STR("localhost.localdomain");
	if (strchr(name, '.'))
		return arena_copy(config->arena, str_from(name));
	if (str_is_none(domain) || str_find_char(domain, '$') != SIZE_MAX)
		domain = STR("localdomain");
	return arena_fmt(config->arena, "%s.%.*s", name, STR_ARG(domain));
}

static struct str compute_domain(struct config *config)
{
	struct str host = text_of(config, myhostname);
	size_t dot = str_find_char(host, '.');

	if (dot == SIZE_MAX || dot + 1 == host.len)
		return STR("localdomain");
	return arena_copy(config->arena, str_skip(host, dot + 1));
}

static struct str compute_networks(struct config *config)
{
	struct interfaces found;
	struct str bad;
	unsigned protocols = protocols_parse(text_of(config, inet_protocols));

	if (!interfaces_find(config->arena, text_of(config, inet_interfaces),
		    protocols ? protocols : PROTOCOL_V4 | PROTOCOL_V6, &found,
		    &bad))
		log_warning("inet_interfaces: %.*s has no address",
			STR_ARG(bad));
	return interfaces_networks(config->arena, &found,
		text_of(config, mynetworks_style));
}

struct str config_computed(struct config *config, const struct param_row *row)
{
	struct str none = STR("");

	switch ((unsigned)row->id) {
	case myhostname:
		if (str_is_none(config->hostname))
			config->hostname = compute_hostname(config);
		return config->hostname;
	case mydomain:
		if (str_is_none(config->domain)) {
			config->domain = STR("localdomain"); /* not twice */
			config->domain = compute_domain(config);
		}
		return config->domain;
	case mynetworks:
		if (str_is_none(config->networks)) {
			config->networks = none;
			config->networks = compute_networks(config);
		}
		return config->networks;
	case process_id:
		return arena_fmt(config->arena, "%d", getpid());
	case process_name:
		return config->wanted->program ?
			str_from(config->wanted->program) : none;
	case service_name:
		return config->wanted->service ?
			str_from(config->wanted->service) : none;
	default:
		return STR_NONE;
	}
}
