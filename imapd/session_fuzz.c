/*
 * Whole sessions of imapd with a hostile client, over a fresh store each.
 */
#include "session.h"

#include "mailbox/stand.h"
#include "service/stand.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

/* Input of an even length: as usual; else a tree behind a prefix. */
static const struct session_conf usual = SESSION_USUAL, other = {
	IMAP_MESSAGE_LIMIT, { STR("INBOX/"), '/' },
};
static const struct session_conf *conf_of_session;
static const char *layout;

static const struct service imapd = { .name = "imapd", .calls = "" };

static void run_client(struct client *client, void *context)
{
	session_run(context, client->io, client->arena, STR("joe"), STR_NONE,
		conf_of_session);
}

static void run(void *context)
{
	struct mailbox_store *store = stand_store_open(layout);
	stand_session(run_client, store, *(struct str *)context);
	stand_store_close(store);
	io_stop();
}

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	static const struct conf *conf;
	struct str script = str_of(octets, len);

	if (!conf) {
		conf = conf_for_test(arena_new(0), NULL);
		stand_open(&imapd, conf);
	}
	layout = len & 1 ? "fs" : "maildir++";
	conf_of_session = len & 1 ? &other : &usual;
	io_run(run, &script);
	return 0;
}
