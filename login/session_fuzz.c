/*
 * Whole sessions of login with a hostile client: the first octet of the script
 * says IMAP or POP3. Who is let in talks to auth's stand-in, as the user's
 * process.
 */
#define main login_main /* libFuzzer brings its own */
int login_main(int argc, char **argv);
#include "login/login.c"
#undef main

#include "auth/stand.h"
#include "service/stand.h"

#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

static struct conf *settings;

static void open_once(void)
{
	struct arena *arena;
	const char *overrides[] = { "login_service=imap", NULL, NULL };

	if (settings)
		return;
	arena = arena_new(0);
	overrides[1] = arena_fmt(arena, "login_tls_cert_file=%s",
		stand_pem_file()).p;
	settings = arena_new_of(arena, struct conf);
	*settings = *conf_for_test(arena, (const char *const[]){
		overrides[0], overrides[1], NULL });
	stand_open(&login, settings);
	stand_auth_open();
}

static void run_client(struct client *client, void *context)
{
	(void)context;
	session(settings, client);
}

static void run(void *context)
{
	stand_session(run_client, NULL, *(struct str *)context);
	io_stop();
}

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct str script = str_of(octets, len);

	if (len == 0)
		return 0;
	open_once();
	settings->login_service = octets[0] % 2 ? STR("pop3") : STR("imap");
	script = str_skip(script, 1);
	io_run(run, &script);
	return 0;
}
