/*
 * smtpd - receives mail from the network.
 *
 * Room       a fiber per client; user posthorn-in, empty root; opens nothing
 * Gets       clients, by accept() on inherited sockets; from cleanup, for
 *            content over 64 KiB only, a write-only descriptor
 * Calls      cleanup, auth, resolver, dialer (mail filters, policy servers, the
 *            proxy filter), proxymap, anvil, verify; qmgr, for ETRN
 * RFC        5321, 1870, 1985, 2920, 3030, 3207, 3461, 4954, 6531
 */
#include "smtpd/session.h"

#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "smtp/command.h"

enum {
	LAST = 1,  /* ends a group, RFC 2920 3.1 */
	PLAIN = 2, /* may come before TLS where TLS is required */
	JUNK = 4,  /* counts against smtpd_junk_command_limit */
};

#define NEVER_SAID { 0 }
#define OUT_OF_ORDER(text) { 503, 5, 1, { "" text, sizeof(text) - 1 } }

#define MAIL_IN_PROGRESS OUT_OF_ORDER("Error: MAIL transaction in progress")

/* RFC 5321 4.1.1 unless noted; in the order of the "disconnect" line. */
static const struct verb {
	const char *name;
	struct status (*run)(struct session *s, struct str arguments);
	unsigned when, flags; /* stages */
	struct status otherwise; /* at another stage */
} verbs[] = {
	{ "EHLO", ehlo, AT_ANY, LAST | PLAIN | JUNK, NEVER_SAID },
	{ "HELO", helo, AT_ANY, LAST | PLAIN | JUNK, NEVER_SAID },
	{ "XCLIENT", xclient, AT_START, LAST, MAIL_IN_PROGRESS },
	{ "XFORWARD", xforward, AT_START, 0, MAIL_IN_PROGRESS },
	{ "STARTTLS", starttls, AT_ANY, PLAIN, NEVER_SAID }, /* RFC 3207 4 */
	{ "AUTH", auth, AT_ANY, 0, NEVER_SAID }, /* RFC 4954 4 */
	{ "MAIL", mail, AT_START, 0,
		OUT_OF_ORDER("Error: nested MAIL command") },
	{ "RCPT", rcpt, AT_MAIL | AT_RCPT, 0,
		OUT_OF_ORDER("Error: need MAIL command") },
	{ "DATA", data, AT_START | AT_MAIL | AT_RCPT, LAST,
		OUT_OF_ORDER("Error: DATA after BDAT") },
	{ "BDAT", bdat, AT_ANY, 0, NEVER_SAID }, /* RFC 3030 2 */
	{ "RSET", rset, AT_ANY, JUNK, NEVER_SAID },
	{ "NOOP", noop, AT_ANY, LAST | PLAIN | JUNK, NEVER_SAID },
	{ "VRFY", vrfy, AT_ANY, LAST | JUNK, NEVER_SAID },
	{ "ETRN", etrn, AT_START, JUNK, MAIL_IN_PROGRESS }, /* RFC 1985 */
	{ "QUIT", quit, AT_ANY, PLAIN, NEVER_SAID },
	{ "HELP", help, AT_ANY, PLAIN, NEVER_SAID },
};

static const struct verb *find_verb(struct str name)
{
	for (size_t i = 0; i < COUNT(verbs); i++)
		if (str_is_nocase(name, verbs[i].name))
			return &verbs[i];
	return NULL;
}

/* ---- clients that speak before their turn ---- */

static void refuse_pipelining(struct session *s)
{
	s->saw_bad_pipelining = true;
	log_pipelining(s);
	if (!s->conf->smtpd_forbid_unauth_pipelining)
		return;
	reply(s, REPLY_PIPELINING);
	s->is_gone = true;
}

/* RFC 2920 3.1; without ESMTP each command awaits its reply. */
static bool is_out_of_turn(struct session *s, const struct verb *verb)
{
	bool must_wait = (verb->flags & LAST) ||
		((!s->is_esmtp || (s->hidden & HIDE_PIPELINING)) &&
		verb->run != quit && verb->run != starttls);

	return must_wait && !service_is_alone() && !s->saw_bad_pipelining &&
		io_has_input(s->io);
}

/* ---- one command ---- */

static struct status forbid(struct session *s, struct str line)
{
	log_warning("non-SMTP command from %.*s: %.*s", STR_ARG(s->label),
		STR_ARG(str_first(line, 100)));
	s->is_gone = true;
	return REPLY_GET_OUT;
}

/* A header field, a web browser: nobody who sends mail. */
static bool is_forbidden(struct session *s, struct str verb)
{
	return str_ends(verb, STR(":")) || match_string(
		server.forbidden_commands, s->arena, verb) == MAPS_FOUND;
}

static struct status run_unknown(struct session *s,
	const struct smtp_command *command, struct str line)
{
	struct status status;

	s->where = "UNKNOWN";
	if (is_forbidden(s, command->verb))
		return forbid(s, line);
	status = milter_unknown(s, command->verb);
	return status_is_ok(status) ? REPLY_UNKNOWN_COMMAND : status;
}

static void count_junk(struct session *s, const struct verb *verb)
{
	if ((verb->flags & JUNK) &&
		(int64_t)s->junk++ > s->conf->smtpd_junk_command_limit)
		s->errors++;
}

static struct status run_verb(struct session *s, const struct verb *verb,
	struct str arguments)
{
	s->where = verb->name;
	if (is_out_of_turn(s, verb)) {
		refuse_pipelining(s);
		if (s->is_gone)
			return REPLIED;
	}
	count_junk(s, verb);
	if (server.tls.is_required && !s->has_tls && !(verb->flags & PLAIN))
		return REPLY_NEED_TLS;
	if (!(verb->when & s->stage))
		return s->stage == AT_BDAT && verb->run == rcpt ?
			REPLY_RCPT_AFTER_BDAT : verb->otherwise;
	return verb->run(s, arguments);
}

static struct str filter_command(struct session *s, struct str line)
{
	struct str other;

	if (!maps_is_empty(server.command_filter) && maps_find(
		server.command_filter, s->arena, line, &other) == MAPS_FOUND)
		return other;
	return line;
}

static bool is_bare_lf(struct session *s)
{
	if (!stream_bare_lf(s->io) || server.newline == SMTP_NEWLINE_ANY ||
		client_is_in(s, server.bare_newline_exempt))
		return false;
	s->saw_bare_lf |= server.note_bare_newline;
	return server.newline == SMTP_NEWLINE_REJECT;
}

static void count(struct session *s, const struct verb *verb,
	unsigned errors_before)
{
	size_t at = verb ? (size_t)(verb - verbs) : VERBS_MOST;

	s->counts[at].all++;
	if (s->errors <= errors_before && !s->is_cut_off)
		s->counts[at].ok++;
}

/* "AUTH PLAIN", without the response that may stand behind it. */
static struct str without_secret(struct str line)
{
	struct str rest = line;

	if (!str_is_nocase(str_take_word(&rest), "AUTH"))
		return line;
	(void)str_take_word(&rest);
	return str_first(line, line.len - rest.len);
}

static void run_line(struct session *s, struct str line)
{
	struct smtp_command command;
	const struct verb *verb = NULL;
	unsigned before = s->errors;

	if (s->is_debugged)
		log_info("< %.*s: %.*s", STR_ARG(s->label),
			STR_ARG(without_secret(line)));
	transcript_heard(s, without_secret(line));
	line = filter_command(s, line);
	if (is_bare_lf(s)) {
		struct status status = REPLY_BARE_LF;

		status.code = (uint16_t)
			s->conf->smtpd_forbid_bare_newline_reject_code;
		reply(s, status);
	} else if (!smtp_command_parse(line, &command)) {
		s->where = "UNKNOWN";
		reply(s, REPLY_BAD_SYNTAX);
	} else if (match_string(server.noop_commands, s->arena,
		command.verb) == MAPS_FOUND) {
		reply(s, REPLY_OK);
		return;
	} else {
		verb = find_verb(command.verb);
		reply(s, verb ? run_verb(s, verb, command.arguments) :
			run_unknown(s, &command, line));
	}
	count(s, verb, before);
}

/* ---- the session ---- */

static void line_too_long(struct session *s)
{
	reply(s, status_f(s->arena, 500, 5, 2,
		"%.*s Error: command too long",
		STR_ARG(s->conf->myhostname)));
	s->counts[VERBS_MOST].all++;
}

struct status session_lost(struct session *s, int error)
{
	const char *what = "lost connection";
	char octets[40] = "";

	s->is_gone = s->is_cut_off = true;
	if (s->mail && s->mail->octets > 0)
		snprintf(octets, sizeof(octets), " (%llu bytes)",
			(unsigned long long)s->mail->octets);
	if (error == ETIMEDOUT)
		what = "timeout";
	log_info("%.*s: %s after %s%s from %.*s", STR_ARG(queue_id(s)), what,
		s->where, octets, STR_ARG(s->label));
	if (error == ETIMEDOUT)
		reply_last(s, 4, 2, "Error: timeout exceeded");
	else if (error == ECANCELED)
		reply_last(s, 3, 2, "Service shutting down");
	return REPLIED;
}

static bool has_too_many_errors(struct session *s)
{
	if ((int64_t)s->errors < s->conf->smtpd_hard_error_limit)
		return false;
	log_info("%.*s: too many errors after %s from %.*s",
		STR_ARG(queue_id(s)), s->where, STR_ARG(s->label));
	reply_last(s, 7, 0, "Error: too many errors");
	return true;
}

static void converse(struct session *s)
{
	struct str line;

	s->arena = arena_child(s->home);
	while (!s->is_gone && !has_too_many_errors(s)) {
		if (s->conf->smtpd_per_request_deadline)
			stream_deadline(s->io,
				moment_after(s->conf->smtpd_timeout));
		arena_reset(s->arena);
		if (io_line(s->io, &line, s->conf->smtpd_timeout))
			run_line(s, line);
		else if (errno == EMSGSIZE)
			line_too_long(s);
		else
			(void)session_lost(s, errno);
	}
}

/* False: not welcome. */
static bool welcome(struct session *s)
{
	struct status status;

	if (!rate_count(s, RATE_CONNECT, &status)) {
		reply(s, status);
		return false;
	}
	if (server.tls.is_wrapped && !tls_begin_wrapped(s))
		return false;
	if (!s->has_tls && !service_is_alone() && io_has_input(s->io))
		refuse_pipelining(s);
	if (s->is_gone)
		return false;
	status = check_connect(s);
	if (status_is_ok(status))
		status = milter_connect(s);
	reply(s, status_is_ok(status) ? (struct status){ 220, 0,
		SMTP_NO_ENHANCED, s->conf->smtpd_banner } : status);
	return true;
}

static void session(const struct conf *conf, struct client *client)
{
	struct session s = {
		.conf = conf, .client = client, .io = client->io,
		.home = client->arena, .arena = client->arena,
		.stage = AT_START, .where = "CONNECT",
		.helo = STR_NONE, .recipient = STR_NONE, .etrn = STR_NONE,
		.sasl_method = STR_NONE, .sasl_username = STR_NONE,
		.server_address = STR_NONE, .server_port = STR_NONE,
	};
	bool is_introduced;

	stream_line_limit(s.io, (size_t)conf->line_length_limit);
	stream_write_timeout(s.io, conf->smtpd_timeout);
	transcript_open(&s);
	is_introduced = client_is_introduced(&s);
	client_identify(&s);
	if (is_introduced && welcome(&s))
		converse(&s);
	if (io_is_cancelled())
		io_uncancel();
	(void)(s.has_tls ? io_shutdown(s.io, span_s(10))
	       : s.has_quit ? io_flush_last(s.io, span_s(10))
			    : io_flush(s.io, span_s(10)));
	mail_reset(&s);
	milter_close(&s);
	transcript_close(&s);
	rate_disconnect(&s);
	client_log_end(&s);
}

/* ---- the "disconnect" line ---- */

static void format_count(struct buf *out, const char *name, unsigned ok,
	unsigned all)
{
	if (all == 0)
		return;
	buf_char(out, ' ');
	for (; *name; name++)
		buf_char(out, (char)ascii_lower((unsigned char)*name));
	buf_fmt(out, "=%u", ok);
	if (ok != all)
		buf_fmt(out, "/%u", all);
}

void client_log_end(struct session *s)
{
	auto_buf struct buf line = { 0 };
	unsigned ok = 0, all = 0;

	for (size_t i = 0; i < COUNT(verbs); i++) {
		format_count(&line, verbs[i].name, s->counts[i].ok,
			s->counts[i].all);
		ok += s->counts[i].ok;
		all += s->counts[i].all;
	}
	format_count(&line, "unknown", 0, s->counts[VERBS_MOST].all);
	all += s->counts[VERBS_MOST].all;
	buf_fmt(&line, " commands=%u", ok);
	if (ok != all || all == 0) /* so does Postfix */
		buf_fmt(&line, "/%u", all);
	if (s->saw_bare_lf)
		buf_text(&line, " notes=bare_lf");
	log_info("disconnect from %.*s%.*s", STR_ARG(s->label), (int)line.len,
		line.p);
}

/* ---- the process ---- */

static void start(const struct conf *conf)
{
	(void)conf;
	maps_watch();
}

static const enum param params[] = {
	smtpd_banner, smtpd_timeout, message_size_limit, smtpd_hard_error_limit,
	smtpd_soft_error_limit, smtpd_error_sleep_time,
	smtpd_junk_command_limit, smtpd_recipient_limit,
	smtpd_recipient_overshoot_limit, smtpd_helo_required,
	smtpd_delay_reject, disable_vrfy_command, line_length_limit,
	smtpd_client_connection_count_limit,
	smtpd_client_connection_rate_limit, smtpd_client_message_rate_limit,
	smtpd_client_recipient_rate_limit, smtpd_client_auth_rate_limit,
	smtpd_client_new_tls_session_rate_limit,
	smtpd_client_ipv4_prefix_length, smtpd_client_ipv6_prefix_length,
	smtpd_forbid_bare_newline, smtpd_forbid_bare_newline_reject_code,
	smtpd_forbid_unauth_pipelining, smtpd_per_request_deadline,
	smtpd_min_data_rate, smtpd_starttls_timeout, smtpd_tls_wrappermode,
	smtpd_tls_auth_only, smtpd_tls_security_level, smtpd_sasl_auth_enable,
	smtpd_sasl_response_limit, smtpd_reject_unlisted_recipient,
	smtpd_reject_unlisted_sender, smtpd_peername_lookup,
	smtpd_client_port_logging, smtpd_hide_client_session,
	smtpd_relay_before_recipient_restrictions, soft_bounce,
	strict_rfc821_envelopes, strict_smtputf8, smtputf8_enable,
	cleanup_replace_stray_cr_lf, enable_long_queue_ids, reject_code,
	defer_code, access_map_reject_code, access_map_defer_code,
	relay_domains_reject_code, maps_rbl_reject_code,
	invalid_hostname_reject_code, non_fqdn_reject_code,
	plaintext_reject_code, multi_recipient_bounce_reject_code,
	unknown_address_reject_code, unknown_client_reject_code,
	unknown_hostname_reject_code, smtpd_authorized_verp_clients,
	default_verp_delimiters, verp_delimiter_filter,
	smtpd_policy_service_default_action, smtpd_policy_service_max_idle,
	smtpd_policy_service_max_ttl, smtpd_policy_service_request_limit,
	smtpd_policy_service_retry_delay, smtpd_policy_service_timeout,
	smtpd_policy_service_try_limit, smtpd_authorized_xclient_hosts,
	smtpd_authorized_xforward_hosts, smtpd_log_access_permit_actions,
	debug_peer_list, debug_peer_level, info_log_address_format,
	permit_mx_backup_networks, proxy_interfaces,
	notify_classes, error_notice_recipient, double_bounce_sender,
	internal_mail_filter_classes, mail_name, myorigin,
	smtpd_history_flush_threshold, smtpd_tls_loglevel_maps, smtpd_delay_open_until_valid_rcpt,
	smtpd_milters, smtpd_milter_maps, milter_protocol,
	milter_default_action, milter_connect_timeout, milter_command_timeout,
	milter_content_timeout, milter_macro_daemon_name, milter_macro_v,
	milter_macro_defaults, milter_connect_macros, milter_helo_macros,
	milter_mail_macros, milter_rcpt_macros, milter_data_macros,
	milter_end_of_header_macros, milter_end_of_data_macros,
	milter_unknown_command_macros, smtpd_proxy_filter, smtpd_proxy_ehlo,
	smtpd_proxy_options, smtpd_proxy_timeout,
	address_verify_poll_count, address_verify_poll_delay,
	address_verify_sender, address_verify_sender_ttl,
	unverified_recipient_defer_code, unverified_recipient_reject_code,
	unverified_recipient_reject_reason,
	unverified_recipient_tempfail_action, unverified_sender_defer_code,
	unverified_sender_reject_code, unverified_sender_reject_reason,
	unverified_sender_tempfail_action,
	smtpd_upstream_proxy_protocol, smtpd_upstream_proxy_timeout,
	PARAMS_END
};

static const struct service smtpd = {
	.name = "smtpd", .fibers = 100, /* clients per process; a setting */
	.profile = PROFILE_NETWORK,
	.calls = "cleanup auth resolver dialer proxymap querymap anvil qmgr "
		"verify",
	.params = params, .prepare = server_open, .start = start,
	.session = session, .ticket_keys = server_ticket_keys,
};

int main(int argc, char **argv)
{
	return service_main(&smtpd, argc, argv);
}
