/*
 * May this mail go there, and is there such an address?
 */
#include "smtpd/check.h"

#include "base/log.h"
#include "dns/record.h"
#include "mail/address.h"
#include "maps/address.h"

void check_resolve(struct session *s, struct str address,
	struct resolved *resolved)
{
	struct arena *arena = s->mail ? s->mail->arena : s->arena;
	struct str sender = s->mail ? s->mail->sender : STR("");
	struct str whole = rewrite_address(server.rewriter, arena,
		REWRITE_LOCAL, address);

	resolve(server.router, arena, sender, whole, resolved);
}

/* Ours or one that we relay for, and the local-part does not route on (but for
 * allow_untrusted_routing). */
bool check_is_authorized(const struct resolved *resolved)
{
	unsigned classes = RESOLVE_FINAL | RESOLVE_RELAY;
	unsigned never = RESOLVE_ERROR | RESOLVE_FAIL;

	if (!server.conf->allow_untrusted_routing)
		never |= RESOLVE_ROUTED;

	return (resolved->flags & classes) && !(resolved->flags & never);
}

enum relay {
	RELAY_PERMIT,
	RELAY_REFUSE,
	RELAY_UNKNOWN, /* a table is unavailable */
};

static enum relay ask(struct session *s)
{
	struct resolved resolved;

	if (str_is_none(s->recipient))
		return RELAY_PERMIT;
	check_resolve(s, s->recipient, &resolved);
	if (resolved.flags & RESOLVE_FAIL)
		return RELAY_UNKNOWN;
	return check_is_authorized(&resolved) ? RELAY_PERMIT : RELAY_REFUSE;
}

static enum verdict refuse(struct session *s, int code)
{
	return check_refuse(s, code, 7, 1, "<%.*s>: Relay access denied",
		STR_ARG(shown(s, s->recipient)));
}

/* ---- permit_mx_backup ---- */

static bool is_own_address(const struct dns_address *address)
{
	for (size_t i = 0; i < server.own_count; i++)
		if (dns_address_eq(&server.own[i], address))
			return true;
	return false;
}

/* What the MX records of a domain say about us. */
struct exchangers {
	unsigned best; /* lowest preference */
	bool has_own;  /* one of them is this host */
	bool is_known; /* the best ones are in permit_mx_backup_networks */
	bool in_doubt; /* a name could not be looked up */
};

static void look_at_exchanger(struct session *s, const struct dns_mx *mx,
	struct exchangers *all)
{
	struct dns_hosts hosts;
	bool is_known = false;

	dns_addresses(s->arena, mx->host, DNS_IPV4 | DNS_IPV6, &hosts);
	all->in_doubt |= hosts.status == DNS_TEMPORARY;
	for (size_t i = 0; i < hosts.count; i++) {
		struct str text = dns_address_text(s->arena,
			&hosts.addresses[i]);

		all->has_own |= is_own_address(&hosts.addresses[i]);
		is_known |= match_host(server.mx_backup_networks, s->arena,
			STR_NONE, text) == MAPS_FOUND;
	}
	if (mx->preference > all->best)
		return;
	all->is_known = is_known &&
		(mx->preference < all->best || all->is_known);
	all->best = mx->preference;
}

static void look_at_exchangers(struct session *s,
	const struct dns_answer *answer, struct exchangers *all)
{
	enum { MX_MOST = 50 };
	struct dns_mx mx;

	*all = (struct exchangers){ .best = UINT32_MAX };
	for (size_t i = 0; i < answer->count && i < MX_MOST; i++)
		if (dns_record_mx(s->arena, answer->records[i], &mx) &&
			mx.host.len > 0)
			look_at_exchanger(s, &mx, all);
}

static enum verdict no_exchangers(struct session *s)
{
	return check_refuse(s, 450, 4, 4, "<%.*s>: Recipient address rejected: "
		"unable to look up its mail exchangers",
		STR_ARG(shown(s, s->recipient)));
}

/* A domain of ours, or one whose MX this host is, too; no route within the
 * address. */
enum verdict check_mx_backup(struct session *s,
	const struct restriction *restriction)
{
	struct resolved resolved;
	struct dns_answer answer;
	struct exchangers all;
	struct str domain;

	(void)restriction;
	if (str_is_none(s->recipient))
		return DUNNO;
	check_resolve(s, s->recipient, &resolved);
	if (resolved.flags & RESOLVE_FAIL)
		return check_lookup_failed(s, s->recipient);
	if (check_is_authorized(&resolved))
		return PERMIT;
	domain = mail_address_domain(s->recipient);
	if ((resolved.flags & (RESOLVE_ROUTED | RESOLVE_ERROR)) ||
		domain.len == 0 || domain.p[0] == '[')
		return DUNNO;
	dns_lookup(s->arena, domain, DNS_MX, &answer);
	if (answer.status == DNS_TEMPORARY)
		return no_exchangers(s);
	if (answer.status != DNS_FOUND)
		return DUNNO;
	look_at_exchangers(s, &answer, &all);
	if (!all.has_own)
		return all.in_doubt ? no_exchangers(s) : DUNNO;
	return match_is_empty(server.mx_backup_networks) || all.is_known ?
		PERMIT : DUNNO;
}

enum verdict check_permit_auth(struct session *s,
	const struct restriction *restriction)
{
	(void)restriction;
	if (str_is_none(s->recipient))
		return DUNNO;
	switch (ask(s)) {
	case RELAY_PERMIT:
		return PERMIT;
	case RELAY_UNKNOWN:
		return check_lookup_failed(s, s->recipient);
	default:
		return DUNNO;
	}
}

static enum verdict unauth(struct session *s, int code)
{
	switch (ask(s)) {
	case RELAY_PERMIT:
		return DUNNO;
	case RELAY_UNKNOWN:
		return check_lookup_failed(s, s->recipient);
	default:
		return refuse(s, code);
	}
}

enum verdict check_reject_unauth(struct session *s,
	const struct restriction *restriction)
{
	(void)restriction;
	return unauth(s, (int)s->conf->relay_domains_reject_code);
}

/* Always 4xx, whatever relay_domains_reject_code. */
enum verdict check_defer_unauth(struct session *s,
	const struct restriction *restriction)
{
	(void)restriction;
	return unauth(s, 454);
}

/* ---- is there such an address? ---- */

/* postmaster of a domain of ours is always there. */
static bool is_postmaster(struct session *s, struct str address)
{
	struct resolved resolved;

	if (!str_is_nocase(mail_address_local(address), "postmaster"))
		return false;
	check_resolve(s, address, &resolved);
	return resolved.flags & RESOLVE_LOCAL;
}

static bool is_unchecked(const struct session *s)
{
	struct str rest = s->conf->receive_override_options, item;

	while (str_take_item(&rest, ", \t\r\n", &item))
		if (str_is_nocase(item, "no_unknown_recipient_checks"))
			return true;
	return false;
}

enum verdict check_listed_address(struct session *s,
	enum restriction_subject about)
{
	struct arena *arena = s->mail ? s->mail->arena : s->arena;
	struct subject subject = check_subject(s, about);
	struct status status;

	if (subject.value.len == 0 || is_unchecked(s) ||
		is_postmaster(s, subject.value))
		return DUNNO;
	status = resolve_listed(server.router, arena, rewrite_address(
		server.rewriter, arena, REWRITE_LOCAL, subject.value),
		about == ABOUT_SENDER);
	if (status_is_ok(status))
		return DUNNO;
	return check_refuse_status(s, status);
}

enum verdict check_unlisted(struct session *s,
	const struct restriction *restriction)
{
	return check_listed_address(s, restriction->row->subject);
}

/* ---- senders and who may use them: smtpd_sender_login_maps ---- */

enum login {
	LOGIN_NONE,  /* nobody owns the address */
	LOGIN_MINE,
	LOGIN_OTHERS,
	LOGIN_ERROR,
};

static bool is_in(struct str list, struct str name)
{
	struct str item;

	while (str_take_item(&list, ", \t\r\n", &item))
		if (str_eq_nocase(item, name))
			return true;
	return false;
}

static enum login find_owner(struct session *s)
{
	struct address_how how = { .conf = s->conf, .forms = ADDRESS_FULL |
		ADDRESS_PLAIN | ADDRESS_LOCAL | ADDRESS_AT_DOMAIN };
	struct str sender = s->mail->sender, owners;
	enum maps_result result;

	how.domain_is_ours = resolve_is_ours(server.router, s->arena,
		mail_address_domain(sender)) == MAPS_FOUND;
	result = sender.len == 0 ? maps_find(server.logins, s->arena,
		s->conf->smtpd_null_access_lookup_key, &owners) :
		maps_find_address(server.logins, s->arena, sender, &how,
		&owners, NULL, NULL);
	if (result == MAPS_ERROR)
		return LOGIN_ERROR;
	if (result == MAPS_ABSENT)
		return LOGIN_NONE;
	return !str_is_none(s->sasl_username) && is_in(owners,
		s->sasl_username) ? LOGIN_MINE : LOGIN_OTHERS;
}

static enum verdict not_owned(struct session *s)
{
	struct str sender = shown(s, s->mail->sender);

	if (str_is_none(s->sasl_username))
		return check_refuse(s, 553, 7, 1, "<%.*s>: Sender address "
			"rejected: not logged in", STR_ARG(sender));
	return check_refuse(s, 553, 7, 1, "<%.*s>: Sender address rejected: "
		"not owned by user %.*s", STR_ARG(sender),
		STR_ARG(s->sasl_username));
}

/* authenticated, known, unknown: whom and which senders it is about. */
static enum verdict check_login(struct session *s, bool authenticated,
	bool anonymous, bool unknown)
{
	bool is_authenticated = !str_is_none(s->sasl_username);

	if (!s->mail || !s->conf->smtpd_sasl_auth_enable ||
		(is_authenticated ? !authenticated : !anonymous))
		return DUNNO;
	switch (find_owner(s)) {
	case LOGIN_ERROR:
		return check_lookup_failed(s, s->mail->sender);
	case LOGIN_OTHERS:
		return not_owned(s);
	case LOGIN_NONE:
		return is_authenticated && unknown && s->mail->sender.len > 0 ?
			not_owned(s) : DUNNO;
	default:
		return DUNNO;
	}
}

enum verdict check_login_mismatch(struct session *s,
	const struct restriction *restriction)
{
	(void)restriction;
	return check_login(s, true, true, true);
}

enum verdict check_auth_mismatch(struct session *s,
	const struct restriction *restriction)
{
	(void)restriction;
	return check_login(s, true, false, true);
}

enum verdict check_known_mismatch(struct session *s,
	const struct restriction *restriction)
{
	(void)restriction;
	return check_login(s, true, true, false);
}

enum verdict check_unauth_mismatch(struct session *s,
	const struct restriction *restriction)
{
	(void)restriction;
	return check_login(s, false, true, false);
}
