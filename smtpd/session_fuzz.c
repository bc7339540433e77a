/*
 * Whole sessions with a hostile client; the script's events: service/stand.h.
 */
#define main smtpd_main /* libFuzzer brings its own */
int smtpd_main(int argc, char **argv);
#include "smtpd/smtpd.c"
#undef main

#include "auth/stand.h"
#include "queue/stand.h"
#include "service/stand.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

/* What is queued is text: no CR, no NUL, whole lines. */
static struct status look_at_message(void *context,
	const struct stand_message *m)
{
	(void)context;
	if (m->recipient_count == 0 || m->content.len == 0)
		panic("a message for nobody, or of nothing");
	if (memchr(m->content.p, '\r', m->content.len) ||
		memchr(m->content.p, 0, m->content.len) ||
		!str_ends(m->content, STR("\n")))
		panic("a content that is no text");
	if (memchr(m->facts.helo.p, '\n', m->facts.helo.len))
		panic("a HELO name of two lines");
	return STATUS_OK;
}

static void open_once(void)
{
	static struct stand_queue queue = { .take = look_at_message };
	static bool is_open;
	struct arena *arena;
	const char *const settings[] = {
		"mydestination=example.org", "relay_domains=",
		"local_recipient_maps=", "smtpd_peername_lookup=no",
		"smtpd_error_sleep_time=0", "message_size_limit=70000",
		"smtpd_recipient_limit=8", "smtpd_timeout=5",
		"smtpd_tls_security_level=may", "smtpd_sasl_auth_enable=yes",
		"smtpd_relay_restrictions=permit_sasl_authenticated, "
			"reject_unauth_destination",
		"mynetworks=127.0.0.0/8", "inet_interfaces=127.0.0.1",
		"smtpd_client_connection_count_limit=0",
		"smtpd_authorized_xclient_hosts=192.0.2.1",
		"smtpd_authorized_xforward_hosts=192.0.2.1",
		NULL, NULL,
	};
	const char *all[COUNT(settings)];

	if (is_open)
		return;
	is_open = true;
	arena = arena_new(0);
	memcpy(all, settings, sizeof(all));
	all[COUNT(settings) - 2] = arena_fmt(arena, "smtpd_tls_cert_file=%s",
		stand_pem_file()).p;
	stand_open(&smtpd, conf_for_test(arena, all));
	stand_queue_open(&queue);
	stand_auth_open();
}

static void run_client(struct client *client, void *context)
{
	(void)context;
	session(server.conf, client);
}

static void run(void *context)
{
	stand_session(run_client, NULL, *(struct str *)context);
	io_stop();
}

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct str script = str_of(octets, len);

	open_once();
	io_run(run, &script);
	return 0;
}
