/*
 * Dovecot's log lines, which fail2ban and others read.
 */
#include "session.h"

#include "base/log.h"

enum {
	USER_MOST = 200, /* octets of a name in the log */
};

/* A name cannot end the brackets that it stands in. */
static void format_user(struct buf *out, struct str user)
{
	user = str_first(user, USER_MOST);
	buf_text(out, "user=<");
	for (size_t i = 0; i < user.len; i++) {
		unsigned char c = (unsigned char)user.p[i];

		buf_char(out, c == '<' || c == '>' || c < ' ' || c == 0x7f ?
			'?' : (char)c);
	}
	buf_char(out, '>');
}

static void format_rest(struct buf *out, const struct session *s)
{
	format_user(out, s->user);
	if (s->method.len > 0)
		buf_fmt(out, ", method=%.*s", STR_ARG(s->method));
	if (s->rip.len > 0)
		buf_fmt(out, ", rip=%.*s", STR_ARG(s->rip));
	if (s->lip.len > 0)
		buf_fmt(out, ", lip=%.*s", STR_ARG(s->lip));
	if (s->has_tls)
		buf_text(out, ", TLS");
	else if (s->is_loopback)
		buf_text(out, ", secured");
}

void report_login(const struct session *s)
{
	auto_buf struct buf out = { 0 };

	format_rest(&out, s);
	log_info("%s-login: Login: %.*s", s->protocol->service,
		STR_ARG(buf_str(&out)));
}

static void format_reason(struct buf *out, const struct session *s)
{
	int64_t seconds = span_to_s(moment_between(s->since, moment_now()));

	if (s->end)
		buf_fmt(out, ": %s", s->end);
	if (s->attempts > 0)
		buf_fmt(out, " (auth failed, %u attempts in %lld secs)",
			s->attempts, (long long)seconds);
	else if (s->method.len == 0)
		buf_fmt(out, " (no auth attempts in %lld secs)",
			(long long)seconds);
	else
		buf_fmt(out, " (tried to use %s auth)",
			is_secured(s) ? "unsupported" : "disallowed plaintext");
}

void report_end(const struct session *s)
{
	auto_buf struct buf reason = { 0 }, out = { 0 };

	if (s->is_passed)
		return;
	format_reason(&reason, s);
	format_rest(&out, s);
	log_info("%s-login: Disconnected%.*s: %.*s", s->protocol->service,
		STR_ARG(buf_str(&reason)), STR_ARG(buf_str(&out)));
}
