#include "commands/sendmail_smtp.h"

#include "base/log.h"
#include "base/random.h"
#include "commands/drop.h"
#include "io/fiber.h"
#include "ipc/messages.h"
#include "ipc/peer.h"
#include "queue/maildrop.h"
#include "queue/submission.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

enum {
	STEP_S = 3600,
	SERIAL_BITS = 0xffffffff, /* of IDs, which no queue will ever see */
	BLOCK = 32 * 1024,
};

/* A message on its way from smtpd. */
struct letter {
	struct call *call;
	struct arena *arena;
	const struct conf *conf;
	struct msg_submission facts;
	struct buf recipients; /* lines for the drop */
	size_t recipient_count;
	struct str content;
	int large; /* a memory file; -1: none */
	uint64_t large_octets;
	bool has_facts, has_content;
};

static bool grant_ids(struct letter *letter)
{
	struct msg_ids_want want;
	struct msg_ids_grant grant = { .count = 1 };
	unsigned char octets[sizeof(grant.first)];

	if (!msg_ids_want_recv(letter->call, &want, span_s(STEP_S)))
		return false;
	random_octets(octets, sizeof(octets));
	memcpy(&grant.first, octets, sizeof(grant.first));
	grant.first &= SERIAL_BITS;
	return msg_ids_grant_send(letter->call, &grant);
}

static bool grant_large(struct letter *letter)
{
	struct msg_large_want want;
	struct msg_large_grant grant = { .file = -1 };
	char path[64];
	bool sent;

	if (letter->large >= 0 ||
		!msg_large_want_recv(letter->call, &want, span_s(STEP_S)))
		return false;
	letter->large = memfd_create("sendmail", MFD_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", letter->large);
	if (letter->large >= 0)
		grant.file = open(path, O_WRONLY | O_CLOEXEC);
	if (grant.file < 0)
		grant.status = (uint64_t)errno;
	sent = msg_large_grant_send(letter->call, &grant);
	base_close(&grant.file);
	return sent && grant.status == 0;
}

static bool take_facts(struct letter *letter)
{
	letter->has_facts = msg_submission_recv(letter->call, &letter->facts,
		span_s(STEP_S));
	return letter->has_facts;
}

static bool take_recipient(struct letter *letter)
{
	struct msg_recipient m;

	if (!msg_recipient_recv(letter->call, &m, span_s(STEP_S)) ||
		++letter->recipient_count > MAILDROP_RECIPIENTS_MOST)
		return false;
	maildrop_text_format(&letter->recipients, MAILDROP_RECIPIENT,
		m.address);
	if (!str_is_none(m.orcpt))
		maildrop_text_format(&letter->recipients, MAILDROP_ORCPT,
			m.orcpt);
	if (m.notify)
		maildrop_number_format(&letter->recipients, MAILDROP_ONLY,
			m.notify);
	return true;
}

static bool take_content(struct letter *letter)
{
	struct msg_content m;

	letter->has_content = msg_content_recv(letter->call, &m,
		span_s(STEP_S));
	letter->content = letter->has_content ? m.octets : STR_NONE;
	return letter->has_content;
}

static bool take_large_done(struct letter *letter)
{
	struct msg_large_done m;

	letter->has_content = letter->large >= 0 &&
		msg_large_done_recv(letter->call, &m, span_s(STEP_S));
	letter->large_octets = letter->has_content ? m.octets : 0;
	return letter->has_content;
}

static const struct step {
	enum msg_kind kind;
	bool (*take)(struct letter *letter);
} steps[] = {
	{ MSG_ids_want, grant_ids },
	{ MSG_large_want, grant_large },
	{ MSG_submission, take_facts },
	{ MSG_recipient, take_recipient },
	{ MSG_content, take_content },
	{ MSG_large_done, take_large_done },
};

static bool take_step(struct letter *letter, enum msg_kind kind)
{
	for (size_t i = 0; i < COUNT(steps); i++)
		if (steps[i].kind == kind)
			return steps[i].take(letter);
	return false;
}

/* Up to `submit`. False: there is nothing to submit (RSET, the end). */
static bool receive(struct letter *letter)
{
	struct msg_submit submit;
	enum msg_kind kind;

	while (call_peek(letter->call, &kind, span_s(STEP_S))) {
		if (kind == MSG_submit)
			return msg_submit_recv(letter->call, &submit,
				       span_s(1)) &&
				letter->has_facts && letter->has_content &&
				letter->recipient_count > 0;
		if (!take_step(letter, kind))
			return false;
	}
	return false;
}

/* ---- to pickup; the process waits, and nobody else is in it ---- */

static void add_envelope(struct letter *letter, struct drop *drop)
{
	const struct msg_submission *f = &letter->facts;
	struct buf lines = BUF_IN(letter->arena);
	const struct {
		enum maildrop_kind kind;
		struct str text;
	} texts[] = {
		{ MAILDROP_ENVID, f->dsn_envid },
		{ MAILDROP_ENCODING, f->encoding.len ? f->encoding : STR_NONE },
		{ MAILDROP_VERP, f->verp },
	};

	maildrop_text_format(&lines, MAILDROP_SENDER, f->sender);
	for (size_t i = 0; i < COUNT(texts); i++)
		if (!str_is_none(texts[i].text))
			maildrop_text_format(&lines, texts[i].kind,
				texts[i].text);
	if (f->dsn_ret)
		maildrop_number_format(&lines, MAILDROP_RET, f->dsn_ret);
	if (f->flags & SUBMIT_SMTPUTF8)
		maildrop_number_format(&lines, MAILDROP_FLAGS,
			MAILDROP_FLAG_SMTPUTF8);
	buf_add(&lines, buf_str(&letter->recipients));
	maildrop_word_format(&lines, MAILDROP_CONTENT);
	drop_add(drop, buf_str(&lines));
}

static bool add_large(struct letter *letter, struct drop *drop)
{
	char *block = arena_alloc(letter->arena, BLOCK);
	uint64_t at = 0;

	while (at < letter->large_octets) {
		ssize_t got = pread(letter->large, block, BLOCK, (off_t)at);

		if (got <= 0)
			return false;
		drop_content(drop, str_of(block, (size_t)got));
		at += (uint64_t)got;
	}
	return true;
}

static struct msg_submitted submit(struct letter *letter)
{
	struct msg_submitted answer = { .code = 451, .subject = 3 };
	struct drop drop;

	drop_open(&drop, letter->conf);
	add_envelope(letter, &drop);
	drop_content(&drop, letter->content);
	if (!add_large(letter, &drop)) {
		drop_cancel(&drop);
		answer.text = STR("Error: queue file write error");
		return answer;
	}
	if (drop_commit(&drop, 0))
		answer = (struct msg_submitted){ .code = 250 };
	else if (drop.failure == EX_UNAVAILABLE)
		answer = (struct msg_submitted){ .code = 550, .subject = 7 };
	answer.text = arena_copy(letter->arena, str_from(drop.answer));
	return answer;
}

static void serve(struct call *call, void *context)
{
	struct letter letter = {
		.call = call,
		.arena = call_arena(call),
		.conf = context,
		.recipients = BUF_IN(call_arena(call)),
		.content = STR_NONE,
		.large = -1,
	};

	if (receive(&letter)) {
		struct msg_submitted answer = submit(&letter);

		(void)!msg_submitted_send(call, &answer);
	}
	base_close(&letter.large);
}

/* ---- the session ---- */

struct session {
	const struct conf *conf;
	int socket;
};

static void run(void *context)
{
	struct session *session = context;
	struct peer *peer = peer_open(session->socket, STR("smtpd"), serve,
		(void *)(uintptr_t)session->conf);

	while (peer_is_alive(peer) && io_event_wait(peer_news(), SPAN_FOREVER))
		;
	peer_close(peer);
	io_stop();
}

static _Noreturn void become_smtpd(const struct conf *conf,
	struct str directory, int socket)
{
	auto_arena struct arena *arena = arena_new(0);
	char *path = arena_cstr(arena, arena_fmt(arena, "%.*s/smtpd",
		STR_ARG(conf->daemon_directory)));
	char peer[32];

	snprintf(peer, sizeof(peer), "fd:%d", socket);
	fcntl(socket, F_SETFD, 0);
	setenv("POSTHORN_PEER_cleanup", peer, 1);
	execl(path, "smtpd", "-S", "-c", arena_cstr(arena, directory), NULL);
	log_error("execute %s: %m", path);
	_exit(EX_OSFILE);
}

/* The client's descriptors are smtpd's alone, so that it sees their end. */
static void leave_standard(void)
{
	int fd = open("/dev/null", O_RDWR);

	if (fd < 0)
		return;
	dup2(fd, STDIN_FILENO);
	dup2(fd, STDOUT_FILENO);
	if (fd > STDOUT_FILENO)
		close(fd);
}

int smtp_session(const struct conf *conf, struct str directory)
{
	struct session session = { .conf = conf };
	int ends[2], status;
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		    0, ends) < 0 ||
		(child = fork()) < 0) {
		log_error("start smtpd: %m");
		return EX_OSERR;
	}
	if (child == 0)
		become_smtpd(conf, directory, ends[1]);
	close(ends[1]);
	leave_standard();
	session.socket = ends[0];
	io_run(run, &session);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status))
		return WEXITSTATUS(status) ? EX_TEMPFAIL : EX_OK;
	log_error("smtpd was killed by signal %d", WTERMSIG(status));
	return EX_SOFTWARE;
}
