/*
 * What a client is told when it is refused: smtpd_reject_filter_maps may say
 * it in other words, then comes smtpd_reject_footer or what
 * smtpd_reject_footer_maps has for this reply.
 *
 * The log has the reply as it was before.
 */
#include "smtpd/session.h"

#include <time.h>

#include "base/log.h"
#include "config/expand.h"

struct macros {
	struct session *s;
	struct arena *arena;
	bool unknown;
};

static struct str local_time(struct arena *arena)
{
	time_t now = (time_t)(wall_us() / 1000000);
	char text[64] = "";
	struct tm tm;

	if (localtime_r(&now, &tm))
		strftime(text, sizeof(text), "%b %d %H:%M:%S", &tm);
	return arena_copy(arena, str_from(text));
}

/* smtpd_expansion_filter: octets as they are, \t, \ooo and \\. */
static void read_filter(struct str text, bool allowed[256])
{
	while (text.len > 0) {
		unsigned char c = (unsigned char)text.p[0];
		unsigned octal = 0;
		size_t digits = 0;

		text = str_skip(text, 1);
		if (c == '\\' && text.len > 0) {
			while (digits < 3 && digits < text.len &&
				text.p[digits] >= '0' && text.p[digits] <= '7')
				octal = octal * 8 +
					(unsigned)(text.p[digits++] - '0');
			c = digits > 0 ? (unsigned char)octal :
			    text.p[0] == 't' ? '\t' :
						(unsigned char)text.p[0];
			text = str_skip(text, digits > 0 ? digits : 1);
		}
		allowed[c] = true;
	}
}

struct str footer_filtered(struct session *s, struct arena *arena,
	struct str text)
{
	bool allowed[256] = { false };
	struct buf out = BUF_IN(arena);

	read_filter(s->conf->smtpd_expansion_filter, allowed);
	for (size_t i = 0; i < text.len; i++)
		buf_char(&out, allowed[(unsigned char)text.p[i]] ? text.p[i] :
			'_');
	return buf_str(&out);
}

static struct str find_macro(void *context, struct str name)
{
	struct macros *m = context;
	struct session *s = m->s;
	const struct {
		const char *name;
		struct str value;
	} values[] = {
		{ "client", s->label },
		{ "client_address", s->address_text },
		{ "client_name", s->name },
		{ "reverse_client_name", s->reverse_name },
		{ "helo_name", s->helo },
		{ "sender", s->mail ? s->mail->sender : STR("") },
		{ "recipient", s->recipient },
		{ "sasl_method", s->sasl_method },
		{ "sasl_username", s->sasl_username },
		{ "server_name", s->conf->myhostname },
		{ "myhostname", s->conf->myhostname },
		{ "protocol_name", s->is_esmtp ? STR("ESMTP") : STR("SMTP") },
		{ "queue_id", s->mail ? s->mail->queue_id : STR("") },
		{ "localtime", local_time(m->arena) },
	};

	for (size_t i = 0; i < COUNT(values); i++)
		if (str_is(name, values[i].name))
			return footer_filtered(s, m->arena, values[i].value);
	if (!m->unknown)
		log_warning("smtpd_reject_footer: unknown macro name: %.*s",
			STR_ARG(name));
	m->unknown = true;
	return STR("");
}

static struct str expand_footer(struct session *s, struct arena *arena,
	struct str footer)
{
	struct macros macros = { s, arena, false };
	struct expand expand = { .find = find_macro, .context = &macros,
		.is_flat = true };
	struct buf out = BUF_IN(arena);

	if (expand_text(arena, &expand, &out, footer))
		return buf_str(&out);
	log_warning("smtpd_reject_footer: %.*s", STR_ARG(expand.error));
	return STR("");
}

static struct str reply_text(struct arena *arena, struct status status)
{
	struct buf line = BUF_IN(arena);

	smtp_reply_format_line(&line, status, true);
	return buf_str(&line);
}

/* In other words; these must still be a refusal of the same class. */
static struct status filter(struct arena *arena, struct status status)
{
	struct status other = status;
	struct str text, words;
	uint64_t code;

	if (maps_is_empty(server.reject_filter) ||
		maps_find(server.reject_filter, arena,
			reply_text(arena, status), &words) != MAPS_FOUND)
		return status;
	text = words;
	if (!str_take_u64(&text, 599, &code) || code < 400) {
		log_warning("smtpd_reject_filter_maps: no reply of class 4 or "
			    "5: \"%.*s\" instead of \"%u %.*s\"",
			STR_ARG(words), status.code, STR_ARG(status.text));
		return status;
	}
	other.code = (uint16_t)code;
	text = str_trim(text);
	(void)smtp_enhanced_take(&text, &other);
	other.text = text;
	return other;
}

static struct str find_footer(struct session *s, struct arena *arena,
	struct status status)
{
	struct str footer;

	if (!maps_is_empty(server.reject_footers) &&
		maps_find(server.reject_footers, arena,
			reply_text(arena, status), &footer) == MAPS_FOUND)
		return footer;
	return s->conf->smtpd_reject_footer;
}

/* "\c" in front goes on in the same line, "\n" begins another one. */
static struct str with_footer(struct arena *arena, struct str text,
	struct str footer)
{
	struct buf out = BUF_IN(arena);

	buf_add(&out, text);
	if (!str_take_prefix_nocase(&footer, STR("\\c")))
		buf_char(&out, '\n');
	while (footer.len > 0) {
		if (str_take_prefix_nocase(&footer, STR("\\n"))) {
			buf_char(&out, '\n');
			continue;
		}
		buf_char(&out, footer.p[0]);
		footer = str_skip(footer, 1);
	}
	return buf_str(&out);
}

struct status footer_apply(struct session *s, struct arena *arena,
	struct status status)
{
	struct str footer;

	if (status_class(status) < 4)
		return status;
	status = filter(arena, status);
	footer = find_footer(s, arena, status);
	if (footer.len > 0)
		status.text = with_footer(arena, status.text,
			expand_footer(s, arena, footer));
	return status;
}
