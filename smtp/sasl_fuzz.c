/*
 * The client's side of AUTH: the first line is what the server offers, the
 * rest its replies; "NONCE" in a challenge's place is our own nonce.
 */
#include "smtp/sasl.h"

#include <string.h>

#include "base/encode.h"
#include "smtp/tables.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	struct str replies, said; /* said: our last line */
} server;

/* ---- what smtp/sasl calls ---- */

bool tables_has(enum table_use use)
{
	return use == TABLE_PASSWORDS;
}

enum table_result tables_find(struct arena *arena, enum table_use use,
	struct str key, struct str *value)
{
	(void)arena, (void)use, (void)key;
	*value = STR("joe:secret");
	return TABLE_FOUND;
}

struct str talk_text(struct arena *arena, const struct smtp_reply *reply)
{
	(void)arena;
	return reply->whole;
}

/* What came in base64, decoded. */
static struct str decode_last(struct arena *arena)
{
	struct str text = server.said;
	size_t blank = str_rfind_char(text, ' ');

	if (blank != SIZE_MAX)
		text = str_skip(text, blank + 1);
	return base64_parse(arena, text);
}

/* "334 NONCE..." with the nonce that we sent, in base64. */
static struct str insert_nonce(struct arena *arena, struct str line)
{
	struct str nonce = decode_last(arena), rest = line;
	size_t at = str_find(nonce, STR("r="));
	struct buf out = BUF_IN(arena);

	if (at == SIZE_MAX || !str_take_prefix(&rest, STR("334 NONCE")))
		return line;
	buf_text(&out, "334 ");
	base64_format(&out, arena_fmt(arena, "r=%.*s%.*s",
		STR_ARG(str_skip(nonce, at + 2)), STR_ARG(rest)));
	return buf_str(&out);
}

bool session_command(struct session *session, struct arena *arena,
	struct str line, struct span timeout, const char *phase,
	struct smtp_reply *reply, struct outcome *trouble)
{
	struct str next;

	(void)session, (void)timeout, (void)phase, (void)trouble;
	if (memchr(line.p, '\r', line.len) || memchr(line.p, '\n', line.len))
		panic("two lines in one");
	server.said = line;
	*reply = (struct smtp_reply){ 0 };
	while (str_take_line(&server.replies, &next))
		switch (smtp_reply_add(arena, reply,
			insert_nonce(arena, next))) {
		case SMTP_REPLY_DONE:
			return true;
		case SMTP_REPLY_BAD:
			return false;
		default:
			break;
		}
	return false;
}

/* ---- ---- */

static struct settings set = {
	.sasl_auth_enable = true,
	.sasl_password_result_delimiter = { ":", 1 },
	.sasl_security_options = { "noanonymous", 11 },
	.sasl_mechanism_filter = { "", 0 },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_arena struct arena *arena = arena_new(0);
	struct str in = str_of(data, size), offer;
	struct session session = { .set = &set };
	struct opening opening = { .arena = arena, .set = &set };
	struct outcome trouble;

	if (!set.conf)
		set.conf = conf_for_test(arena_new(0), NULL);
	if (!str_take_line(&in, &offer))
		return 0;
	session.talk.features.set = FEATURE_AUTH;
	session.talk.features.mechanisms = offer;
	session.site.host = session.site.where = STR("mx.example");
	server.replies = in;
	if (!sasl_account(arena, &set, STR(""), STR("mx.example"),
		    STR("example"), &opening.account))
		panic("no account");
	if (sasl_login(&session, &opening, &trouble) &&
		session.is_authenticated &&
		str_is_nocase(offer, "SCRAM-SHA-256"))
		panic("a server's proof was guessed");
	return 0;
}
