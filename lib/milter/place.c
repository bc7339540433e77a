#include "milter/place.h"

#include "config/list.h"
#include "config/value.h"
#include "milter/packet.h"

/* ---- single settings ---- */

static const char *const otherwises[MILTER_OTHERWISES] = {
	[MILTER_OTHERWISE_ACCEPT] = "accept",
	[MILTER_OTHERWISE_QUARANTINE] = "quarantine",
	[MILTER_OTHERWISE_REJECT] = "reject",
	[MILTER_OTHERWISE_TEMPFAIL] = "tempfail",
	[MILTER_OTHERWISE_SHUTDOWN] = "shutdown",
};

static bool set_otherwise(struct milter_place *place, struct str value)
{
	for (size_t i = 0; i < COUNT(otherwises); i++)
		if (str_is_nocase(value, otherwises[i])) {
			place->otherwise = (enum milter_otherwise)i;
			return true;
		}
	return false;
}

static bool set_version(struct milter_place *place, struct str word)
{
	static const unsigned versions[] = { 2, 3, 4, 6 };
	uint64_t number;

	if (!str_parse_u64(word, MILTER_VERSION, &number))
		return false;
	for (size_t i = 0; i < COUNT(versions); i++)
		if (number == versions[i]) {
			place->version = versions[i];
			return true;
		}
	return false;
}

/* "6", "2 no_header_reply" */
static bool set_protocol(struct milter_place *place, struct str value)
{
	struct str word;

	place->version = 0;
	place->no_header_reply = false;
	while (list_take(&value, &word))
		if (str_is_nocase(word, "no_header_reply"))
			place->no_header_reply = true;
		else if (place->version > 0 || !set_version(place, word))
			return false;
	return place->version > 0;
}

static bool set_connect(struct milter_place *place, struct str value)
{
	return conf_span_parse(value, 's', &place->connect) &&
		place->connect.us > 0;
}

static bool set_command(struct milter_place *place, struct str value)
{
	return conf_span_parse(value, 's', &place->command) &&
		place->command.us > 0;
}

static bool set_content(struct milter_place *place, struct str value)
{
	return conf_span_parse(value, 's', &place->content) &&
		place->content.us > 0;
}

static const struct {
	const char *name;
	bool (*set)(struct milter_place *place, struct str value);
} settings[] = {
	{ "default_action", set_otherwise },
	{ "protocol", set_protocol },
	{ "connect_timeout", set_connect },
	{ "command_timeout", set_command },
	{ "content_timeout", set_content },
};

static bool set(struct milter_place *place, struct str name, struct str value)
{
	for (size_t i = 0; i < COUNT(settings); i++)
		if (str_is(name, settings[i].name))
			return settings[i].set(place, value);
	return false;
}

/* ---- one filter ---- */

static bool is_in_name(unsigned char c)
{
	return ascii_is_alnum(c) || c == '_';
}

static void skip_blanks(struct str *in, bool commas)
{
	while (in->len > 0 && (ascii_is_blank((unsigned char)in->p[0]) ||
				      (commas && in->p[0] == ',')))
		*in = str_skip(*in, 1);
}

/* "name=value", "name = value", "{ name = value }". */
static bool take_setting(struct str *in, struct str *name, struct str *value)
{
	if (in->len > 0 && in->p[0] == '{') {
		struct str pair;

		return list_take(in, &pair) && list_unbrace(&pair) &&
			list_split_pair(pair, name, value);
	}
	*name = str_take_while(in, is_in_name);
	skip_blanks(in, false);
	if (!str_take_char(in, '='))
		return false;
	skip_blanks(in, false);
	if (!list_take(in, value))
		return false;
	(void)list_unbrace(value);
	return true;
}

static bool is_endpoint(struct str text)
{
	if (str_take_prefix(&text, STR("unix:")) ||
		str_take_prefix(&text, STR("local:")))
		return text.len > 0;
	return str_take_prefix(&text, STR("inet:")) &&
		str_find_char(text, ':') != SIZE_MAX;
}

static bool parse_place(struct milter_place *place, struct str text,
	struct str *wrong)
{
	bool is_braced = list_unbrace(&text);
	struct str name, value;

	*wrong = text;
	if (!list_take(&text, &place->endpoint) ||
		!is_endpoint(place->endpoint))
		return false;
	skip_blanks(&text, true);
	while (is_braced && text.len > 0) {
		*wrong = text;
		if (!take_setting(&text, &name, &value) ||
			!set(place, name, value))
			return false;
		skip_blanks(&text, true);
	}
	return true;
}

bool milter_places_parse(struct arena *arena, const struct conf *conf,
	struct str parameter, struct str list, struct milter_places *places,
	struct str *problem)
{
	struct milter_place usual = { .parameter = parameter,
		.connect = conf->milter_connect_timeout,
		.command = conf->milter_command_timeout,
		.content = conf->milter_content_timeout };
	struct milter_place *all = NULL;
	size_t count = 0, capacity = 0;
	struct str element, wrong;

	*problem = STR("");
	*places = (struct milter_places){ 0 };
	if (!set_otherwise(&usual, conf->milter_default_action))
		*problem = STR("milter_default_action is none of accept, "
			"quarantine, reject, tempfail, shutdown");
	if (!set_protocol(&usual, conf->milter_protocol))
		*problem = STR("milter_protocol is none of 2, 3, 4, 6, perhaps "
			"with no_header_reply");
	while (problem->len == 0 && list_take(&list, &element)) {
		arena_grow(arena, &all, &capacity, count + 1, sizeof(*all));
		all[count] = usual;
		if (!parse_place(&all[count++], element, &wrong))
			*problem = arena_fmt(arena, "\"%.*s\" is no "
				"inet:host:port or unix:path, or no setting of "
				"a milter", STR_ARG(wrong));
		else if (count > MILTERS_MOST)
			*problem = STR("too many milters");
	}
	if (problem->len == 0)
		*places = (struct milter_places){ all, count };
	return problem->len == 0;
}
