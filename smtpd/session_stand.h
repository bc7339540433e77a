/*
 * smtpd/session_stand - for tests that include smtpd.c: what the sessions of
 * session_fuzz and milter_fuzz have in common.
 *
 * Waits    no
 */
#ifndef SMTPD_SESSION_STAND_H
#define SMTPD_SESSION_STAND_H

#include "auth/stand.h"
#include "queue/stand.h"
#include "service/stand.h"

#include <string.h>

enum { SESSION_SETTINGS_MOST = 40 };

/* What is queued is text: no CR, no NUL, whole lines. */
static void session_look(const struct stand_message *m)
{
	if (m->recipient_count == 0 || m->content.len == 0)
		panic("a message for nobody, or of nothing");
	if (memchr(m->content.p, '\r', m->content.len) ||
		memchr(m->content.p, 0, m->content.len) ||
		!str_ends(m->content, STR("\n")))
		panic("a content that is no text");
	if (memchr(m->facts.helo.p, '\n', m->facts.helo.len))
		panic("a HELO name of two lines");
}

/* Become smtpd, with these settings too ("name=value", NULL at the end). */
static void session_open(const struct service *smtpd_service,
	struct stand_queue *queue, const char *const *more)
{
	static const char *const settings[] = {
		"mydestination=example.org", "relay_domains=",
		"local_recipient_maps=", "smtpd_peername_lookup=no",
		"smtpd_error_sleep_time=0", "message_size_limit=70000",
		"smtpd_recipient_limit=8", "smtpd_timeout=5",
		"smtpd_tls_security_level=may", "smtpd_sasl_auth_enable=yes",
		("smtpd_relay_restrictions="
			"permit_sasl_authenticated, reject_unauth_destination"),
		"mynetworks=127.0.0.0/8", "inet_interfaces=127.0.0.1",
		"smtpd_client_connection_count_limit=0",
		"smtpd_authorized_xclient_hosts=192.0.2.1",
		"smtpd_authorized_xforward_hosts=192.0.2.1",
	};
	const char *all[SESSION_SETTINGS_MOST] = { NULL };
	struct arena *arena = arena_new(0);
	size_t count = COUNT(settings);

	memcpy(all, settings, sizeof(settings));
	all[count++] = arena_fmt(arena, "smtpd_tls_cert_file=%s",
		stand_pem_file()).p;
	while (*more)
		all[count++] = *more++;
	stand_open(smtpd_service, conf_for_test(arena, all));
	stand_queue_open(queue);
	stand_auth_open();
}

#endif
