/*
 * Whole SASL exchanges of auth with a hostile client. The first line of the
 * input names the mechanism, as AUTH does; the others are responses ("-" as
 * the first of them: no initial one). In them "%" and two hexadecimal digits
 * are an octet. The only user is joe, whose password is "right".
 */
#define main auth_main /* libFuzzer brings its own */
int auth_main(int argc, char **argv);
#include "auth/auth.c"
#undef main

#include "base/encode.h"
#include "io/packet.h"
#include "service/stand.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* What a process has for good, nobody need remember. */
const char *__lsan_default_suppressions(void)
{
	return "leak:prepare";
}

enum {
	WAIT_S = 20,
	RESPONSES_MOST = 16,
};

/* 32 octets in base64 */
#define KEY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

static const struct conf *conf;
static struct peer *asker; /* our end */

/* ---- auth/workers.c, without processes ---- */

void workers_open(void)
{
}

bool workers_check(struct arena *arena, struct str hash, struct str password,
	bool *fits)
{
	(void)arena;
	*fits = str_is(hash, "hash") && str_is(password, "right");
	return true;
}

bool workers_account(struct arena *arena, struct str name,
	struct msg_auth_account_is *is)
{
	(void)arena, (void)name, (void)is;
	return false;
}

void workers_start(void)
{
}

/* ---- the daemon's end: nobody waits for those who fail ---- */

/* What we read of PLAIN ourselves, Cyrus reads in the same way. */
static void compare(const struct exchange *x, enum verdict verdict)
{
	struct exchange again = *x;

	if (!str_is_nocase(x->start.mechanism, "PLAIN") ||
		x->start.initial.len == 0 || verdict == VERDICT_ABORTED)
		return;
	again.claimed = STR("");
	if (cyrus_run(&again) != verdict ||
		!str_eq(again.claimed, x->claimed))
		panic("Cyrus SASL understands something else");
}

static void serve_one(struct call *call, void *context)
{
	struct exchange x = { .conf = conf, .call = call,
		.arena = call_arena(call), .claimed = STR(""),
		.final = STR_NONE };
	struct msg_auth_verdict m = { .final = STR_NONE, .text = STR("") };

	(void)context;
	if (!msg_auth_start_recv(call, &x.start, span_s(WAIT_S)))
		return;
	m.verdict = run(&x);
	compare(&x, m.verdict);
	if (m.verdict == VERDICT_ACCEPTED && !str_is(x.user, "joe"))
		panic("somebody else is let in");
	m.user = x.claimed;
	(void)!msg_auth_verdict_send(call, &m);
}

static const char *users_file(void)
{
	static const char line[] = "joe:hash:SCRAM-SHA-256$4096:AAAA$"
		KEY ":" KEY "\n";
	int fd = memfd_create("users", 0);
	static char path[32];

	if (fd < 0 || write(fd, line, sizeof(line) - 1) < 0)
		panic("memfd: %m");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return path;
}

static void open_once(void)
{
	struct arena *arena;
	const char *settings[] = { NULL, NULL };
	int pair[2];

	if (conf)
		return;
	arena = arena_new(0);
	settings[0] = arena_fmt(arena, "auth_users_file=%s", users_file()).p;
	conf = conf_for_test(arena, settings);
	stand_open(&auth, conf);
	if (!packet_pair(pair))
		panic("socketpair: %m");
	peer_open(pair[1], STR("login"), serve_one, NULL);
	asker = peer_open(pair[0], STR("auth"), NULL, NULL);
}

/* ---- the client's ---- */

static struct str decode(struct arena *arena, struct str line)
{
	struct buf out = BUF_IN(arena);

	while (line.len > 0) {
		struct str octet = line.p[0] == '%' && line.len >= 3 ?
			hex_parse(arena, str_of(line.p + 1, 2)) :
			STR_NONE;

		if (octet.len == 1) {
			buf_add(&out, octet);
			line = str_skip(line, 3);
		} else {
			buf_char(&out, line.p[0]);
			line = str_skip(line, 1);
		}
	}
	return buf_str(&out);
}

static struct str next_response(struct arena *arena, struct str *in)
{
	struct str line;

	return str_take_line(in, &line) ? decode(arena, line) : STR("");
}

static void ask(struct call *call, struct arena *arena, struct str in)
{
	struct msg_auth_start start = { .service = STR("imap"),
		.secured = true, .client_address = STR("192.0.2.1"),
		.binding = STR("0123456789abcdef"), .binding_type = 2 };
	struct msg_auth_challenge challenge;
	struct msg_auth_response response;
	struct msg_auth_verdict verdict;
	enum msg_kind kind;

	if (!str_take_line(&in, &start.mechanism))
		return;
	start.initial = next_response(arena, &in);
	if (str_is(start.initial, "-"))
		start.initial = STR_NONE;
	if (!msg_auth_start_send(call, &start))
		return;
	for (int i = 0; i < RESPONSES_MOST; i++) {
		if (!call_peek(call, &kind, span_s(WAIT_S)))
			panic("auth does not answer");
		if (kind != MSG_auth_challenge)
			break;
		if (!msg_auth_challenge_recv(call, &challenge, span_s(WAIT_S)))
			panic("a challenge that is none");
		response.octets = next_response(arena, &in);
		if (!msg_auth_response_send(call, &response))
			return;
	}
	if (!msg_auth_verdict_recv(call, &verdict, span_s(WAIT_S)))
		panic("no verdict");
}

static void play(void *context)
{
	auto_arena struct arena *arena = arena_new(0);
	struct call *call = peer_call(asker, arena);

	ask(call, arena, *(struct str *)context);
	call_close(call);
	stand_quiet();
	io_stop();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_of(data, size);

	open_once();
	io_run(play, &in);
	return 0;
}
