/*
 * Restrictions that look no further than the session.
 */
#include "smtpd/check.h"

#include "mail/address.h"
#include "smtp/path.h"

enum verdict check_permit(struct session *s,
	const struct restriction *restriction)
{
	(void)s;
	(void)restriction;
	return PERMIT;
}

enum verdict check_reject(struct session *s,
	const struct restriction *restriction)
{
	struct subject subject = check_subject(s, ABOUT_NOBODY);

	(void)restriction;
	return check_refuse(s, (int)s->conf->reject_code, 7, 1,
		"<%.*s>: %s rejected: Access denied", STR_ARG(subject.name),
		subject.class);
}

enum verdict check_defer(struct session *s,
	const struct restriction *restriction)
{
	struct subject subject = check_subject(s, ABOUT_NOBODY);

	(void)restriction;
	return check_refuse(s, (int)s->conf->defer_code, 7, 1,
		"<%.*s>: %s rejected: Try again later", STR_ARG(subject.name),
		subject.class);
}

static struct status in_doubt(struct session *s)
{
	struct subject subject = check_subject(s, ABOUT_NOBODY);

	return status_f(s->arena, 450, 7, 1,
		"<%.*s>: %s rejected: Service unavailable",
		STR_ARG(subject.name), subject.class);
}

enum verdict check_defer_if_permit(struct session *s,
	const struct restriction *restriction)
{
	(void)restriction;
	return check_in_doubt(s, in_doubt(s));
}

enum verdict check_defer_if_reject(struct session *s,
	const struct restriction *restriction)
{
	(void)restriction;
	return check_in_favour(s, in_doubt(s));
}

enum verdict check_multi_bounce(struct session *s,
	const struct restriction *restriction)
{
	size_t recipients = s->mail ? s->mail->recipients : 0;

	(void)restriction;
	/* At RCPT the one being looked at counts, too. */
	if (!str_is_none(s->recipient) && s->check.stage < CHECK_DATA)
		recipients++;
	if (!s->mail || s->mail->sender.len > 0 || recipients <= 1)
		return DUNNO;
	return check_refuse(s, (int)
		s->conf->multi_recipient_bounce_reject_code, 5, 3,
		"<%.*s>: %s rejected: Multi-recipient bounce",
		STR_ARG(check_subject(s, ABOUT_NOBODY).name),
		check_subject(s, ABOUT_NOBODY).class);
}

enum verdict check_plaintext(struct session *s,
	const struct restriction *restriction)
{
	(void)restriction;
	if (s->has_tls)
		return DUNNO;
	return check_refuse(s, (int)s->conf->plaintext_reject_code, 7, 1,
		"Session encryption is required");
}

enum verdict check_pipelining(struct session *s,
	const struct restriction *restriction)
{
	struct subject subject = check_subject(s, ABOUT_NOBODY);

	(void)restriction;
	if (!s->saw_bad_pipelining)
		return DUNNO;
	return check_refuse(s, 503, 5, 0, "<%.*s>: %s rejected: Improper use "
		"of SMTP command pipelining", STR_ARG(subject.name),
		subject.class);
}

enum verdict check_sleep(struct session *s,
	const struct restriction *restriction)
{
	uint64_t seconds;

	(void)s;
	if (str_parse_u64(restriction->argument, 3600, &seconds))
		(void)io_sleep(span_s((int64_t)seconds));
	return DUNNO;
}

/* Known, not honoured: the parser makes it a bad element before this. */
enum verdict check_guard(struct session *s,
	const struct restriction *restriction)
{
	return check_config_error(s, restriction->name);
}

/* ---- who the client is ---- */

enum verdict check_mynetworks(struct session *s,
	const struct restriction *restriction)
{
	(void)restriction;
	switch (match_host(server.mynetworks, s->arena, s->name,
		s->address_text)) {
	case MAPS_FOUND:
		return PERMIT;
	case MAPS_ERROR:
		return check_refuse_status(s, REPLY_LOOKUP_FAILED);
	default:
		return DUNNO;
	}
}

enum verdict check_interfaces(struct session *s,
	const struct restriction *restriction)
{
	(void)restriction;
	return client_is_own(s) ? PERMIT : DUNNO;
}

enum verdict check_authenticated(struct session *s,
	const struct restriction *restriction)
{
	(void)restriction;
	return str_is_none(s->sasl_username) ? DUNNO : PERMIT;
}

enum verdict check_all_clientcerts(struct session *s,
	const struct restriction *restriction)
{
	(void)restriction;
	return s->has_tls && s->tls.is_trusted ? PERMIT : DUNNO;
}

enum verdict check_clientcerts(struct session *s,
	const struct restriction *restriction)
{
	(void)restriction;
	return client_has_listed_certificate(s) ? PERMIT : DUNNO;
}

/* ---- addresses without a full domain ---- */

static bool is_whole(struct str address)
{
	struct str domain = mail_address_domain(address);

	if (smtp_is_literal(domain))
		return true;
	if (str_ends(domain, STR(".")))
		domain.len--;
	return smtp_is_domain(domain) &&
		str_find_char(domain, '.') != SIZE_MAX;
}

enum verdict check_non_fqdn(struct session *s,
	const struct restriction *restriction)
{
	struct subject subject = check_subject(s, restriction->row->subject);

	if (subject.value.len == 0 || is_whole(subject.value) ||
		str_is_nocase(subject.value, "postmaster"))
		return DUNNO;
	return check_refuse(s, (int)s->conf->non_fqdn_reject_code, 5, 2,
		"<%.*s>: %s rejected: need fully-qualified address",
		STR_ARG(subject.name), subject.class);
}
