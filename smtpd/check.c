#include "smtpd/check.h"

#include "base/log.h"

enum {
	DEPTH_MOST = 30, /* classes and table actions in each other */
};

/* clang-format off */
static check_function *const functions[] = {
#define RESTRICTION(name, function, subject, argument, support) \
	[RESTRICTION_##name] = check_##function,
#include "smtp/restrictions.def"
#undef RESTRICTION
};
/* clang-format on */

/* ---- outcomes ---- */

enum verdict check_refuse_status(struct session *s, struct status status)
{
	if (s->check.warn) {
		log_refusal(s, "reject_warning", status);
		return DUNNO;
	}
	/* Something before was in doubt: then it is not for good. */
	if (status_class(status) == 5 && s->check.if_reject.active)
		status = s->check.if_reject.status;
	log_refusal(s, "reject", status);
	s->check.status = status;
	return REFUSE;
}

enum verdict check_refuse(struct session *s, int code, int subject, int detail,
	const char *format, ...)
{
	struct status status = { (uint16_t)code, (uint16_t)subject,
		(uint16_t)detail, STR_NONE };
	va_list args;

	va_start(args, format);
	status.text = arena_vfmt(s->arena, format, args);
	va_end(args);
	return check_refuse_status(s, status);
}

enum verdict check_lookup_failed(struct session *s, struct str address)
{
	return check_refuse(s, 451, 3, 0, "<%.*s>: Temporary lookup failure",
		STR_ARG(shown(s, address)));
}

/* It may be needed by a later command. */
static void remember(struct session *s, struct deferral *deferral,
	struct status status)
{
	if (deferral->active)
		return;
	status.text = arena_copy(s->mail ? s->mail->arena : s->home,
		status.text);
	*deferral = (struct deferral){ true, status };
}

enum verdict check_in_doubt(struct session *s, struct status status)
{
	if (s->check.warn)
		log_refusal(s, "reject_warning", status);
	else
		remember(s, &s->deferrals[s->check.stage], status);
	return DUNNO;
}

enum verdict check_in_favour(struct session *s, struct status status)
{
	remember(s, &s->check.if_reject, status);
	return DUNNO;
}

enum verdict check_tempfail(struct session *s, struct str action,
	struct status status)
{
	if (str_is_nocase(action, "defer"))
		return check_refuse_status(s, status);
	return check_in_doubt(s, status);
}

enum verdict check_config_error(struct session *s, struct str problem)
{
	log_warning("%.*s", STR_ARG(problem));
	return check_refuse_status(s, REPLY_CONFIG_ERROR);
}

/* ---- subjects ---- */

static struct subject stage_subject(struct session *s)
{
	switch (s->check.stage) {
	case CHECK_CLIENT:
		return check_subject(s, ABOUT_CLIENT);
	case CHECK_HELO:
		return check_subject(s, ABOUT_HELO);
	case CHECK_SENDER:
		return check_subject(s, ABOUT_SENDER);
	case CHECK_DATA:
		return (struct subject){ STR("DATA"), STR("DATA"),
			"Data command" };
	case CHECK_END_OF_DATA:
		return (struct subject){ STR("END-OF-MESSAGE"),
			STR("END-OF-MESSAGE"), "End-of-data" };
	case CHECK_ETRN:
		return check_subject(s, ABOUT_ETRN);
	default:
		return check_subject(s, ABOUT_RECIPIENT);
	}
}

static struct str or_empty(struct str text)
{
	return str_is_none(text) ? STR("") : text;
}

struct subject check_subject(struct session *s, enum restriction_subject about)
{
	struct str sender = s->mail ? s->mail->sender : STR_NONE;

	switch (about) {
	case ABOUT_CLIENT:
		return (struct subject){ s->name, s->label, "Client host" };
	case ABOUT_REVERSE:
		return (struct subject){ s->reverse_name, s->reverse_name,
			"Unverified Client host" };
	case ABOUT_HELO:
		return (struct subject){ or_empty(s->helo), or_empty(s->helo),
			"Helo command" };
	case ABOUT_SENDER:
		return (struct subject){ or_empty(sender),
			shown(s, or_empty(sender)), "Sender address" };
	case ABOUT_RECIPIENT:
		return (struct subject){ or_empty(s->recipient),
			shown(s, or_empty(s->recipient)),
			"Recipient address" };
	case ABOUT_SASL:
		return (struct subject){ or_empty(s->sasl_username),
			or_empty(s->sasl_username), "SASL login name" };
	case ABOUT_CCERT:
		return (struct subject){ or_empty(s->tls.peer_fingerprint),
			or_empty(s->tls.peer_fingerprint),
			"Client certificate" };
	case ABOUT_ETRN:
		return (struct subject){ or_empty(s->etrn), or_empty(s->etrn),
			"Etrn command" };
	default:
		return stage_subject(s);
	}
}

/* ---- what permits ---- */

void check_log_permit(struct session *s, struct str action,
	const struct subject *subject, struct str table)
{
	if (match_string(server.logged_permits, s->arena, action) !=
		MAPS_FOUND)
		return;
	log_event(s, "permit", arena_fmt(s->arena,
		"action=%.*s for %s=%.*s %s%.*s", STR_ARG(action),
		subject->class, STR_ARG(subject->name),
		table.len > 0 ? "from " : "", STR_ARG(table)));
}

/* Tables log for themselves. */
static void log_permit(struct session *s,
	const struct restriction *restriction)
{
	struct subject subject;

	if (!restriction->row || restriction->row->argument == TAKES_MAP ||
		!str_starts(restriction->name, STR("permit")))
		return;
	subject = check_subject(s, restriction->row->subject ==
		ABOUT_RECIPIENT ? ABOUT_RECIPIENT : ABOUT_CLIENT);
	check_log_permit(s, restriction->name, &subject, STR(""));
}

/* ---- lists ---- */

static enum verdict check_one(struct session *s,
	const struct restriction *restriction)
{
	if (restriction->id == RESTRICTION_CLASS)
		return check_list(s, restriction->list);
	if (restriction->id == RESTRICTION_BAD)
		return check_config_error(s, restriction->problem);
	return functions[restriction->id](s, restriction);
}

enum verdict check_list(struct session *s, const struct restriction_list *list)
{
	enum verdict verdict = DUNNO;
	bool warn = s->check.warn;

	if (++s->check.depth > DEPTH_MOST)
		verdict = check_config_error(s,
			STR("restriction lists nest too deep"));
	for (size_t i = 0; i < list->count && verdict == DUNNO; i++) {
		s->check.warn = warn || list->items[i].warn;
		verdict = check_one(s, &list->items[i]);
		if (verdict == PERMIT)
			log_permit(s, &list->items[i]);
		explain_restriction(s, list, &list->items[i], verdict);
	}
	s->check.warn = warn;
	s->check.depth--;
	return verdict;
}

static struct status run(struct session *s, enum check_stage stage)
{
	s->check = (struct evaluation){ .stage = stage };
	s->deferrals[stage].active = false;
	if (check_list(s, server.lists[stage]) == REFUSE)
		return s->check.status;
	return STATUS_OK;
}

struct status check_connect(struct session *s)
{
	return s->conf->smtpd_delay_reject ? STATUS_OK : run(s, CHECK_CLIENT);
}

struct status check_helo(struct session *s)
{
	return s->conf->smtpd_delay_reject ? STATUS_OK : run(s, CHECK_HELO);
}

struct status check_mail(struct session *s)
{
	return s->conf->smtpd_delay_reject ? STATUS_OK : run(s, CHECK_SENDER);
}

/* What the lists of all stages would permit, but one of them was in doubt. */
static struct status deferred(struct session *s)
{
	for (size_t i = 0; i <= CHECK_RECIPIENT; i++)
		if (s->deferrals[i].active) {
			log_refusal(s, "reject", s->deferrals[i].status);
			return s->deferrals[i].status;
		}
	return STATUS_OK;
}

/* The lists that come at RCPT, in their order; ended by CHECK_STAGES. */
static void order(const struct session *s, enum check_stage *stages)
{
	size_t count = 0;
	bool relay_first = s->conf->smtpd_relay_before_recipient_restrictions;

	if (s->conf->smtpd_delay_reject) {
		stages[count++] = CHECK_CLIENT;
		stages[count++] = CHECK_HELO;
		stages[count++] = CHECK_SENDER;
	}
	stages[count++] = relay_first ? CHECK_RELAY : CHECK_RECIPIENT;
	stages[count++] = relay_first ? CHECK_RECIPIENT : CHECK_RELAY;
	stages[count] = CHECK_STAGES;
}

/* DISCARD: taken, whoever it is for. */
static bool is_discarded(const struct session *s)
{
	return (s->actions.flags & SUBMIT_DISCARD) ||
		(s->mail && (s->mail->actions.flags & SUBMIT_DISCARD));
}

/* A user unknown to the tables of its class, smtpd_reject_unlisted_... */
static struct status check_listed(struct session *s)
{
	s->check = (struct evaluation){ .stage = CHECK_RECIPIENT };
	if (is_discarded(s))
		return STATUS_OK;
	if (s->conf->smtpd_reject_unlisted_sender && s->mail &&
		check_listed_address(s, ABOUT_SENDER) == REFUSE)
		return s->check.status;
	if (s->conf->smtpd_reject_unlisted_recipient &&
		check_listed_address(s, ABOUT_RECIPIENT) == REFUSE)
		return s->check.status;
	return STATUS_OK;
}

/* RFC 5321 4.5.1: <postmaster> is always heard, if that is here. */
static bool is_postmaster(struct session *s)
{
	struct resolved resolved;

	if (!str_is_nocase(s->recipient, "postmaster"))
		return false;
	check_resolve(s, s->recipient, &resolved);
	return resolved.flags & RESOLVE_FINAL;
}

struct status check_rcpt(struct session *s)
{
	enum check_stage stages[CHECK_STAGES + 1];
	struct status status = STATUS_OK;

	if (server.is_local || is_postmaster(s))
		return STATUS_OK;
	order(s, stages);
	for (size_t i = 0; stages[i] != CHECK_STAGES; i++) {
		status = run(s, stages[i]);
		if (!status_is_ok(status))
			return status;
	}
	status = check_listed(s);
	return status_is_ok(status) ? deferred(s) : status;
}

/* Who may not connect or greet may not ask for this, either. */
struct status check_etrn(struct session *s)
{
	static const enum check_stage stages[] = { CHECK_CLIENT, CHECK_HELO,
		CHECK_ETRN };
	struct status status = STATUS_OK;

	if (server.is_local)
		return STATUS_OK;
	for (size_t i = 0; i < COUNT(stages) && status_is_ok(status); i++)
		if (s->conf->smtpd_delay_reject || stages[i] == CHECK_ETRN)
			status = run(s, stages[i]);
	for (size_t i = 0; i < COUNT(stages) && status_is_ok(status); i++)
		if (s->deferrals[stages[i]].active) {
			status = s->deferrals[stages[i]].status;
			log_refusal(s, "reject", status);
		}
	return status;
}

/* A single recipient may be looked at here, too. */
static struct status check_late(struct session *s, enum check_stage stage)
{
	struct status status;

	if (s->mail->recipients == 1)
		s->recipient = s->mail->first_recipient;
	status = run(s, stage);
	if (status_is_ok(status) && s->deferrals[stage].active) {
		status = s->deferrals[stage].status;
		log_refusal(s, "reject", status);
	}
	s->recipient = STR_NONE;
	return status;
}

struct status check_data(struct session *s)
{
	return check_late(s, CHECK_DATA);
}

struct status check_end_of_data(struct session *s)
{
	return check_late(s, CHECK_END_OF_DATA);
}
