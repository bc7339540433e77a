#include "smtp/session.h"

#include "base/log.h"
#include "dns/dns.h"
#include "ipc/messages.h"
#include "service/service.h"
#include "smtp/resumption.h"
#include "smtp/sasl.h"
#include "smtp/tables.h"

#include <errno.h>
#include <string.h>

enum {
	SESSION_CEILING = 8 * 1024 * 1024, /* octets */
	DIALER_S = 10,                     /* to be introduced */
};

/* ---- troubles ---- */

struct outcome session_lost(const struct session *session,
	struct arena *arena, const char *phase)
{
	int error = errno;
	struct outcome trouble;

	if (error == ETIMEDOUT)
		trouble = outcome_f(arena, 451, 4, 2,
			"conversation with %.*s timed out while %s",
			STR_ARG(session->site.where), phase);
	else if (error == EMSGSIZE || error == EPROTO)
		trouble = outcome_f(arena, 451, 5, 0,
			"protocol error from %.*s while %s",
			STR_ARG(session->site.where), phase);
	else
		trouble = outcome_f(arena, 451, 4, 2,
			"lost connection with %.*s while %s",
			STR_ARG(session->site.where), phase);
	trouble.mta = arena_copy(arena, session->site.host);
	trouble.relay = arena_copy(arena, session->site.relay);
	trouble.is_site = true;
	return trouble;
}

struct outcome session_said(const struct session *session,
	struct arena *arena, const struct smtp_reply *reply,
	const char *command)
{
	struct str text = talk_text(arena, reply);
	struct outcome outcome = {
		.status = smtp_reply_status(reply),
		.diagnostic = text,
		.mta = arena_copy(arena, session->site.host),
		.relay = arena_copy(arena, session->site.relay),
	};

	outcome.status.text = arena_fmt(arena,
		"host %.*s said: %.*s (in reply to %s command)",
		STR_ARG(session->site.where), STR_ARG(text), command);
	if (outcome.status.code / 100 != 5 && outcome.status.code / 100 != 4) {
		/* an answer that makes no sense there */
		outcome.status.code = 451;
		outcome.status.subject = 5;
		outcome.status.detail = 0;
	}
	if (reply->code == 421)
		outcome.is_site = true;
	return outcome;
}

/* "host X refused to talk to me: 554 ...", a trouble of the whole site. */
static struct outcome refused(const struct session *session,
	struct arena *arena, const struct smtp_reply *reply)
{
	struct outcome outcome = session_said(session, arena, reply, "");

	outcome.status.text = arena_fmt(arena,
		"host %.*s refused to talk to me: %.*s",
		STR_ARG(session->site.where), STR_ARG(outcome.diagnostic));
	outcome.is_site = true;
	return outcome;
}

/* ---- replies ---- */

void session_debug(const struct session *session, const char *way,
	struct str line)
{
	if (session->is_debugged)
		log_info("%s %.*s: %.*s", way, STR_ARG(session->site.where),
			STR_ARG(str_trim(line)));
}

/* smtp_reply_filter. False: it cannot be asked. */
static bool heard(void *context, struct arena *arena, struct str *line)
{
	struct str text = *line;

	while (text.len > 0 && (text.p[text.len - 1] == '\n' ||
				       text.p[text.len - 1] == '\r'))
		text.len--;
	switch (tables_has(TABLE_REPLIES) ?
			tables_find(arena, TABLE_REPLIES, text, &text) :
			TABLE_NOTHING) {
	case TABLE_FOUND:
		*line = text;
		break;
	case TABLE_NOTHING:
		break;
	default:
		errno = EIO;
		return false;
	}
	session_debug(context, "<", *line);
	return true;
}

bool session_reply(struct session *session, struct arena *arena,
	struct span timeout, const char *phase, struct smtp_reply *reply,
	struct outcome *trouble)
{
	if (talk_reply(&session->talk, arena, timeout, reply))
		return true;
	*trouble = session_lost(session, arena, phase);
	return false;
}

bool session_command(struct session *session, struct arena *arena,
	struct str line, struct span timeout, const char *phase,
	struct smtp_reply *reply, struct outcome *trouble)
{
	if (talk_command(&session->talk, arena, line, timeout, reply))
		return true;
	*trouble = session_lost(session, arena, phase);
	return false;
}

/* ---- the connection ---- */

static struct str endpoint_of(struct arena *arena, const struct site *site)
{
	struct str address;

	if (site->is_unix)
		return arena_fmt(arena, "unix:%.*s", STR_ARG(site->host));
	address = dns_address_text(arena, &site->address);
	return arena_fmt(arena,
		site->address.v6 ? "inet:[%.*s]:%u" : "inet:%.*s:%u",
		STR_ARG(address), site->port);
}

static struct outcome cannot_connect(struct arena *arena,
	const struct opening *o, struct str why)
{
	struct outcome trouble = outcome_f(arena, 451, 4, 1,
		"connect to %.*s: %.*s", STR_ARG(o->site->relay),
		STR_ARG(why));

	trouble.mta = o->site->host;
	trouble.is_site = true;
	return trouble;
}

/* The connected socket, or -1 and trouble. */
static int dial(const struct opening *o, struct outcome *trouble)
{
	const struct settings *set = o->set;
	struct span timeout = set->connect_timeout;
	struct msg_dial m = {
		.purpose = set->is_lmtp ? STR("lmtp") : STR("smtp"),
		.endpoint = endpoint_of(o->arena, o->site),
		.source = o->site->address.v6 ? set->bind_address6 :
						set->bind_address,
		.source_only = set->bind_address_enforce,
		.timeout_ms = (uint64_t)span_to_ms(timeout),
	};
	struct msg_dialed dialed = { .socket = -1 };
	struct call *call =
		service_call(o->arena, "dialer", span_s(DIALER_S));

	if (m.source.len == 0 || o->site->is_unix)
		m.source = STR_NONE;
	if (timeout.us > 0) /* the dialer's own time is a little shorter */
		timeout.us += 10 * 1000000;
	else
		timeout = SPAN_FOREVER;
	if (!call || !msg_dial_send(call, &m) ||
		!msg_dialed_recv(call, &dialed, timeout)) {
		*trouble = cannot_connect(o->arena, o,
			arena_fmt(o->arena, "dialer: %m"));
		if (call)
			call_close(call);
		return -1;
	}
	if (dialed.status != 0 || dialed.socket < 0)
		*trouble = cannot_connect(o->arena, o,
			arena_copy(o->arena, dialed.text));
	call_close(call);
	return dialed.status == 0 ? dialed.socket : -1;
}

static struct session *new_session(const struct opening *o, int fd)
{
	struct arena *arena = arena_new(SESSION_CEILING);
	struct session *session = arena_new_of(arena, struct session);

	session->arena = arena;
	session->set = o->set;
	session->talk = (struct talk){
		.arena = arena,
		.io = stream_open(arena, fd),
		.heard = heard,
		.context = session,
	};
	session->site = *o->site;
	session->site.host = arena_copy(arena, o->site->host);
	session->site.relay = arena_copy(arena, o->site->relay);
	session->site.where = arena_copy(arena, o->site->where);
	session->site.canonical = arena_copy(arena, o->site->canonical);
	session->site.domain = arena_copy(arena, o->site->domain);
	session->opened = moment_now();
	session->address = o->site->is_unix ? STR("") :
		dns_address_text(arena, &o->site->address);
	session->keeps_tls = o->policy->reuse == REUSE_YES;
	session->is_debugged = tables_debugs(arena, session->site.host,
		session->address);
	return session;
}

/* ---- TLS ---- */

/* The server, with what the session was opened with. */
static struct str resumption_key(struct arena *arena,
	const struct session *session)
{
	return arena_fmt(arena, "%.*s %.*s", STR_ARG(session->site.relay),
		STR_ARG(session->sign));
}

/* At the end of the conversation: TLSv1.3 gives tickets when it likes. */
static void keep_resumption(struct session *session)
{
	struct arena *arena = session->arena;

	resumption_keep(resumption_key(arena, session),
		tls_resumption(arena, &session->talk.tls));
}

static struct outcome tls_trouble(const struct session *session,
	struct outcome trouble)
{
	trouble.mta = session->site.host;
	trouble.is_site = true;
	return trouble;
}

/* *_tls_loglevel_maps: the destination, the server's name or address. */
static bool is_tls_logged(const struct session *session,
	const struct opening *o)
{
	const struct str keys[] = { o->destination->text, o->destination->host,
		session->site.host, session->address };
	struct str level = session->set->tls_loglevel, found;

	for (size_t i = 0; i < COUNT(keys) && tables_has(TABLE_LOGLEVELS); i++)
		if (keys[i].len > 0 && tables_find(o->arena, TABLE_LOGLEVELS,
				keys[i], &found) == TABLE_FOUND) {
			level = found;
			break;
		}
	return level.len > 0 && !str_is(level, "0");
}

/* The handshake and, above encrypt, the judgement of the certificate. */
static bool start_tls(struct session *session, const struct opening *o,
	struct outcome *trouble)
{
	const struct settings *set = session->set;
	struct tls_context *context = tls_policy_context(o->policy);
	bool satisfied;
	struct tls_client client = tls_policy_client(session->arena, set,
		o->policy, o->destination, &session->site);

	if (!context) {
		*trouble = tls_trouble(session,
			outcome_f(o->arena, 451, 7, 5,
				"TLS is required, but our TLS engine is "
				"unavailable"));
		return false;
	}
	client.resume = resumption_find(session->arena,
		resumption_key(session->arena, session));
	if (!talk_tls(&session->talk, context, &client,
		    set->starttls_timeout)) {
		log_info("SSL_connect error to %.*s: %.*s",
			STR_ARG(session->site.relay),
			STR_ARG(session->talk.tls.failure));
		*trouble = tls_trouble(session,
			outcome_f(o->arena, 451, 7, 5,
				"Cannot start TLS: handshake failure"));
		return false;
	}
	satisfied = tls_policy_judge(o->policy, &session->talk.tls);
	session->is_verified = session->talk.tls.is_matched;
	if (is_tls_logged(session, o))
		tls_log(&session->talk.tls, "to", session->site.relay);
	if (satisfied)
		return true;
	log_info("server certificate verification failed for %.*s: %.*s",
		STR_ARG(session->site.relay), STR_ARG(session->talk.tls.distrust));
	*trouble = tls_trouble(session,
		outcome_f(o->arena, 451, 7, 5,
			session->talk.tls.is_trusted ||
					client.dane ||
					o->policy->level ==
						TLS_LEVEL_FINGERPRINT ?
				"Server certificate not verified" :
				"Server certificate not trusted"));
	return false;
}

void session_close(struct session *session)
{
	const struct settings *set = session->set;
	struct smtp_reply reply;
	struct outcome trouble;

	if (!session->talk.is_broken) {
		io_text(session->talk.io, "QUIT\r\n");
		if (io_flush(session->talk.io, set->quit_timeout) &&
			!set->skip_quit_response)
			(void)!session_reply(session, session->arena,
				set->quit_timeout, "sending QUIT", &reply,
				&trouble);
	}
	if (session->talk.is_tls)
		keep_resumption(session);
	arena_free(session->arena);
}

/* ---- greeting and features ---- */

static bool is_loop(const struct session *session, struct str name)
{
	return session->site.detect_loop &&
		str_eq_nocase(name, session->set->conf->myhostname);
}

/* "220 ***2****0**": a firewall hides what stands there. */
static bool is_pix(struct str greeting)
{
	bool has_star = false;

	for (size_t i = 0; i < greeting.len; i++) {
		if (!strchr("*20 \t\r\n", greeting.p[i]))
			return false;
		has_star |= greeting.p[i] == '*';
	}
	return has_star;
}

/* smtp_pix_workarounds, for mail that has waited before. */
static void find_workarounds(struct session *session, const struct opening *o,
	struct str greeting)
{
	const struct settings *set = session->set;
	struct str words = set->pix_workarounds, found;

	if (!is_pix(greeting) || wall_us() - o->arrival_us <
			set->pix_workaround_threshold_time.us)
		return;
	if (tables_has(TABLE_PIX) && tables_find(o->arena, TABLE_PIX,
			session->address, &found) == TABLE_FOUND)
		words = found;
	session->no_ehlo = settings_lists(words, "disable_esmtp");
	session->slow_dot = settings_lists(words, "delay_dotcrlf");
	if (words.len > 0)
		log_info("%.*s: enabling PIX workarounds: %.*s for %.*s",
			STR_ARG(o->queue_id), STR_ARG(words),
			STR_ARG(session->site.relay));
}

static bool greet(struct session *session, const struct opening *o,
	struct outcome *trouble)
{
	const struct settings *set = session->set;
	struct smtp_reply reply;
	int class;

	if (!session_reply(session, o->arena, set->helo_timeout,
		    "receiving the initial server greeting", &reply, trouble))
		return false;
	class = reply.code / 100;
	if (class == 2) {
		find_workarounds(session, o, reply.whole);
		return true;
	}
	*trouble = refused(session, o->arena, &reply);
	if (class == 5 && set->skip_5xx_greeting)
		trouble->status.code = (uint16_t)(reply.code - 100);
	return false;
}

/* Features that are not to be used, by the server's address. */
static struct str discarded(const struct session *session,
	const struct opening *o)
{
	struct str found;

	if (tables_has(TABLE_DISCARDS) &&
		tables_find(o->arena, TABLE_DISCARDS, session->address,
			&found) == TABLE_FOUND)
		return found;
	return session->set->discard_keywords;
}

static bool say_helo(struct session *session, const struct opening *o,
	const char *verb, struct smtp_reply *reply, struct outcome *trouble)
{
	const char *phase = verb[0] == 'E' ? "performing the EHLO handshake" :
		verb[0] == 'L'             ? "performing the LHLO handshake" :
					     "performing the HELO handshake";

	session_debug(session, ">", arena_fmt(o->arena, "%s %.*s", verb,
		STR_ARG(session->set->helo_name)));
	if (talk_hello(&session->talk, o->arena, verb, session->set->helo_name,
		    discarded(session, o), session->set->helo_timeout, reply))
		return true;
	*trouble = session_lost(session, o->arena, phase);
	return false;
}

/* EHLO, LHLO or HELO: what the server can do. */
static bool introduce(struct session *session, const struct opening *o,
	struct outcome *trouble)
{
	const struct settings *set = session->set;
	struct smtp_reply reply;
	bool extended = set->is_lmtp ||
		(!set->never_send_ehlo && !session->no_ehlo);
	bool wants_helo;

	if (extended && !say_helo(session, o, set->is_lmtp ? "LHLO" : "EHLO",
				&reply, trouble))
		return false;
	wants_helo = !extended ||
		(reply.code / 100 == 5 && !set->is_lmtp &&
			!session->talk.is_tls && !session->talk.is_broken);
	if (wants_helo && !say_helo(session, o, "HELO", &reply, trouble))
		return false;
	if (reply.code / 100 != 2) {
		*trouble = refused(session, o->arena, &reply);
		return false;
	}
	if (!is_loop(session, session->talk.features.name))
		return true;
	*trouble = outcome_f(o->arena, 550, 4, 6,
		"mail for %.*s loops back to myself",
		STR_ARG(o->destination->host));
	log_warning("host %.*s greeted me with my own hostname %.*s",
		STR_ARG(session->site.relay), STR_ARG(set->conf->myhostname));
	return false;
}

/* What comes in the clear behind the answer to STARTTLS was put there by
 * somebody else; it ends the connection, RFC 3207 6. */
static bool is_silent(struct session *session, const struct opening *o,
	struct outcome *trouble)
{
	if (talk_is_silent(&session->talk))
		return true;
	log_warning("plaintext after the answer to STARTTLS from %.*s",
		STR_ARG(session->site.relay));
	*trouble = tls_trouble(session,
		outcome_f(o->arena, 451, 7, 5,
			"host %.*s sent plaintext after its answer to "
			"STARTTLS", STR_ARG(session->site.where)));
	return false;
}

/*
 * An answer to what we have not said: somebody has put commands of his own
 * before ours (CVE-2009-3555), and the server believes that we sent them.
 */
static bool is_expected(struct session *session, const struct opening *o,
	struct outcome *trouble)
{
	if (!session->set->tls_block_early_mail_reply ||
		!io_has_input(session->talk.io))
		return true;
	log_warning("%.*s: reply to a command that was not sent, over TLS",
		STR_ARG(session->site.relay));
	session->talk.is_broken = true;
	*trouble = tls_trouble(session,
		outcome_f(o->arena, 451, 7, 0,
			"host %.*s sent a reply before the command",
			STR_ARG(session->site.where)));
	return false;
}

/* STARTTLS as far as the policy wants it. */
static bool secure(struct session *session, const struct opening *o,
	struct outcome *trouble)
{
	const struct settings *set = session->set;
	enum tls_level level = o->policy->level;
	struct smtp_reply reply;

	if (level == TLS_LEVEL_NONE && set->tls_note_starttls_offer &&
		(session->talk.features.set & FEATURE_STARTTLS))
		log_info("Host offered STARTTLS: [%.*s]",
			STR_ARG(session->site.host));
	if (session->talk.is_tls || level == TLS_LEVEL_NONE ||
		(level == TLS_LEVEL_MAY && !tls_policy_context(o->policy)))
		return true;
	if (!(session->talk.features.set & FEATURE_STARTTLS)) {
		if (level == TLS_LEVEL_MAY)
			return true;
		*trouble = tls_trouble(session,
			outcome_f(o->arena, 451, 7, 4,
				"TLS is required, but was not offered by "
				"host %.*s",
				STR_ARG(session->site.where)));
		return false;
	}
	if (!session_command(session, o->arena, STR("STARTTLS"),
		    set->starttls_timeout, "sending STARTTLS", &reply,
		    trouble))
		return false;
	if (reply.code / 100 != 2) {
		if (level == TLS_LEVEL_MAY && !session->talk.is_broken)
			return true;
		*trouble = session_said(session, o->arena, &reply, "STARTTLS");
		trouble->status.code = 451;
		trouble->status.subject = 7;
		trouble->status.detail = 5;
		trouble->status.text = arena_fmt(o->arena,
			"TLS is required, but host %.*s refused to start TLS: "
			"%.*s",
			STR_ARG(session->site.where),
			STR_ARG(trouble->diagnostic));
		trouble->is_site = true;
		return false;
	}
	return is_silent(session, o, trouble) &&
		start_tls(session, o, trouble) &&
		introduce(session, o, trouble) &&
		is_expected(session, o, trouble);
}

static bool converse(struct session *session, const struct opening *o,
	struct outcome *trouble)
{
	bool wrapped = session->set->tls_wrappermode &&
		o->policy->level >= TLS_LEVEL_ENCRYPT;

	if (wrapped && !start_tls(session, o, trouble))
		return false;
	return greet(session, o, trouble) && introduce(session, o, trouble) &&
		secure(session, o, trouble) &&
		sasl_login(session, o, trouble);
}

static struct session *open_once(const struct opening *o,
	struct outcome *trouble, bool *tls_failed)
{
	int fd = dial(o, trouble);
	struct session *session;

	*tls_failed = false;
	if (fd < 0)
		return NULL;
	session = new_session(o, fd);
	session->sign = arena_copy(session->arena, o->sign);
	if (converse(session, o, trouble))
		return session;
	*tls_failed = session->talk.is_broken && !session->talk.is_tls &&
		session->talk.tls.failure.len > 0;
	trouble->mta = arena_copy(o->arena, session->site.host);
	trouble->relay = arena_copy(o->arena, session->site.relay);
	session_close(session);
	return NULL;
}

struct session *session_open(const struct opening *o, struct outcome *trouble)
{
	struct opening plain = *o;
	struct tls_policy none = { .level = TLS_LEVEL_NONE };
	struct session *session;
	bool tls_failed;

	if (o->set->tls_wrappermode && o->policy->level < TLS_LEVEL_ENCRYPT) {
		*trouble = outcome_f(o->arena, 451, 7, 5,
			"TLS wrapper mode needs the security level encrypt");
		return NULL;
	}
	session = open_once(o, trouble, &tls_failed);
	if (session || !tls_failed || o->policy->level != TLS_LEVEL_MAY)
		return session;
	/* opportunistic: plaintext is better than no mail */
	plain.policy = &none;
	return open_once(&plain, trouble, &tls_failed);
}
