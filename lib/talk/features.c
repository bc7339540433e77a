#include "talk/features.h"

#include "smtp/reply.h"

static const struct word {
	const char *name;
	unsigned bit;
} keywords[] = {
	{ "8BITMIME", FEATURE_8BITMIME },
	{ "PIPELINING", FEATURE_PIPELINING },
	{ "SIZE", FEATURE_SIZE },
	{ "DSN", FEATURE_DSN },
	{ "SMTPUTF8", FEATURE_SMTPUTF8 },
	{ "STARTTLS", FEATURE_STARTTLS },
	{ "AUTH", FEATURE_AUTH },
	{ "XFORWARD", FEATURE_XFORWARD },
	{ "REQUIRETLS", FEATURE_REQUIRETLS },
	{ "ENHANCEDSTATUSCODES", FEATURE_ENHANCED },
	{ "CHUNKING", FEATURE_CHUNKING },
	{ "ETRN", FEATURE_ETRN },
	{ "XCLIENT", FEATURE_XCLIENT },
	{ "VRFY", FEATURE_VRFY },
	{ "XVERP", FEATURE_XVERP },
};

static const struct word attributes[] = {
	{ "NAME", OFFERS_NAME },     { "ADDR", OFFERS_ADDR },
	{ "PROTO", OFFERS_PROTO },   { "HELO", OFFERS_HELO },
	{ "SOURCE", OFFERS_SOURCE }, { "PORT", OFFERS_PORT },
	{ "IDENT", OFFERS_IDENT },
};

static unsigned find_bit(const struct word *words, size_t count,
	struct str name)
{
	for (size_t i = 0; i < count; i++)
		if (str_is_nocase(name, words[i].name))
			return words[i].bit;
	return 0;
}

static bool is_listed(struct str list, struct str name)
{
	struct str item;

	while (str_take_item(&list, ", \t\r\n", &item))
		if (str_eq_nocase(item, name))
			return true;
	return false;
}

static void take_keyword(struct str line, struct str without,
	struct talk_features *features)
{
	struct str name = line, item;
	size_t end = 0;
	unsigned bit;

	/* "AUTH=LOGIN PLAIN" is what some old servers say */
	while (end < line.len && line.p[end] != ' ' && line.p[end] != '=')
		end++;
	name = str_first(line, end);
	line = str_skip(line, end + 1);
	bit = find_bit(keywords, COUNT(keywords), name);
	if (!bit || is_listed(without, name))
		return;
	features->set |= bit;
	if (bit == FEATURE_SIZE) {
		item = str_take_word(&line);
		(void)!str_parse_u64(item, UINT64_MAX / 2,
			&features->size_limit);
	} else if (bit == FEATURE_AUTH && features->mechanisms.len == 0) {
		features->mechanisms = line;
	} else if (bit == FEATURE_XFORWARD) {
		while (str_take_item(&line, " \t", &item))
			features->xforward |= find_bit(attributes,
				COUNT(attributes), item);
	}
}

void talk_features_parse(struct str whole, struct str without,
	struct talk_features *features)
{
	struct str line;
	bool first = true;

	*features = (struct talk_features){ .name = STR("") };
	while (smtp_reply_take_line(&whole, &line)) {
		if (first)
			features->name = str_take_word(&line);
		else
			take_keyword(line, without, features);
		first = false;
	}
}
