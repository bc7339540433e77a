#include "smtpd/session.h"

#include "smtp/command.h"

#include "base/log.h"

static void offer_size(struct session *s, struct buf *out)
{
	int64_t most = s->conf->message_size_limit;

	buf_text(out, "SIZE");
	if (most > 0)
		buf_fmt(out, " %lld", (long long)most);
}

static void offer_vrfy(struct session *s, struct buf *out)
{
	if (!s->conf->disable_vrfy_command)
		buf_text(out, "VRFY");
}

static void offer_starttls(struct session *s, struct buf *out)
{
	if (server.tls.context && !s->has_tls)
		buf_text(out, "STARTTLS");
}

static void offer_auth(struct session *s, struct buf *out)
{
	struct str mechanisms = auth_mechanisms(s);

	if (mechanisms.len == 0)
		return;
	buf_fmt(out, "AUTH %.*s", STR_ARG(mechanisms));
	if (s->conf->broken_sasl_auth_clients)
		buf_fmt(out, "\nAUTH=%.*s", STR_ARG(mechanisms));
}

static void offer_verp(struct session *s, struct buf *out)
{
	if (s->may_verp)
		buf_text(out, "XVERP");
}

static void offer_smtputf8(struct session *s, struct buf *out)
{
	if (s->conf->smtputf8_enable)
		buf_text(out, "SMTPUTF8");
}

/* What EHLO offers, in Postfix's order. ETRN is not among it: there is no
 * fast flush service (ETRN answers 459). */
static const struct keyword {
	const char *name; /* of smtpd_discard_ehlo_keywords */
	unsigned bit;
	const char *line; /* NULL: by offer */
	void (*offer)(struct session *s, struct buf *out); /* or nothing */
} keywords[] = {
	{ "pipelining", HIDE_PIPELINING, "PIPELINING", NULL },
	{ "size", HIDE_SIZE, NULL, offer_size },
	{ "vrfy", HIDE_VRFY, NULL, offer_vrfy },
	{ "starttls", HIDE_STARTTLS, NULL, offer_starttls },
	{ "auth", HIDE_AUTH, NULL, offer_auth },
	{ "verp", HIDE_VERP, NULL, offer_verp },
	{ "xclient", HIDE_XCLIENT, NULL, xclient_offer },
	{ "xforward", HIDE_XFORWARD, NULL, xforward_offer },
	{ "enhancedstatuscodes", HIDE_ENHANCED, "ENHANCEDSTATUSCODES", NULL },
	{ "8bitmime", HIDE_8BITMIME, "8BITMIME", NULL },
	{ "dsn", HIDE_DSN, "DSN", NULL },
	{ "smtputf8", HIDE_SMTPUTF8, NULL, offer_smtputf8 },
	{ "chunking", HIDE_CHUNKING, "CHUNKING", NULL },
};

/* "silent-discard" only means: do not log. Others have nothing to hide. */
static const char *const ignored[] = {
	"silent-discard", "etrn", "requiretls",
};

static unsigned find_bit(struct str name)
{
	for (size_t i = 0; i < COUNT(keywords); i++)
		if (str_is_nocase(name, keywords[i].name))
			return keywords[i].bit;
	for (size_t i = 0; i < COUNT(ignored); i++)
		if (str_is_nocase(name, ignored[i]))
			return 0;
	log_warning("unknown EHLO keyword \"%.*s\" in "
		"smtpd_discard_ehlo_keywords", STR_ARG(name));
	return 0;
}

static unsigned parse_hidden(struct str list)
{
	unsigned bits = 0;
	struct str name;

	while (str_take_item(&list, ", \t\r\n", &name))
		bits |= find_bit(name);
	return bits;
}

/* By client address, else for all. */
static void find_hidden(struct session *s)
{
	struct str list = s->conf->smtpd_discard_ehlo_keywords, found;

	if (maps_find(server.discard_ehlo, s->arena, s->address_text,
		&found) == MAPS_FOUND)
		list = found;
	s->hidden = parse_hidden(list);
}

static struct status greet(struct session *s, struct str name, bool esmtp)
{
	struct status status;
	struct str before = s->helo;
	bool before_esmtp = s->is_esmtp;

	mail_reset(s);
	s->helo = arena_copy(s->home, name);
	s->is_esmtp = esmtp;
	status = check_helo(s);
	if (status_is_ok(status))
		status = milter_helo(s);
	if (!status_is_ok(status)) {
		s->helo = before;
		s->is_esmtp = before_esmtp;
	}
	return status;
}

struct status helo(struct session *s, struct str arguments)
{
	struct status status;

	if (!smtp_is_hello(arguments))
		return REPLY_HELO_SYNTAX;
	status = greet(s, arguments, false);
	if (!status_is_ok(status))
		return status;
	return (struct status){ 250, 0, SMTP_NO_ENHANCED,
		s->conf->myhostname };
}

static void add_keyword(struct session *s, const struct keyword *keyword,
	struct buf *out)
{
	struct buf line = BUF_IN(s->arena);

	if (s->hidden & keyword->bit)
		return;
	if (keyword->line)
		buf_text(&line, keyword->line);
	else
		keyword->offer(s, &line);
	if (line.len == 0)
		return;
	buf_char(out, '\n');
	buf_add(out, buf_str(&line));
}

struct status ehlo(struct session *s, struct str arguments)
{
	struct buf out = BUF_IN(s->arena);
	struct status status;

	if (!smtp_is_hello(arguments))
		return REPLY_EHLO_SYNTAX;
	transcript_may_flush(s);
	find_hidden(s);
	status = greet(s, arguments, true);
	if (!status_is_ok(status))
		return status;
	buf_add(&out, s->conf->myhostname);
	for (size_t i = 0; i < COUNT(keywords); i++)
		add_keyword(s, &keywords[i], &out);
	reply_lines(s, 250, buf_str(&out));
	return REPLIED;
}
