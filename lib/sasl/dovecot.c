#include "sasl/dovecot.h"

#include "base/encode.h"

/* What \001 and a letter stand for. */
static const struct {
	char letter, octet;
} escapes[] = {
	{ '0', '\0' }, { '1', '\001' }, { 't', '\t' }, { 'r', '\r' },
	{ 'n', '\n' },
};

static struct str unescape(struct arena *arena, struct str text)
{
	struct buf out = BUF_IN(arena);

	for (size_t i = 0; i < text.len; i++) {
		char octet = text.p[i];

		if (octet == '\001' && i + 1 < text.len) {
			octet = text.p[++i];
			for (size_t j = 0; j < COUNT(escapes); j++)
				if (octet == escapes[j].letter) {
					octet = escapes[j].octet;
					break;
				}
		}
		buf_char(&out, octet);
	}
	return buf_str(&out);
}

static void add_escaped(struct buf *out, struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		size_t j = 0;

		while (j < COUNT(escapes) && escapes[j].octet != text.p[i])
			j++;
		if (j < COUNT(escapes))
			buf_char(out, '\001');
		buf_char(out, j < COUNT(escapes) ? escapes[j].letter :
						   text.p[i]);
	}
}

static bool is_version(struct str rest)
{
	uint64_t major;

	return str_parse_u64(str_take_until(&rest, '\t'), UINT32_MAX, &major) &&
		major == 1;
}

static void add_name(struct arena *arena, struct dovecot_greeting *greeting,
	struct str rest)
{
	struct str name = str_take_until(&rest, '\t');

	if (name.len > 0 && greeting->count < DOVECOT_NAMES_MOST)
		greeting->names[greeting->count++] = arena_copy(arena, name);
}

bool dovecot_greet(struct arena *arena, struct dovecot_greeting *greeting,
	struct str line)
{
	struct str word = str_take_until(&line, '\t');

	if (str_is(word, "VERSION")) {
		greeting->has_version = is_version(line);
		return greeting->has_version;
	}
	if (str_is(word, "MECH"))
		add_name(arena, greeting, line);
	greeting->is_done = str_is(word, "DONE");
	return !greeting->is_done || greeting->has_version;
}

void dovecot_hello(struct buf *out, uint64_t number)
{
	buf_fmt(out, "VERSION\t1\t1\nCPID\t%llu\n", (unsigned long long)number);
}

static void add_parameter(struct buf *out, const char *name, struct str value)
{
	if (value.len == 0)
		return;
	buf_fmt(out, "\t%s=", name);
	add_escaped(out, value);
}

void dovecot_auth(struct buf *out, const struct dovecot_request *request)
{
	buf_text(out, "AUTH\t1\t");
	add_escaped(out, request->mechanism);
	add_parameter(out, "service", request->service);
	buf_text(out, "\tnologin");
	add_parameter(out, "lip", request->server_address);
	add_parameter(out, "rip", request->client_address);
	if (request->secured)
		buf_text(out, "\tsecured");
	if (!str_is_none(request->initial)) {
		buf_text(out, "\tresp="); /* has to be the last */
		base64_format(out, request->initial);
	}
	buf_char(out, '\n');
}

void dovecot_continue(struct buf *out, struct str response)
{
	buf_text(out, "CONT\t1\t");
	base64_format(out, response);
	buf_char(out, '\n');
}

void dovecot_cancel(struct buf *out)
{
	buf_text(out, "CANCEL\t1\n");
}

static bool take_data(struct arena *arena, struct str text, struct str *data)
{
	*data = text.len == 0 ? STR("") : base64_parse(arena, text);
	return !str_is_none(*data);
}

static bool take_parameter(struct arena *arena, struct str word,
	struct dovecot_reply *reply)
{
	if (str_take_prefix(&word, STR("user=")))
		reply->user = unescape(arena, word);
	else if (str_take_prefix(&word, STR("reason=")))
		reply->reason = unescape(arena, word);
	else if (str_is(word, "temp") || str_is(word, "code=temp_fail"))
		reply->is_temporary = true;
	else if (reply->kind == DOVECOT_OK &&
		str_take_prefix(&word, STR("resp=")))
		return take_data(arena, word, &reply->data);
	return true;
}

static bool take_kind(struct str word, struct dovecot_reply *reply)
{
	static const char *const names[] = { [DOVECOT_OK] = "OK",
		[DOVECOT_FAIL] = "FAIL", [DOVECOT_CONT] = "CONT" };

	for (unsigned i = 0; i < COUNT(names); i++)
		if (str_is(word, names[i])) {
			reply->kind = i;
			return true;
		}
	reply->kind = DOVECOT_OTHER;
	return false;
}

bool dovecot_reply_parse(struct arena *arena, struct str line,
	struct dovecot_reply *reply)
{
	*reply = (struct dovecot_reply){ .user = STR(""), .reason = STR(""),
		.data = STR_NONE };
	if (!take_kind(str_take_until(&line, '\t'), reply))
		return true;
	if (!str_is(str_take_until(&line, '\t'), "1"))
		return false;
	if (reply->kind == DOVECOT_CONT)
		return take_data(arena, str_take_until(&line, '\t'),
			&reply->data);
	while (line.len > 0)
		if (!take_parameter(arena, str_take_until(&line, '\t'), reply))
			return false;
	return true;
}
