#include "base/test.h"

#include "io/fiber.h"
#include "io/packet.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int pair[2];

static void run(void **state, void (*test)(void *context))
{
	(void)state;
	assert_true(packet_pair(pair));
	io_run(test, NULL);
	io_close(pair[0]);
	io_close(pair[1]);
}

static bool send_text(const char *text, const int *fds, size_t count)
{
	struct iovec pieces[2] = {
		{ .iov_base = (void *)(uintptr_t)text, .iov_len = 1 },
		{ .iov_base = (void *)(uintptr_t)(text + 1),
			.iov_len = strlen(text) - 1 },
	};

	return io_packet_send(pair[0], pieces, 2, fds, count, span_s(10));
}

static size_t open_descriptors(void)
{
	size_t count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void passes(void *context)
{
	char into[100];
	size_t len, count;
	int fds[PACKET_FDS_MOST], null = open("/dev/null", O_RDONLY);
	struct stat sent, came;

	(void)context;
	assert_true(send_text("hello", &null, 1));
	assert_true(send_text("world", NULL, 0));
	assert_true(io_packet_recv(pair[1], into, sizeof(into), &len, fds, 4,
		&count, span_s(10)));
	assert_str(str_of(into, len), "hello");
	assert_int_equal(count, 1);
	fstat(null, &sent);
	fstat(fds[0], &came);
	assert_int_equal(sent.st_ino, came.st_ino);
	assert_true(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
	io_close(fds[0]);
	assert_true(io_packet_recv(pair[1], into, sizeof(into), &len, fds, 4,
		&count, span_s(10)));
	assert_str(str_of(into, len), "world");
	assert_int_equal(count, 0);
	assert_false(io_packet_recv(pair[1], into, sizeof(into), &len, fds, 4,
		&count, span_ms(1)));
	assert_int_equal(errno, ETIMEDOUT);
	close(null);
}

static void packets_pass(void **state)
{
	run(state, passes);
}

static void late(void *context)
{
	(void)context;
	assert_true(send_text("three", NULL, 0));
	io_close(pair[0]);
	pair[0] = -1;
}

/* Several with one call; what is not there is waited for. */
static void takes_several(void *context)
{
	char octets[2][8];
	struct io_packet packets[2] = { { octets[0], 8 }, { octets[1], 8 } };
	bool drained = false;
	size_t count, before;

	(void)context;
	assert_true(send_text("one", NULL, 0));
	assert_true(send_text("two", &pair[1], 1));
	before = open_descriptors();
	assert_true(io_packets_recv(pair[1], packets, 2, &count, &drained,
		span_s(10)));
	assert_int_equal(count, 2);
	assert_false(drained);
	assert_str(str_of(octets[0], packets[0].len), "one");
	assert_str(str_of(octets[1], packets[1].len), "two");
	assert_int_equal(packets[0].fd_count, 0);
	assert_int_equal(packets[1].fd_count, 1);
	io_close(packets[1].fds[0]);
	/* one that is too long is refused, with its descriptor */
	assert_true(send_text("much too long", &pair[1], 1));
	assert_true(io_packets_recv(pair[1], packets, 2, &count, &drained,
		span_s(10)));
	assert_int_equal(count, 1);
	assert_int_equal(packets[0].len, 0);
	assert_true(drained);
	assert_int_equal(open_descriptors(), before);
	assert_false(io_packets_recv(pair[1], packets, 2, &count, &drained,
		span_ms(1)));
	assert_int_equal(errno, ETIMEDOUT);
	io_spawn("late", late, NULL);
	assert_true(io_packets_recv(pair[1], packets, 2, &count, &drained,
		span_s(10)));
	assert_str(str_of(octets[0], packets[0].len), "three");
	if (count == 1)
		assert_true(io_packets_recv(pair[1], packets, 2, &count,
			&drained, span_s(10)));
	assert_int_equal(packets[count - 1].len, 0); /* the end */
}

static void several_packets_at_once(void **state)
{
	run(state, takes_several);
}

/* Nothing is left open of a packet that is refused. */
static void refuses(void *context)
{
	char into[4];
	size_t len, count, before;
	int fds[PACKET_FDS_MOST], many[PACKET_FDS_MOST];

	(void)context;
	for (int i = 0; i < PACKET_FDS_MOST; i++)
		many[i] = pair[0];
	before = open_descriptors();
	assert_true(send_text("two", many, 2));
	assert_true(send_text("long", many, 1));
	assert_true(send_text("longer", many, 1));
	assert_false(io_packet_recv(pair[1], into, sizeof(into), &len, fds, 1,
		&count, span_s(10)));
	assert_int_equal(errno, EMSGSIZE);
	assert_true(io_packet_recv(pair[1], into, sizeof(into), &len, fds, 1,
		&count, span_s(10)));
	assert_int_equal(len, 4);
	close(fds[0]);
	assert_false(io_packet_recv(pair[1], into, sizeof(into), &len, fds, 1,
		&count, span_s(10)));
	assert_int_equal(errno, EMSGSIZE);
	assert_int_equal(open_descriptors(), before);
	/* a stranger may send more than our own limit */
	assert_true(send_text("many", many, PACKET_FDS_MOST));
	assert_false(io_packet_recv(pair[1], into, sizeof(into), &len, fds, 0,
		&count, span_s(10)));
	assert_int_equal(errno, EMSGSIZE);
	assert_int_equal(open_descriptors(), before);
}

static void packets_are_refused(void **state)
{
	run(state, refuses);
}

static void stranger(void *context)
{
	union {
		char octets[CMSG_SPACE(sizeof(int) * 100)];
		struct cmsghdr header;
	} control = { 0 };
	struct iovec piece = { .iov_base = (void *)(uintptr_t) "x",
		.iov_len = 1 };
	struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control) };
	size_t before = open_descriptors(), len, count;
	int fds[PACKET_FDS_MOST], *into;
	char octet;

	(void)context;
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int) * 100);
	into = (int *)(void *)CMSG_DATA(&control.header);
	for (int i = 0; i < 100; i++)
		into[i] = pair[0];
	assert_int_equal(sendmsg(pair[0], &message, 0), 1);
	assert_false(io_packet_recv(pair[1], &octet, 1, &len, fds,
		PACKET_FDS_MOST, &count, span_s(10)));
	assert_int_equal(errno, EMSGSIZE);
	assert_int_equal(open_descriptors(), before);
	io_close(pair[0]);
	assert_false(io_packet_recv(pair[1], &octet, 1, &len, fds,
		PACKET_FDS_MOST, &count, span_s(10)));
	assert_int_equal(errno, 0);
	pair[0] = -1;
}

static void too_many_descriptors_are_closed(void **state)
{
	run(state, stranger);
}

static void drain(void *context)
{
	char into[65536];
	size_t len, count;

	for (int i = 0; i < 200; i++) {
		assert_true(io_packet_recv(pair[1], into, sizeof(into), &len,
			NULL, 0, &count, span_s(10)));
		assert_int_equal(len, 50000);
	}
	*(bool *)context = true;
}

static void floods(void *context)
{
	static char much[50000];
	struct iovec piece = { .iov_base = much, .iov_len = sizeof(much) };

	io_spawn("drain", drain, context);
	for (int i = 0; i < 200; i++)
		assert_true(io_packet_send(pair[0], &piece, 1, NULL, 0,
			span_s(10)));
}

static void full_sockets_make_the_sender_wait(void **state)
{
	bool drained = false;

	(void)state;
	assert_true(packet_pair(pair));
	io_run(floods, &drained);
	assert_true(drained);
	io_close(pair[0]);
	io_close(pair[1]);
}

static int listener;
static struct sockaddr_in address = { .sin_family = AF_INET };

static void client(void *context)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	(void)context;
	io_sleep(span_ms(1)); /* let the other side wait */
	assert_true(io_connect(fd, (struct sockaddr *)&address,
		sizeof(address), span_s(10)));
	io_close(fd);
}

static void connects(void *context)
{
	socklen_t len = sizeof(address);
	struct sockaddr_storage from;
	int refused, fd;

	(void)context;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address.sin_port = 0;
	listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
	getsockname(listener, (struct sockaddr *)&address, &len);
	refused = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_false(io_connect(refused, (struct sockaddr *)&address, len,
		span_s(10)));
	assert_int_equal(errno, ECONNREFUSED);
	io_close(refused);
	assert_int_equal(listen(listener, 10), 0);
	for (int round = 0; round < 3; round++) {
		io_spawn("client", client, NULL);
		io_spawn("client", client, NULL);
		for (int i = 0; i < 2; i++) {
			fd = io_accept(listener, &from, span_s(10));
			assert_true(fd >= 0);
			assert_int_equal(from.ss_family, AF_INET);
			assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
			io_close(fd);
		}
		io_forget(listener);
	}
	assert_int_equal(io_accept(listener, NULL, span_ms(1)), -1);
	assert_int_equal(errno, ETIMEDOUT);
	/* nobody accepts: the scheduler must not spin on it */
	io_spawn("client", client, NULL);
	io_sleep(span_ms(20));
	fd = io_accept(listener, NULL, span_s(10));
	assert_true(fd >= 0);
	io_close(fd);
	io_close(listener);
}

static void accepts_and_connects(void **state)
{
	run(state, connects);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_pass),
		cmocka_unit_test(several_packets_at_once),
		cmocka_unit_test(packets_are_refused),
		cmocka_unit_test(too_many_descriptors_are_closed),
		cmocka_unit_test(full_sockets_make_the_sender_wait),
		cmocka_unit_test(accepts_and_connects),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
