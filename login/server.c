/*
 * TLS, made ready before the sandbox closes.
 */
#include "session.h"

#include "base/log.h"
#include "maps/maps.h"

static struct tls_context *context; /* NULL: no certificate */

bool server_has_tls(void)
{
	return context != NULL;
}

/* The grade of ciphers that submission demands, too. */
static struct str cipher_list(const struct conf *conf)
{
	return str_is_nocase(conf->smtpd_tls_mandatory_ciphers, "high") ?
		conf->tls_high_cipherlist : conf->tls_medium_cipherlist;
}

void server_prepare(const struct conf *conf)
{
	static struct arena *arena;
	struct str error = STR("");
	struct tls_chain chain;
	const struct tls_options options = {
		.is_server = true, .chains = &chain, .chain_count = 1,
		.protocols = conf->smtpd_tls_mandatory_protocols,
		.ciphers = cipher_list(conf),
		.exclude = arena_fmt(arena = arena_new(0), "%.*s %.*s",
			STR_ARG(conf->smtpd_tls_exclude_ciphers),
			STR_ARG(conf->smtpd_tls_mandatory_exclude_ciphers)),
		.prefer_server = conf->tls_preempt_cipherlist,
		.session_timeout = conf->smtpd_tls_session_cache_timeout,
		.no_tickets = conf->smtpd_tls_session_cache_timeout.us <= 0,
		.service = service_row(),
	};

	if (conf->login_tls_cert_file.len == 0 ||
		str_is(conf->login_tls_cert_file, "none"))
		return;
	chain = (struct tls_chain){
		.cert_file = arena_cstr(arena, conf->login_tls_cert_file),
		.key_file = conf->login_tls_key_file.len > 0 ?
			arena_cstr(arena, conf->login_tls_key_file) : NULL,
	};
	maps_watch_tls(&options);
	context = tls_context_new(arena, &options, &error);
	if (!context)
		log_warning("%.*s", STR_ARG(error));
}

void server_ticket_keys(struct str keys)
{
	if (context && !tls_context_ticket_keys(context, keys))
		log_warning("keys of session tickets: refused");
}

bool server_tls(struct session *s)
{
	s->is_gone = true;
	if (!context) {
		s->end = "TLS is not configured";
		return false;
	}
	if (!tls_accept(s->arena, s->io, context, s->conf->login_timeout,
		    &s->tls)) {
		s->end = "TLS handshaking failed";
		return false;
	}
	s->has_tls = true;
	s->is_gone = false;
	return true;
}
