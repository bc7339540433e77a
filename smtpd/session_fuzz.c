/*
 * Whole sessions with a hostile client; the script's events: service/stand.h.
 */
#define main smtpd_main /* libFuzzer brings its own */
int smtpd_main(int argc, char **argv);
#include "smtpd/smtpd.c"
#undef main

#include "smtpd/session_stand.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

static struct status look_at_message(void *context,
	const struct stand_message *m)
{
	(void)context;
	session_look(m);
	return STATUS_OK;
}

static void open_once(void)
{
	static struct stand_queue queue = { .take = look_at_message };
	static const char *const more[] = { NULL };
	static bool is_open;

	if (!is_open)
		session_open(&smtpd, &queue, more);
	is_open = true;
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
