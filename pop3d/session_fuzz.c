/*
 * Whole sessions of pop3d with a hostile client, over a fresh store each.
 */
#include "session.h"

#include "mailbox/stand.h"
#include "service/stand.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

static const struct service pop3d = { .name = "pop3d", .calls = "" };

static void run_client(struct client *client, void *context)
{
	struct mailbox_login login = { .store = context, .io = client->io,
		.arena = client->arena, .user = STR("joe"), .tag = STR_NONE };

	session_run(&login);
}

static void run(void *context)
{
	struct mailbox_store *store = stand_store_open("maildir++");
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
		stand_open(&pop3d, conf);
		session_prepare(conf);
	}
	io_run(run, &script);
	return 0;
}
