#include "smtpd/session.h"

#include <errno.h>

#include "base/log.h"

static bool refuse(struct session *s, struct status refusal)
{
	reply(s, refusal);
	s->is_gone = true;
	return false;
}

static void log_failure(struct session *s)
{
	log_info("SSL_accept error from %.*s: %.*s", STR_ARG(s->label),
		STR_ARG(s->tls.failure));
}

/* smtpd_tls_loglevel_maps: by the client's name, then by its address. */
static bool is_logged(struct session *s)
{
	struct str level = s->conf->smtpd_tls_loglevel, found;

	if (!maps_is_empty(server.tls_loglevels) &&
		(maps_find(server.tls_loglevels, s->arena, s->name, &found) ==
				MAPS_FOUND ||
			maps_find(server.tls_loglevels, s->arena,
				s->address_text, &found) == MAPS_FOUND))
		level = found;
	return !str_is(level, "0");
}

bool tls_begin(struct session *s)
{
	if (!tls_accept(s->home, s->io, server.tls.context,
		s->conf->smtpd_starttls_timeout, &s->tls)) {
		log_failure(s);
		(void)session_lost(s, ECONNRESET);
		return false;
	}
	s->has_tls = true;
	if (is_logged(s))
		tls_log(&s->tls, "from", s->label);
	if (s->conf->smtpd_tls_req_ccert && server.tls.is_required &&
		!s->tls.is_trusted) {
		log_info("NOQUEUE: abort: TLS from %.*s: %s",
			STR_ARG(s->label), s->tls.has_peer ?
			"Client certificate not trusted" :
			"No client certificate presented");
		return refuse(s, (struct status){ 421, 7, 1,
			STR("Error: client certificate required") });
	}
	return true;
}

/* RFC 3207 4.2: nothing that was said before counts. */
static void forget(struct session *s)
{
	mail_reset(s);
	s->helo = STR_NONE;
	s->is_esmtp = false;
	s->hidden = 0;
	s->sasl_method = s->sasl_username = STR_NONE;
}

/* What comes in the clear behind STARTTLS is somebody's attack; what comes
 * later than this, the handshake takes for TLS, and fails. */
static struct status refuse_input(struct session *s)
{
	log_pipelining(s);
	s->is_gone = true;
	return REPLY_PIPELINING;
}

/* Without a word where TLS comes first: any would be in the clear. */
bool tls_begin_wrapped(struct session *s)
{
	struct status unsaid;

	return server.tls.context && rate_count(s, RATE_TLS, &unsaid) &&
		tls_begin(s);
}

struct status starttls(struct session *s, struct str arguments)
{
	struct status status;

	if (arguments.len > 0)
		return REPLY_STARTTLS_SYNTAX;
	if (!s->is_esmtp || (s->hidden & HIDE_STARTTLS) ||
		(!server.tls.context && str_is_none(server.tls.problem)))
		return REPLY_TLS_NOT_ENABLED;
	if (s->has_tls)
		return REPLY_TLS_ACTIVE;
	if (!server.tls.context)
		return REPLY_TLS_UNAVAILABLE;
	if (io_has_input(s->io))
		return refuse_input(s);
	if (!rate_count(s, RATE_TLS, &status))
		return status;
	reply(s, REPLY_READY_TLS);
	if (!io_flush(s->io, s->conf->smtpd_timeout)) {
		s->is_gone = true;
		return REPLIED;
	}
	forget(s);
	(void)!tls_begin(s);
	return REPLIED;
}
