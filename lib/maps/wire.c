#include "maps/wire.h"

#include "base/buf.h"

enum {
	LENGTH_DIGITS = 6, /* of a netstring: 100000 */
	PORT_MOST = 65535,
	VALUE_MOST = 1 << 30,
};

/* ---- tcp: ---- */

static struct str percent(struct arena *arena, struct str text,
	bool (*is_plain)(unsigned char))
{
	struct buf out = BUF_IN(arena);

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (is_plain(c))
			buf_char(&out, (char)c);
		else
			buf_fmt(&out, "%%%02X", c);
	}
	return buf_str(&out);
}

static bool is_tcp_plain(unsigned char c)
{
	return c > ' ' && c < 127 && c != '%';
}

struct str wire_tcp_encode(struct arena *arena, struct str text)
{
	return percent(arena, text, is_tcp_plain);
}

static struct str unpercent(struct arena *arena, struct str text)
{
	struct buf out = BUF_IN(arena);

	for (size_t i = 0; i < text.len; i++) {
		int high, low;

		if (text.p[i] != '%') {
			buf_char(&out, text.p[i]);
			continue;
		}
		if (i + 2 >= text.len)
			return STR_NONE;
		high = ascii_hex((unsigned char)text.p[i + 1]);
		low = ascii_hex((unsigned char)text.p[i + 2]);
		if (high < 0 || low < 0)
			return STR_NONE;
		buf_char(&out, (char)(high << 4 | low));
		i += 2;
	}
	return buf_str(&out);
}

bool wire_tcp_reply(struct arena *arena, struct str line,
	enum maps_result *result, struct str *value)
{
	static const struct {
		struct str code;
		enum maps_result result;
	} codes[] = {
		{ { "200", 3 }, MAPS_FOUND },
		{ { "400", 3 }, MAPS_ERROR },
		{ { "500", 3 }, MAPS_ABSENT },
	};

	for (size_t i = 0; i < COUNT(codes); i++) {
		struct str rest = line;

		if (!str_take_prefix(&rest, codes[i].code) ||
			!(rest.len == 0 || str_take_char(&rest, ' ')))
			continue;
		*result = codes[i].result;
		*value = unpercent(arena, rest);
		return !str_is_none(*value) &&
			!memchr(value->p, 0, value->len);
	}
	return false;
}

/* ---- socketmap: ---- */

bool wire_netstring_need(struct str front, size_t most, size_t *need)
{
	struct str rest = str_first(front, LENGTH_DIGITS + 1);
	uint64_t len;

	if (!str_take_u64(&rest, most, &len) || !str_take_char(&rest, ':'))
		return false;
	*need = (size_t)(rest.p - front.p) + (size_t)len + 1;
	return true;
}

bool wire_netstring_parse(struct str whole, struct str *text)
{
	size_t need;

	if (!wire_netstring_need(whole, whole.len, &need) ||
		need != whole.len || whole.p[need - 1] != ',')
		return false;
	(void)str_take_until(&whole, ':');
	*text = str_first(whole, whole.len - 1);
	return true;
}

bool wire_socketmap_reply(struct str text, enum maps_result *result,
	struct str *value)
{
	static const struct {
		const char *word;
		enum maps_result result;
	} words[] = {
		{ "OK", MAPS_FOUND },
		{ "NOTFOUND", MAPS_ABSENT },
		{ "TEMP", MAPS_ERROR },
		{ "TIMEOUT", MAPS_ERROR },
		{ "PERM", MAPS_ERROR },
	};
	struct str word = str_take_until(&text, ' ');

	for (size_t i = 0; i < COUNT(words); i++) {
		if (!str_is(word, words[i].word))
			continue;
		*result = words[i].result;
		*value = text;
		return !memchr(text.len ? text.p : "x", 0,
			text.len ? text.len : 1);
	}
	return false;
}

/* ---- memcache: ---- */

bool wire_memcache_reply(struct str line, struct str key, bool *found,
	uint64_t *octets)
{
	uint64_t flags;

	*found = false;
	if (str_is(line, "END"))
		return true;
	*found = true;
	return str_take_prefix(&line, STR("VALUE ")) &&
		str_take_prefix(&line, key) && str_take_char(&line, ' ') &&
		str_take_u64(&line, UINT32_MAX, &flags) &&
		str_take_char(&line, ' ') &&
		str_take_u64(&line, VALUE_MOST, octets) && line.len == 0;
}

static bool is_key_plain(unsigned char c)
{
	return c > ' ' && c != 127;
}

struct str wire_memcache_key(struct arena *arena, struct str key)
{
	return percent(arena, key, is_key_plain);
}

/* ---- places ---- */

/* "host:port" or "[v6]:port" at the front; what follows begins with ':'. */
static bool take_host_port(struct str *in, struct str *host, struct str *port)
{
	struct str rest = *in, digits;
	uint64_t number;

	if (rest.len > 0 && rest.p[0] == '[') {
		size_t end = str_find_char(rest, ']');

		if (end == SIZE_MAX)
			return false;
		*host = str_first(rest, end + 1);
		rest = str_skip(rest, end + 1);
		if (!str_take_char(&rest, ':'))
			return false;
	} else {
		if (str_find_char(rest, ':') == SIZE_MAX)
			return false;
		*host = str_take_until(&rest, ':');
	}
	digits = str_first(rest, str_find_char(rest, ':'));
	*port = digits;
	*in = str_skip(rest, digits.len);
	return host->len > 0 && str_parse_u64(digits, PORT_MOST, &number) &&
		number > 0;
}

static bool take_inet(struct arena *arena, struct str *in,
	struct wire_place *place)
{
	struct str host, port;

	if (!take_host_port(in, &host, &port))
		return false;
	place->endpoint = arena_fmt(arena, "inet:%.*s:%.*s", STR_ARG(host),
		STR_ARG(port));
	return true;
}

bool wire_tcp_place(struct arena *arena, struct str name,
	struct wire_place *place)
{
	*place = (struct wire_place){ 0 };
	return take_inet(arena, &name, place) && name.len == 0;
}

bool wire_socketmap_place(struct arena *arena, struct str name,
	struct wire_place *place)
{
	*place = (struct wire_place){ 0 };
	if (str_take_prefix(&name, STR("unix:"))) {
		size_t colon = str_find_char(name, ':');

		if (colon == SIZE_MAX || colon == 0)
			return false;
		place->endpoint = arena_fmt(arena, "unix:%.*s", (int)colon,
			name.p);
		name = str_skip(name, colon);
	} else if (!str_take_prefix(&name, STR("inet:")) ||
		!take_inet(arena, &name, place)) {
		return false;
	}
	if (!str_take_char(&name, ':'))
		return false;
	place->name = arena_copy(arena, name);
	return name.len > 0 && str_find_char(name, ' ') == SIZE_MAX;
}

bool wire_memcache_place(struct arena *arena, struct str text,
	struct wire_place *place)
{
	*place = (struct wire_place){ 0 };
	if (str_starts(text, STR("unix:")) && text.len > 5) {
		place->endpoint = arena_copy(arena, text);
		return true;
	}
	(void)str_take_prefix(&text, STR("inet:"));
	return take_inet(arena, &text, place) && text.len == 0;
}
