/*
 * The Received: field of a message, RFC 5321 4.4, as Postfix forms it.
 */
#include "smtpd/session.h"

#include "mail/address.h"
#include "mail/date.h"

static void format_from(struct session *s, struct buf *out)
{
	struct str helo = str_is_none(s->helo) ? s->name : s->helo;

	buf_fmt(out, "from %.*s (%.*s [%s%.*s])\n", STR_ARG(helo),
		STR_ARG(s->name), s->address.v6 ? "IPv6:" : "",
		STR_ARG(s->address_text));
}

static void format_signature(struct buf *out, const char *side,
	struct str signature, struct str digest)
{
	if (signature.len > 0)
		buf_fmt(out, " %s-signature %.*s", side, STR_ARG(signature));
	if (digest.len > 0)
		buf_fmt(out, " %s-digest %.*s", side, STR_ARG(digest));
}

static void format_peer(struct session *s, struct buf *out)
{
	const struct tls_session *tls = &s->tls;

	if (tls->has_peer)
		buf_fmt(out, "\t(Client CN \"%.*s\", Issuer \"%.*s\" "
			"(%s))\n", STR_ARG(tls->peer_subject),
			STR_ARG(tls->peer_issuer), tls->is_trusted ?
			"verified OK" : "not verified");
	else if (s->conf->smtpd_tls_ask_ccert || s->conf->smtpd_tls_req_ccert)
		buf_text(out, "\t(Client did not present a certificate)\n");
	else
		buf_text(out, "\t(No client certificate requested)\n");
}

static void format_tls(struct session *s, struct buf *out)
{
	const struct tls_session *tls = &s->tls;

	buf_fmt(out, "\t(using %.*s with cipher %.*s (%d/%d bits)",
		STR_ARG(tls->protocol), STR_ARG(tls->cipher), tls->bits_used,
		tls->bits);
	if (tls->key_exchange.len > 0) {
		buf_fmt(out, "\n\t key-exchange %.*s",
			STR_ARG(tls->key_exchange));
		format_signature(out, "server", tls->server_signature,
			tls->server_digest);
		if (tls->client_signature.len > 0)
			buf_text(out, "\n\t");
		format_signature(out, "client", tls->client_signature,
			tls->client_digest);
	}
	buf_text(out, ")\n");
	format_peer(s, out);
}

/* RFC 3848, RFC 6531 4.3. */
static void format_protocol(struct session *s, struct buf *out)
{
	bool utf8 = s->mail->flags & SUBMIT_SMTPUTF8;

	if (!s->is_esmtp) {
		buf_text(out, "SMTP");
		return;
	}
	buf_fmt(out, "%s%s%s", utf8 ? "UTF8SMTP" : "ESMTP",
		s->has_tls ? "S" : "", str_is_none(s->sasl_username) ? "" :
		"A");
}

void received_format(struct session *s, struct buf *out)
{
	const struct conf *conf = s->conf;

	buf_text(out, "Received: ");
	if (!conf->smtpd_hide_client_session) {
		format_from(s, out);
		if (s->has_tls && conf->smtpd_tls_received_header)
			format_tls(s, out);
		if (!str_is_none(s->sasl_username) &&
			conf->smtpd_sasl_authenticated_header)
			buf_fmt(out, "\t(Authenticated sender: %.*s)\n",
				STR_ARG(s->sasl_username));
		buf_char(out, '\t');
	}
	buf_fmt(out, "by %.*s (%.*s) with ", STR_ARG(conf->myhostname),
		STR_ARG(conf->mail_name));
	format_protocol(s, out);
	if (!str_is_none(s->mail->queue_id))
		buf_fmt(out, " id %.*s", STR_ARG(s->mail->queue_id));
	if (s->mail->recipients == 1) {
		buf_text(out, "\n\tfor <");
		mail_address_format(out, s->mail->first_recipient);
		buf_text(out, ">; ");
	} else {
		buf_text(out, ";\n\t");
	}
	mail_date_format(out, s->mail->arrival_us / 1000000);
	buf_char(out, '\n');
}
