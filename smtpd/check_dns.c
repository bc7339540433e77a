/*
 * Does that host or domain exist? Restrictions that ask the resolver.
 */
#include "smtpd/check.h"

#include "base/log.h"
#include "dns/record.h"
#include "mail/address.h"
#include "smtp/path.h"

struct str check_record_host(struct arena *arena, enum dns_type type,
	struct str record)
{
	struct dns_mx mx;
	struct str name;

	if (type == DNS_MX)
		return dns_record_mx(arena, record, &mx) ? mx.host : STR("");
	return dns_record_name(arena, record, &name) ? name : STR("");
}

struct str check_domain_of(struct session *s, const struct subject *subject)
{
	struct str domain = subject->value;

	if (str_find_char(domain, '@') != SIZE_MAX)
		domain = mail_address_domain(domain);
	else if (s->mail && (str_eq(domain, s->mail->sender) ||
		str_eq(domain, s->recipient)))
		return STR_NONE; /* an address without a domain */
	while (str_ends(domain, STR(".")))
		domain.len--;
	if (domain.len == 0 || domain.p[0] == '[' || str_is(domain, "unknown"))
		return STR_NONE;
	return domain;
}

/* ---- the client's name ---- */

enum verdict check_unknown_client(struct session *s,
	const struct restriction *restriction)
{
	(void)restriction;
	if (s->name_code == 2)
		return DUNNO;
	return check_refuse(s, s->name_code == 4 ? 450 :
		(int)s->conf->unknown_client_reject_code, 7, 25,
		"Client host rejected: cannot find your hostname, [%.*s]",
		STR_ARG(s->address_text));
}

enum verdict check_unknown_reverse(struct session *s,
	const struct restriction *restriction)
{
	(void)restriction;
	if (s->reverse_code == 2)
		return DUNNO;
	return check_refuse(s, s->reverse_code == 4 ? 450 :
		(int)s->conf->unknown_client_reject_code, 7, 1,
		"Client host rejected: cannot find your reverse hostname, "
		"[%.*s]", STR_ARG(s->address_text));
}

/* Its PTR name has addresses, whichever. */
enum verdict check_unknown_forward(struct session *s,
	const struct restriction *restriction)
{
	struct dns_hosts hosts;

	(void)restriction;
	if (s->name_code == 2)
		return DUNNO;
	if (s->reverse_code == 2) {
		dns_addresses(s->arena, s->reverse_name, DNS_IPV4 | DNS_IPV6 |
			DNS_NATIVE, &hosts);
		if (hosts.status == DNS_FOUND)
			return DUNNO;
	}
	return check_refuse(s, s->reverse_code == 4 ? 450 :
		(int)s->conf->unknown_client_reject_code, 7, 25,
		"Client host rejected: cannot find your forward hostname, "
		"[%.*s]", STR_ARG(s->address_text));
}

/* ---- HELO ---- */

static bool has_helo(const struct session *s)
{
	return !str_is_none(s->helo);
}

enum verdict check_invalid_helo(struct session *s,
	const struct restriction *restriction)
{
	struct str name = s->helo;

	(void)restriction;
	if (!has_helo(s) || smtp_is_literal(name))
		return DUNNO;
	if (str_ends(name, STR(".")))
		name.len--;
	if (smtp_is_domain(name) && name.p[0] != '[')
		return DUNNO;
	return check_refuse(s, (int)s->conf->invalid_hostname_reject_code, 5, 2,
		"<%.*s>: Helo command rejected: Invalid name",
		STR_ARG(s->helo));
}

static bool is_fqdn(struct str name)
{
	if (str_ends(name, STR(".")))
		name.len--;
	return smtp_is_domain(name) && str_find_char(name, '.') != SIZE_MAX;
}

enum verdict check_non_fqdn_helo(struct session *s,
	const struct restriction *restriction)
{
	(void)restriction;
	if (!has_helo(s) || smtp_is_literal(s->helo) || is_fqdn(s->helo))
		return DUNNO;
	return check_refuse(s, (int)s->conf->non_fqdn_reject_code, 5, 2,
		"<%.*s>: Helo command rejected: need fully-qualified hostname",
		STR_ARG(s->helo));
}

/* A or MX. */
enum verdict check_unknown_helo(struct session *s,
	const struct restriction *restriction)
{
	struct dns_hosts hosts;
	struct dns_answer mx;
	struct str name = s->helo;

	(void)restriction;
	if (!has_helo(s) || smtp_is_literal(name))
		return DUNNO;
	while (str_ends(name, STR(".")))
		name.len--;
	dns_addresses(s->arena, name, DNS_IPV4 | DNS_IPV6, &hosts);
	if (hosts.status == DNS_FOUND)
		return DUNNO;
	dns_lookup(s->arena, name, DNS_MX, &mx);
	if (mx.status == DNS_FOUND)
		return DUNNO;
	if (hosts.status == DNS_TEMPORARY || mx.status == DNS_TEMPORARY)
		return check_tempfail(s,
			s->conf->unknown_helo_hostname_tempfail_action,
			status_f(s->arena, 450, 7, 1,
			"<%.*s>: Helo command rejected: Host not found",
			STR_ARG(s->helo)));
	return check_refuse(s, (int)s->conf->unknown_hostname_reject_code, 7, 1,
		"<%.*s>: Helo command rejected: Host not found",
		STR_ARG(s->helo));
}

/* ---- domains of addresses ---- */

static bool is_null_mx(struct session *s, const struct dns_answer *mx)
{
	return mx->count == 1 && check_record_host(s->arena, DNS_MX,
		mx->records[0]).len == 0;
}

static enum verdict refuse_domain(struct session *s,
	enum restriction_subject about, const struct subject *subject,
	bool temporary)
{
	int detail = about == ABOUT_SENDER ? 8 : 2;
	struct status status = status_f(s->arena, temporary ? 450 :
		(int)s->conf->unknown_address_reject_code, 1, detail,
		"<%.*s>: %s rejected: Domain not found",
		STR_ARG(subject->name), subject->class);

	return temporary ? check_tempfail(s,
		s->conf->unknown_address_tempfail_action, status) :
		check_refuse_status(s, status);
}

static enum verdict refuse_null_mx(struct session *s,
	enum restriction_subject about, const struct subject *subject,
	struct str domain)
{
	bool sender = about == ABOUT_SENDER;

	return check_refuse(s, sender ? 550 : 556, sender ? 7 : 1,
		sender ? 27 : 10, "<%.*s>: %s rejected: Domain %.*s does not "
		"accept mail (nullMX)", STR_ARG(subject->name), subject->class,
		STR_ARG(domain));
}

/* Ours need no DNS. */
static bool is_final(struct session *s, struct str address)
{
	struct resolved resolved;

	check_resolve(s, address, &resolved);
	return resolved.flags & RESOLVE_FINAL;
}

enum verdict check_unknown_domain(struct session *s,
	const struct restriction *restriction)
{
	enum restriction_subject about = restriction->row->subject;
	struct subject subject = check_subject(s, about);
	struct str domain = check_domain_of(s, &subject);
	struct dns_answer mx;
	struct dns_hosts hosts;

	if (str_is_none(domain) || is_final(s, subject.value))
		return DUNNO;
	dns_lookup(s->arena, domain, DNS_MX, &mx);
	if (mx.status == DNS_FOUND)
		return is_null_mx(s, &mx) ? refuse_null_mx(s, about, &subject,
			domain) : DUNNO;
	dns_addresses(s->arena, domain, DNS_IPV4 | DNS_IPV6, &hosts);
	if (hosts.status == DNS_FOUND)
		return DUNNO;
	if (mx.is_dropped || hosts.is_dropped) { /* the domain is there */
		log_warning("%.*s: MX or address lookup error: %.*s",
			STR_ARG(domain),
			STR_ARG(mx.is_dropped ? mx.text : hosts.text));
		return DUNNO;
	}
	return refuse_domain(s, about, &subject, mx.status == DNS_TEMPORARY ||
		hosts.status == DNS_TEMPORARY);
}
