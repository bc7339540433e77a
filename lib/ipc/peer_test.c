#include "ipc/messages.h"

#include "base/log.h"
#include "base/test.h"
#include "io/packet.h"
#include "ipc/frame.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* Two peers in one process, or a peer and the raw socket of a stranger. */
static struct {
	int pair[2];
	struct peer *caller, *callee;
	unsigned served, ended, failed;
	uint64_t sum;
	bool is_slow;
} t;

static void run(void (*body)(void *context))
{
	memset(&t, 0, sizeof(t));
	assert_true(packet_pair(t.pair));
	io_run(body, NULL);
}

/* Answers each anvil message with its count, until the other side ends. */
static void echo(struct call *call, void *context)
{
	struct msg_anvil m;

	(void)context;
	t.served++;
	while (msg_anvil_recv(call, &m, SPAN_FOREVER)) {
		struct msg_anvil_counts answer = { .rate = m.count };

		if (t.is_slow)
			io_sleep(span_ms(1));
		if (!msg_anvil_counts_send(call, &answer))
			t.failed++;
	}
	t.ended++;
}

static void open_both(void (*serve)(struct call *call, void *context))
{
	t.caller = peer_open(t.pair[0], STR("callee"), NULL, NULL);
	t.callee = peer_open(t.pair[1], STR("caller"), serve, NULL);
}

static void close_both(void)
{
	peer_close(t.caller);
	peer_close(t.callee);
}

static uint64_t ask(struct call *call, uint64_t count)
{
	struct msg_anvil m = { .verb = STR("connect"), .count = count };
	struct msg_anvil_counts answer;

	assert_true(msg_anvil_send(call, &m));
	assert_true(msg_anvil_counts_recv(call, &answer, span_s(5)));
	return answer.rate;
}

static void one_caller(void *context)
{
	auto_arena struct arena *arena = arena_new(0);
	struct call *call = peer_call(t.caller, arena);

	(void)context;
	for (uint64_t i = 1; i <= 10; i++)
		t.sum += ask(call, i);
	call_close(call);
	call_close(call); /* harmless */
	t.ended++;
}

static void many_calls_body(void *context)
{
	(void)context;
	open_both(echo);
	for (int i = 0; i < 300; i++)
		io_spawn("caller", one_caller, NULL);
	while (t.ended < 600)
		assert_true(io_event_wait(peer_news(), span_s(5)));
	assert_int_equal(t.sum, 300 * 55);
	assert_int_equal(t.served, 300);
	assert_int_equal(t.failed, 0);
	assert_int_equal(peer_calls(t.caller), 0);
	assert_int_equal(peer_calls(t.callee), 0);
	close_both();
}

static void many_calls_share_a_peer(void **state)
{
	(void)state;
	run(many_calls_body);
}

/* ---- calls without end ---- */

static void hear(struct call *call, void *context)
{
	struct msg_anvil m;

	(void)context;
	for (; msg_anvil_recv(call, &m, SPAN_FOREVER); call_forget(call))
		if (!msg_anvil_counts_send(call, &(struct msg_anvil_counts){
				.rate = m.address.len }))
			t.failed++;
	t.ended++;
}

static void endless_body(void *context)
{
	auto_arena struct arena *arena = arena_new(0);
	char text[4096] = { 0 };
	struct msg_anvil m = { .address = str_of(text, sizeof(text)) };
	struct msg_anvil_counts answer;
	struct call *call;
	size_t before = 0;

	(void)context;
	open_both(hear);
	call = peer_call(t.caller, arena);
	for (int i = 0; i < 2000; i++) {
		assert_true(msg_anvil_send(call, &m));
		assert_true(msg_anvil_counts_recv(call, &answer, span_s(5)));
		assert_int_equal(answer.rate, sizeof(text));
		call_forget(call);
		if (i == 100)
			before = mallinfo2().uordblks;
	}
	/* 8 MB went by */
	assert_true(mallinfo2().uordblks < before + 100000);
	call_close(call);
	while (t.ended < 1)
		assert_true(io_event_wait(peer_news(), span_s(5)));
	assert_int_equal(t.failed, 0);
	close_both();
}

static void what_is_forgotten_takes_no_memory(void **state)
{
	(void)state;
	run(endless_body);
}

/* ---- content and descriptors ---- */

static void take_content(struct call *call, void *context)
{
	struct msg_content content;
	struct msg_submit submit;

	(void)context;
	for (;;) {
		enum msg_kind kind;

		if (!call_peek(call, &kind, SPAN_FOREVER))
			return;
		if (t.is_slow)
			io_sleep(span_ms(2));
		if (kind == MSG_submit) {
			assert_true(msg_submit_recv(call, &submit,
				SPAN_FOREVER));
			break;
		}
		assert_true(msg_content_recv(call, &content, SPAN_FOREVER));
		t.sum += content.octets.len;
	}
	assert_true(msg_submitted_send(call,
		&(struct msg_submitted){ .code = 250, .text = STR("ok") }));
}

static void bulk_body(void *context)
{
	auto_arena struct arena *arena = arena_new(0);
	static char octets[CALL_MESSAGE_MOST];
	struct msg_content m = { .octets = str_of(octets, 64 * 1024) };
	struct msg_submitted done;
	struct call *call;

	(void)context;
	t.is_slow = true;
	open_both(take_content);
	call = peer_call(t.caller, arena);
	for (int i = 0; i < 40; i++)
		assert_true(msg_content_send(call, &m));
	/* limit: CALL_MESSAGE_MOST, four octets are the string's length */
	m.octets.len = CALL_MESSAGE_MOST - 4;
	assert_true(msg_content_send(call, &m));
	assert_true(msg_submit_send(call, &(struct msg_submit){ 0 }));
	assert_true(msg_submitted_recv(call, &done, span_s(20)));
	assert_int_equal(done.code, 250);
	assert_int_equal(t.sum, 40 * 64 * 1024 + m.octets.len);
	m.octets.len++;
	assert_false(msg_content_send(call, &m));
	assert_int_equal(errno, EMSGSIZE);
	call_close(call);
	close_both();
}

static void more_than_the_window(void **state)
{
	(void)state;
	run(bulk_body);
}

static int temporary(int flags)
{
	int fd = open("/tmp", O_TMPFILE | flags, 0600);

	assert_true(fd >= 0);
	return fd;
}

static void give_files(struct call *call, void *context)
{
	struct msg_large_want want;
	struct msg_large_grant grant = { .status = 0 };
	bool is_writable;

	(void)context;
	for (int i = 0; msg_large_want_recv(call, &want, SPAN_FOREVER); i++) {
		auto_close int fd = -1;

		is_writable = i != 1;
		fd = temporary(is_writable ? O_WRONLY : O_RDWR);
		grant.file = i == 2 ? -1 : fd;
		if (!msg_large_grant_send(call, &grant))
			return;
	}
}

static void descriptors_body(void *context)
{
	auto_arena struct arena *arena = arena_new(0);
	struct msg_large_grant grant;
	struct call *call;

	(void)context;
	open_both(give_files);
	call = peer_call(t.caller, arena);
	assert_true(msg_large_want_send(call, &(struct msg_large_want){ 0 }));
	assert_true(msg_large_grant_recv(call, &grant, span_s(5)));
	assert_true(grant.file > 2);
	assert_int_equal(write(grant.file, "x", 1), 1);
	close(grant.file);
	/* not the declared type: the call is dead */
	assert_true(msg_large_want_send(call, &(struct msg_large_want){ 0 }));
	assert_false(msg_large_grant_recv(call, &grant, span_s(5)));
	assert_int_equal(errno, EPROTO);
	assert_false(call_is_alive(call));
	assert_true(peer_is_alive(t.caller));
	close_both();
}

static void descriptors_are_checked(void **state)
{
	int before = dup(0), after;

	(void)state;
	close(before);
	run(descriptors_body);
	after = dup(0);
	close(after);
	assert_true(after <= before + 3); /* epoll; nothing is left open */
}

/* ---- ends ---- */

static void wrong_kind_body(void *context)
{
	auto_arena struct arena *arena = arena_new(0);
	struct msg_submitted wrong;
	struct call *call, *other;

	(void)context;
	open_both(echo);
	call = peer_call(t.caller, arena);
	other = peer_call(t.caller, arena);
	assert_true(msg_anvil_send(call, &(struct msg_anvil){ .count = 1 }));
	assert_false(msg_submitted_recv(call, &wrong, span_s(5)));
	assert_int_equal(errno, EPROTO);
	assert_int_equal(ask(other, 7), 7);
	assert_false(msg_submitted_recv(other, &wrong, span_ms(5)));
	assert_int_equal(errno, ETIMEDOUT);
	assert_int_equal(ask(other, 8), 8);
	close_both();
	assert_false(call_is_alive(other));
}

static void another_kind_ends_the_call(void **state)
{
	(void)state;
	run(wrong_kind_body);
}

static void stop_serving(struct call *call, void *context)
{
	struct msg_anvil m;

	(void)context;
	assert_true(msg_anvil_recv(call, &m, SPAN_FOREVER));
	assert_true(msg_anvil_counts_send(call,
		&(struct msg_anvil_counts){ .rate = 3 }));
}

static void last_word_body(void *context)
{
	auto_arena struct arena *arena = arena_new(0);
	struct msg_anvil_counts answer;
	struct call *call;

	(void)context;
	open_both(stop_serving);
	call = peer_call(t.caller, arena);
	assert_int_equal(ask(call, 1), 3); /* sent before the end */
	assert_false(msg_anvil_counts_recv(call, &answer, span_s(5)));
	assert_int_equal(errno, EPIPE);
	assert_false(msg_anvil_send(call, &(struct msg_anvil){ 0 }));
	assert_int_equal(errno, EPIPE);
	close_both();
}

static void last_word_is_heard(void **state)
{
	(void)state;
	run(last_word_body);
}

static void death_body(void *context)
{
	auto_arena struct arena *arena = arena_new(0);
	struct msg_anvil_counts answer;
	struct call *call;

	(void)context;
	t.caller = peer_open(t.pair[0], STR("callee"), NULL, NULL);
	call = peer_call(t.caller, arena);
	assert_true(msg_anvil_send(call, &(struct msg_anvil){ 0 }));
	io_yield();
	close(t.pair[1]);
	assert_false(msg_anvil_counts_recv(call, &answer, span_s(5)));
	assert_int_equal(errno, ECONNRESET);
	assert_false(peer_is_alive(t.caller));
	assert_null(peer_call(t.caller, arena));
	peer_close(t.caller);
}

static void death_is_noticed(void **state)
{
	(void)state;
	run(death_body);
}

static void retire_body(void *context)
{
	auto_arena struct arena *arena = arena_new(0);
	struct call *call;

	(void)context;
	open_both(echo);
	call = peer_call(t.caller, arena);
	assert_int_equal(ask(call, 1), 1);
	peer_retire(t.callee);
	while (peer_takes_calls(t.caller))
		assert_true(io_event_wait(peer_news(), span_s(5)));
	assert_null(peer_call(t.caller, arena));
	assert_false(peer_is_done(t.callee));
	assert_int_equal(ask(call, 2), 2); /* goes on */
	call_close(call);
	while (!peer_is_done(t.callee))
		assert_true(io_event_wait(peer_news(), span_s(5)));
	close_both();
}

static void retirement_loses_nothing(void **state)
{
	(void)state;
	run(retire_body);
}

/* ---- what nobody waits for ---- */

static void answer_at_leisure(struct call *call, void *context)
{
	struct msg_anvil m;

	(void)context;
	if (!msg_anvil_recv(call, &m, span_s(5)))
		t.failed++;
	if (m.count == 0)
		call_defer(call, span_ms(5));
	if (!msg_anvil_counts_send(call, &(struct msg_anvil_counts){ 0 }))
		t.failed++;
	t.served++;
}

/* A call of the stranger's, with one message; count 0: it has time. */
static void put_question(uint32_t number, uint64_t count)
{
	struct msg_anvil m = { .verb = STR("connect"), .count = count };
	struct frame frame = { .call = number, .kind = MSG_anvil,
		.flags = FRAME_OPENER };
	auto_buf struct buf body = { 0 }, out = { 0 };

	msg_anvil_format(&body, &m);
	frame.body = buf_str(&body);
	frame_format(&out, &frame);
	assert_int_equal(send(t.pair[0], out.p, out.len, 0), out.len);
}

/* The frames of the next packet that comes out. */
static int frames_of_packet(void)
{
	char octets[4096];
	struct frame frame;
	struct str packet;
	ssize_t got;
	int count = 0;

	while ((got = recv(t.pair[0], octets, sizeof(octets), 0)) < 0)
		assert_true(io_wait(t.pair[0], POLLIN, span_s(5)));
	packet = str_of(octets, (size_t)got);
	while (frame_take(&packet, &frame))
		count++;
	assert_int_equal(packet.len, 0);
	return count;
}

/* One that has time, and then one that has not. True: both left together. The
 * clock may be quicker than we, so once is no proof. */
static bool travel_together(uint32_t number)
{
	unsigned before = t.served;
	int frames;

	put_question(number, 0);
	while (t.served == before)
		io_pause();
	io_pause();
	put_question(number + 1, 1);
	frames = frames_of_packet();
	if (frames == 2)
		assert_int_equal(frames_of_packet(), 2);
	else
		assert_int_equal(frames, 4); /* two answers, two ends */
	return frames == 4;
}

static void deferred_body(void *context)
{
	uint32_t number = 1;

	(void)context;
	t.callee = peer_open(t.pair[1], STR("stranger"), answer_at_leisure,
		NULL);
	while (!travel_together(number)) {
		number += 2;
		assert_true(number < 2000);
	}
	/* When nothing takes it along, it leaves by itself. */
	put_question(number + 2, 0);
	assert_int_equal(frames_of_packet(), 2);
	assert_int_equal(t.failed, 0);
	/* What is still to be sent when all ends is not lost. */
	put_question(number + 3, 0);
	while (t.served < number + 3)
		io_pause();
	peer_close(t.callee);
	assert_int_equal(frames_of_packet(), 2);
	close(t.pair[0]);
}

static void what_has_time_rides_along(void **state)
{
	(void)state;
	run(deferred_body);
}

/* Nobody waits in the call that the other side ends: it is news. */
static void stop_listening(struct call *call, void *context)
{
	struct msg_anvil m;

	(void)context;
	if (!msg_anvil_recv(call, &m, span_s(5)))
		t.failed++;
}

static void end_body(void *context)
{
	auto_arena struct arena *arena = arena_new(0);
	struct call *call;

	(void)context;
	open_both(stop_listening);
	call = peer_call(t.caller, arena);
	assert_true(msg_anvil_send(call, &(struct msg_anvil){ 0 }));
	while (call_is_alive(call))
		assert_true(io_event_wait(peer_news(), span_s(5)));
	call_close(call);
	close_both();
}

static void an_end_is_news(void **state)
{
	(void)state;
	run(end_body);
}

/* ---- strangers ---- */

#define HEADER(call, kind, flags, length)                                      \
	{                                                                      \
		(call), (kind) | (uint32_t)(flags) << 16, (length)             \
	}

/* Packets after which a peer is dropped. */
static const struct {
	const char *why;
	uint32_t words[6];
	size_t octets;
	bool nobody_serves;
} hostile[] = {
	{ "no header", HEADER(1, MSG_submit, FRAME_OPENER, 0), 11 },
	{ "length beyond", HEADER(1, MSG_submit, FRAME_OPENER, 1), 12 },
	{ "huge length", HEADER(1, MSG_submit, FRAME_OPENER, UINT32_MAX), 12 },
	{ "call 0", HEADER(0, MSG_submit, FRAME_OPENER, 0), 12 },
	{ "no kind", HEADER(1, 0, FRAME_OPENER, 0), 12 },
	{ "unknown flag", HEADER(1, MSG_submit, 0x8000, 0), 12 },
	{ "too many fds", HEADER(1, MSG_submit, FRAME_OPENER | 0x500, 0), 12 },
	{ "fds that are not there",
		HEADER(1, MSG_submit, FRAME_OPENER | 0x100, 0), 12 },
	{ "end with a body", HEADER(1, 0, FRAME_END | FRAME_OPENER, 4), 16 },
	{ "credit without", HEADER(1, 0, FRAME_CREDIT | FRAME_OPENER, 0), 12 },
	{ "two flags", HEADER(1, 0, FRAME_END | FRAME_CREDIT, 4), 16 },
	{ "a call of ours that never was", HEADER(9, MSG_submit, 0, 0), 12 },
	{ "retired unasked", HEADER(0, 0, FRAME_RETIRED, 0), 12 },
	{ "retire with a call", HEADER(3, 0, FRAME_RETIRE, 0), 12 },
	{ "a call where nobody serves",
		HEADER(1, MSG_submit, FRAME_OPENER, 0), 12, true },
};

static void await_death(struct peer *peer)
{
	while (peer_is_alive(peer))
		assert_true(io_event_wait(peer_news(), span_s(5)));
}

static void hostile_body(void *context)
{
	const size_t i = *(const size_t *)context;

	t.callee = peer_open(t.pair[1], STR("stranger"),
		hostile[i].nobody_serves ? NULL : echo, NULL);
	assert_int_equal(send(t.pair[0], hostile[i].words, hostile[i].octets,
				 0), hostile[i].octets);
	await_death(t.callee);
	peer_close(t.callee);
	close(t.pair[0]);
}

static void quiet(enum log_level level, struct str line)
{
	(void)level;
	(void)line;
}

static void strangers_are_dropped(void **state)
{
	(void)state;
	log_sink(quiet);
	for (size_t i = 0; i < COUNT(hostile); i++) {
		memset(&t, 0, sizeof(t));
		assert_true(packet_pair(t.pair));
		io_run(hostile_body, &i);
	}
	log_sink(NULL);
}

/* Takes nothing while the call is alive. */
static void hold(struct call *call, void *context)
{
	(void)context;
	while (call_is_alive(call))
		io_sleep(span_ms(5));
}

static void flood_body(void *context)
{
	static uint32_t words[3 + 25000] = HEADER(1, MSG_content, FRAME_OPENER,
		100000);

	(void)context;
	t.callee = peer_open(t.pair[1], STR("stranger"), hold, NULL);
	/* more than CALL_WINDOW without credit */
	for (int i = 0; i < 3; i++) {
		assert_int_equal(send(t.pair[0], words, 12 + 100000, 0),
			12 + 100000);
		io_yield();
	}
	await_death(t.callee);
	peer_close(t.callee);
	close(t.pair[0]);
}

static void window_is_enforced(void **state)
{
	(void)state;
	log_sink(quiet);
	run(flood_body);
	log_sink(NULL);
}

/* A parent has one for each user: it must be small. */
static void small_body(void *context)
{
	enum { PEERS = 20, EACH_MOST = 8 * 1024 };
	struct peer *peers[PEERS];
	int ends[PEERS][2];
	size_t before = mallinfo2().uordblks, each;

	(void)context;
	for (size_t i = 0; i < PEERS; i++) {
		assert_true(packet_pair(ends[i]));
		peers[i] = peer_open(ends[i][0], STR("user"), NULL, NULL);
	}
	io_yield(); /* they read */
	each = (mallinfo2().uordblks - before) / PEERS;
	for (size_t i = 0; i < PEERS; i++) {
		peer_close(peers[i]);
		close(ends[i][1]);
	}
	close(t.pair[0]);
	close(t.pair[1]);
	assert_in_range(each, 0, EACH_MOST);
}

static void a_peer_is_small(void **state)
{
	(void)state;
	run(small_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_calls_share_a_peer),
		cmocka_unit_test(what_is_forgotten_takes_no_memory),
		cmocka_unit_test(more_than_the_window),
		cmocka_unit_test(descriptors_are_checked),
		cmocka_unit_test(another_kind_ends_the_call),
		cmocka_unit_test(last_word_is_heard),
		cmocka_unit_test(death_is_noticed),
		cmocka_unit_test(retirement_loses_nothing),
		cmocka_unit_test(what_has_time_rides_along),
		cmocka_unit_test(an_end_is_news),
		cmocka_unit_test(strangers_are_dropped),
		cmocka_unit_test(window_is_enforced),
		cmocka_unit_test(a_peer_is_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
