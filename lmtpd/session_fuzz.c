/*
 * Whole sessions with a hostile client; the script's events: service/stand.h.
 * virtual knows joe, and takes all that is for him.
 */
#define main lmtpd_main /* libFuzzer brings its own */
int lmtpd_main(int argc, char **argv);
#include "lmtpd/lmtpd.c"
#undef main

#include "agent/deliver.h"
#include "queue/stand.h"
#include "service/stand.h"

#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

static unsigned questions; /* deliveries that only ask */

/* What is delivered is text: no CR, no NUL, whole lines. */
static void look_at(const struct delivery *delivery)
{
	struct str text = delivery->content.head;

	if (delivery->count == 0)
		panic("a message for nobody");
	if (memchr(text.p, '\r', text.len) || memchr(text.p, 0, text.len) ||
		(text.len > 0 && !str_ends(text, STR("\n"))))
		panic("a content that is no text");
}

static void serve_virtual(struct call *call, void *context)
{
	struct delivery delivery = { .large = -1 };
	const struct msg_deliver_done done = { .settled = true,
		.why = STR("") };

	if (!deliver_receive(&delivery, context, call))
		return;
	if (delivery.m.flags & DELIVER_VERIFY)
		questions++;
	if (delivery.large >= 0)
		close(delivery.large);
	else if (!(delivery.m.flags & DELIVER_VERIFY))
		look_at(&delivery);
	for (size_t i = 0; i < delivery.count; i++) {
		bool is_joe = str_starts(delivery.recipients[i].address,
			STR("joe"));
		const struct msg_delivered m = {
			.number = delivery.recipients[i].number,
			.code = is_joe ? 250 : 550, .subject = 1, .detail = 1,
			.text = STR("so it is"), .mta = STR_NONE,
			.diagnostic = STR_NONE,
		};

		if (!msg_delivered_send(call, &m))
			return;
	}
	(void)!msg_deliver_done_send(call, &done);
}

static const struct conf *open_once(void)
{
	static const struct conf *conf;
	struct arena *arena;
	const char *const settings[] = {
		"message_size_limit=200000", "smtpd_recipient_limit=300",
		"smtpd_timeout=5", "smtpd_tls_security_level=may",
		"mynetworks=192.0.2.0/24", "inet_interfaces=127.0.0.1",
		"smtpd_authorized_xclient_hosts=192.0.2.0/24",
		"smtpd_hard_error_limit=200", NULL, NULL,
	};
	const char *all[COUNT(settings)];

	if (conf)
		return conf;
	arena = arena_new(0);
	memcpy(all, settings, sizeof(all));
	all[COUNT(settings) - 2] = arena_fmt(arena, "smtpd_tls_cert_file=%s",
		stand_pem_file()).p;
	conf = conf_for_test(arena, all);
	stand_open(&service, conf);
	stand_peer("virtual", serve_virtual,
		(void *)(uintptr_t)(const void *)conf);
	return conf;
}

static void run_client(struct client *client, void *context)
{
	session(context, client);
}

static void run(void *context)
{
	stand_session(run_client, (void *)(uintptr_t)open_once(),
		*(struct str *)context);
	io_stop();
}

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct str script = str_of(octets, len);

	(void)open_once();
	io_run(run, &script);
	return 0;
}
