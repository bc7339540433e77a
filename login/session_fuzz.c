/*
 * Whole sessions of login with a hostile client: the first octet of the script
 * says IMAP or POP3. Who is let in talks to a stand-in for the user's process.
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

/* The user's process: says a line, and takes what comes to the end. */
static void serve_parent(struct call *call, void *context)
{
	auto_arena struct arena *arena = arena_new(0);
	struct msg_handed_over done = { 0 };
	struct msg_handover m;
	struct stream *io;
	struct str octets;

	(void)context;
	if (!msg_handover_recv(call, &m, span_s(10)))
		return;
	if (!str_is(m.token, "token"))
		panic("login has made up a token");
	io = stream_open(arena, m.socket);
	(void)!msg_handed_over_send(call, &done);
	io_text(io, "* OK at home\r\n");
	while (io_peek(io, &octets, span_s(10)))
		stream_consume(io, octets.len);
}

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
	stand_peer("imapd", serve_parent, NULL);
	stand_peer("pop3d", serve_parent, NULL);
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
