#include "smtpd/policy.h"

#include <errno.h>

#include "config/value.h"

enum {
	ANSWER_LINES_MOST = 100,
};

enum option_type {
	TEXT,
	SPAN,
	NUMBER,
};

#define AT(field) offsetof(struct policy_options, field)

static const struct {
	const char *name;
	enum option_type type;
	size_t offset;
} option_rows[] = {
	{ "default_action", TEXT, AT(default_action) },
	{ "policy_context", TEXT, AT(context) },
	{ "timeout", SPAN, AT(timeout) },
	{ "max_idle", SPAN, AT(max_idle) },
	{ "max_ttl", SPAN, AT(max_ttl) },
	{ "retry_delay", SPAN, AT(retry_delay) },
	{ "request_limit", NUMBER, AT(request_limit) },
	{ "try_limit", NUMBER, AT(try_limit) },
};

#undef AT

static bool set_value(struct policy_options *options, size_t row,
	struct str value)
{
	void *place = (char *)options + option_rows[row].offset;
	uint64_t number;

	switch (option_rows[row].type) {
	case TEXT:
		*(struct str *)place = value;
		return true;
	case SPAN:
		return conf_span_parse(value, 's', place);
	case NUMBER:
		if (!str_parse_u64(value, INT32_MAX, &number))
			return false;
		*(int64_t *)place = (int64_t)number;
		return true;
	}
	return false;
}

/* "timeout = 10s", or the same in braces. */
static bool set_option(struct policy_options *options, struct str item)
{
	struct str name, value = str_trim(item);

	if (value.len > 1 && value.p[0] == '{' &&
		value.p[value.len - 1] == '}')
		value = str_of(value.p + 1, value.len - 2);
	name = str_trim(str_take_until(&value, '='));
	for (size_t i = 0; i < COUNT(option_rows); i++)
		if (str_is(name, option_rows[i].name))
			return set_value(options, i, str_trim(value));
	return false;
}

/* Up to the next comma that is in no braces. */
static struct str take_item(struct str *in)
{
	size_t len = 0, depth = 0;
	struct str item;

	while (len < in->len && (depth > 0 || in->p[len] != ',')) {
		depth += in->p[len] == '{';
		depth -= in->p[len] == '}' && depth > 0;
		len++;
	}
	item = str_first(*in, len);
	*in = str_skip(*in, len < in->len ? len + 1 : len);
	return item;
}

bool policy_options_parse(struct policy_options *options, struct str text)
{
	if (text.len > 1 && text.p[0] == '{' && text.p[text.len - 1] == '}')
		text = str_of(text.p + 1, text.len - 2);
	options->endpoint = str_trim(take_item(&text));
	while (str_trim(text).len > 0)
		if (!set_option(options, take_item(&text)))
			return false;
	return str_find_char(options->endpoint, ':') != SIZE_MAX;
}

bool policy_answer_take(struct stream *stream, struct arena *arena,
	struct str *action)
{
	struct str line;

	*action = STR("");
	for (size_t i = 0; i < ANSWER_LINES_MOST; i++) {
		if (!io_line(stream, &line, SPAN_FOREVER)) /* the talk's time */
			return false;
		if (line.len == 0)
			break;
		if (str_take_prefix(&line, STR("action=")))
			*action = arena_copy(arena, str_trim(line));
	}
	errno = EPROTO;
	return action->len > 0;
}
