/*
 * Lists in main.cf and in -o of master.cf: restrictions, tables, networks.
 */
#include "posthorn/check_outside.h"

#include <sys/stat.h>

#include "base/network.h"
#include "config/list.h"
#include "maps/maps.h"
#include "smtp/restriction.h"

/* ---- restrictions ---- */

/* What is no restriction makes smtpd answer 451 where it stands. Classes are
 * looked at where they are defined. */
static void check_restrictions(struct outside *o, struct str name,
	struct str text, enum restriction_subject about)
{
	struct arena *arena = o->line->arena;
	const struct restriction_list *list = restrictions_parse(arena,
		o->line->conf, name, text, about);

	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].id == RESTRICTION_BAD)
			SAY(o, error, "%.*s: mail is refused with 451 4.3.5",
				STR_ARG(list->items[i].problem));
}

static bool protects(struct outside *o, const char *name)
{
	struct str text = outside_text(o, str_from(name));

	return restrictions_protect(restrictions_parse(o->line->arena,
		o->line->conf, str_from(name), text, ABOUT_RECIPIENT));
}

void check_protection(struct outside *o)
{
	if (protects(o, "smtpd_relay_restrictions") ||
		protects(o, "smtpd_recipient_restrictions"))
		return;
	(void)outside_is_set(o, STR("smtpd_relay_restrictions"));
	SAY(o, error, "nothing refuses to relay for strangers: write "
		"reject_unauth_destination or defer_unauth_destination here, "
		"or into smtpd_recipient_restrictions");
}

/* ---- tables ---- */

static bool is_type(struct str type)
{
	const char *known;

	for (size_t i = 0; (known = maps_type(i)); i++)
		if (str_is(type, known))
			return true;
	return false;
}

/* Types whose name is that of a file with settings. */
static bool has_settings(struct str type)
{
	static const char *const types[] = { "ldap", "memcache", "mysql",
		"pgsql", "sqlite" };

	for (size_t i = 0; i < COUNT(types); i++)
		if (str_is(type, types[i]))
			return true;
	return false;
}

static void check_type(struct outside *o, struct str table)
{
	struct str type, name;
	struct stat st;

	while (str_take_prefix(&table, STR("proxy:")))
		;
	if (!list_split_table(table, &type, &name))
		SAY(o, error, "\"%.*s\" is no table: write type:name, such "
			"as hash:%.*s", STR_ARG(table), STR_ARG(table));
	else if (!is_type(type))
		SAY(o, error, "%.*s: there are no tables of type %.*s here: "
			"`postconf -m` shows which there are, and some come "
			"in packages of their own", STR_ARG(table),
			STR_ARG(type));
	else if (has_settings(type) && str_starts(name, STR("/")) &&
		stat(arena_cstr(o->line->arena, name), &st) < 0)
		SAY(o, error, "%.*s: %m: correct the path, or create the "
			"file", STR_ARG(name));
}

/* Parameters whose values are tables and nothing else: not those that say
 * which tables proxymap(8) opens. */
static bool is_of_tables(struct str name)
{
	return str_ends(name, STR("_maps")) && !str_starts(name, STR("proxy_"));
}

/* ---- networks ---- */

static void check_network(struct outside *o, struct str text)
{
	auto_buf struct buf better = { 0 };
	struct network network;

	(void)str_take_char(&text, '!');
	if (!ascii_is_digit((unsigned char)(text.len ? text.p[0] : 0)) &&
		!str_starts(text, STR("[")))
		return; /* a name, a file or a table */
	if (!network_parse(text, &network)) {
		SAY(o, error, "%.*s is no network: write an address, or "
			"address/bits", STR_ARG(text));
	} else if (network_has_host_bits(&network)) {
		network = network_mask(network, network.prefix);
		network_format(&better, &network, network.v6);
		SAY(o, warning, "%.*s has bits behind its prefix: write %.*s",
			STR_ARG(text), STR_ARG(buf_str(&better)));
	}
}

/* ---- all ---- */

static void check_each(struct outside *o, struct str text,
	void (*check)(struct outside *o, struct str element))
{
	struct str element;

	while (list_take(&text, &element))
		check(o, element);
}

void check_lists(struct outside *o, struct str name, struct str text)
{
	const struct restriction_parameter *p = restriction_parameters;

	for (; p->name; p++)
		if (str_is(name, p->name))
			check_restrictions(o, name, text, p->about);
	if (list_has_word(o->line->conf->smtpd_restriction_classes,
		    arena_cstr(o->line->arena, name)))
		check_restrictions(o, name, text, ABOUT_NOBODY);
	if (is_of_tables(name))
		check_each(o, text, check_type);
	if (str_is(name, "mynetworks"))
		check_each(o, text, check_network);
}

/* "myorigin = /etc/mailname": Debian's, and the name of all local mail. */
void check_origin(struct outside *o)
{
	struct str name = STR("myorigin"), value = outside_text(o, name);

	if (outside_is_set(o, name) && str_starts(value, STR("/")))
		SAY(o, error, "%.*s cannot be read: write the domain of local "
			"addresses into it, or here in its place",
			STR_ARG(value));
}
