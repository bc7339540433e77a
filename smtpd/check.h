/*
 * smtpd/check - what evaluates one restriction.
 *
 * Each function column of smtp/restrictions.def is a check_<function> here.
 */
#ifndef SMTPD_CHECK_H
#define SMTPD_CHECK_H

#include "dns/dns.h"
#include "smtpd/session.h"

enum verdict {
	DUNNO,  /* go on with the next */
	PERMIT, /* ends this list */
	REFUSE, /* s->check.status says how; has been logged */
};

/* What is being looked at, and how replies name it. */
struct subject {
	struct str value; /* empty: there is none */
	struct str name;  /* "<x>" in replies, without <> */
	const char *class; /* "Sender address" */
};

typedef enum verdict check_function(struct session *s,
	const struct restriction *restriction);

/* clang-format off */
#define RESTRICTION(name, function, subject, argument, support) \
	check_function check_##function;
#include "smtp/restrictions.def"
#undef RESTRICTION
/* clang-format on */

/* ---- check.c ---- */

/* Evaluate the elements of a list in their order. */
enum verdict check_list(struct session *s, const struct restriction_list *list);
/* Refuse (or only warn, under warn_if_reject). The text is in s->arena. */
enum verdict check_refuse(struct session *s, int code, int subject, int detail,
	const char *format, ...) printf_like(5, 6);
enum verdict check_refuse_status(struct session *s, struct status status);
/* A table that tells of the recipient or sender cannot be asked now. */
enum verdict check_lookup_failed(struct session *s, struct str address);
/* Remember a reason to defer what would be permitted (refused). */
enum verdict check_in_doubt(struct session *s, struct status status);
enum verdict check_in_favour(struct session *s, struct status status);
/* defer_if_permit, or at once, as a ..._tempfail_action says. */
enum verdict check_tempfail(struct session *s, struct str action,
	struct status status);
/* The log line of what smtpd_log_access_permit_actions names; table: empty if
 * it was none. */
void check_log_permit(struct session *s, struct str action,
	const struct subject *subject, struct str table);
enum verdict check_config_error(struct session *s, struct str problem);
/* The subject of a restriction, or of the list (ABOUT_NOBODY). */
struct subject check_subject(struct session *s,
	enum restriction_subject about);

/* ---- explain.c ---- */

/* One element of a list was evaluated. Nothing, unless s->explains. */
void explain_restriction(struct session *s, const struct restriction_list *list,
	const struct restriction *restriction, enum verdict verdict);

/* ---- check_access.c ---- */

/* What an access table said of `subject`. `strict`: OK is not believed. */
enum verdict check_action(struct session *s, const struct subject *subject,
	struct str table, struct str action, bool strict);

/* ---- check_dns.c ---- */

/* The domain of an address, or the host name; NONE if it has none that can be
 * looked up. */
struct str check_domain_of(struct session *s, const struct subject *subject);

/* The host that an MX or NS record names; empty: none. */
struct str check_record_host(struct arena *arena, enum dns_type type,
	struct str record);

/* ---- check_policy.c ---- */

/* In .prepare: item->opened, or the item becomes a bad one. `list`: the
 * parameter that names the service. */
void policy_open(struct restriction *item, struct str list);

/* ---- check_relay.c ---- */

/* Where the address goes; the result is in the arena of the mail. */
void check_resolve(struct session *s, struct str address,
	struct resolved *resolved);
bool check_is_authorized(const struct resolved *resolved);
/* Is this sender or recipient one that exists? */
enum verdict check_listed_address(struct session *s,
	enum restriction_subject about);

#endif
