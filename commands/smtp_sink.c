/*
 * smtp-sink - takes messages by SMTP or LMTP and throws them away.
 *
 * Room       a fiber per client; the user of -u, the root of -R
 * Gets       clients, by accept()
 * RFC        5321, 2033; answers that a test asks for
 */
#include "commands/smtp_sink.h"

#include "base/log.h"
#include "base/random.h"
#include "commands/endpoint.h"
#include "io/fiber.h"
#include "io/packet.h"
#include "log/sink.h"
#include "mail/date.h"
#include "service/command.h"
#include "smtp/command.h"
#include "smtp/data.h"

#include <errno.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

static const struct command command = {
	"smtp-sink",
	"[-468acCeEFLNpPv] [-A abort_delay] [-b soft_bounce_reply] "
	"[-B hard_bounce_reply] [-d dump-template] [-D dump-template] "
	"[-f commands] [-h hostname] [-H delay] [-m max_concurrency] "
	"[-M message_quit_count] [-n quit_count] [-q commands] "
	"[-Q commands] [-r commands] [-R root-dir] [-s commands] "
	"[-S start-string] [-t timeout] [-T windowsize] [-u user] "
	"[-w delay] [-W command:delay[:odds]] "
	"[inet:][host]:port|unix:path backlog",
	.says_path = true,
};

enum {
	COUNT_MOST = 1000 * 1000 * 1000,
	ODDS_MOST = 99,
	CLIENTS = 256,
	TIMEOUT_S = 100,
};

static bool reply(struct client *c, const char *format, ...)
	printf_like(2, 3);

static bool reply(struct client *c, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (!io_vfmt(c->io, format, args) || !io_text(c->io, "\r\n"))
		c->is_over = true;
	va_end(args);
	return !c->is_over;
}

static void forget_mail(struct client *c)
{
	arena_reset(c->mail);
	c->has_sender = false;
	c->sender = STR_NONE;
	c->recipients = BUF_IN(c->mail);
	c->recipient_count = 0;
}

static void count(struct sink *sink, uint64_t *counter)
{
	++*counter;
	if (sink->show_count) {
		printf("sess=%llu quit=%llu mesg=%llu\r",
			(unsigned long long)sink->sessions,
			(unsigned long long)sink->quits,
			(unsigned long long)sink->messages);
		fflush(stdout);
	}
}

/* ---- verbs ---- */

static void say_ok(struct client *c, struct str args)
{
	(void)args;
	reply(c, "250 2.0.0 Ok");
}

static void say_hello(struct client *c, const char *protocol, struct str args)
{
	forget_mail(c);
	c->protocol = str_from(protocol);
	c->helo = arena_copy(c->arena, args.p ? args : STR(""));
}

static void helo(struct client *c, struct str args)
{
	say_hello(c, "SMTP", args);
	reply(c, "250 %.*s", STR_ARG(c->sink->host));
}

static void ehlo(struct client *c, struct str args)
{
	const struct sink *sink = c->sink;
	const struct {
		bool off;
		const char *text;
	} words[] = {
		{ sink->no_pipelining, "PIPELINING" },
		{ sink->no_8bitmime, "8BITMIME" },
		{ sink->no_auth, "AUTH PLAIN LOGIN" },
		{ sink->no_xclient, "XCLIENT NAME HELO" },
		{ sink->no_xforward, "XFORWARD NAME ADDR PROTO HELO" },
		{ sink->no_enhanced, "ENHANCEDSTATUSCODES" },
		{ sink->no_dsn, "DSN" },
	};

	say_hello(c, sink->lmtp ? "LMTP" : "ESMTP", args);
	reply(c, "250-%.*s", STR_ARG(sink->host));
	for (size_t i = 0; i < COUNT(words); i++)
		if (!words[i].off)
			reply(c, "250-%s", words[i].text);
	reply(c, "250 ");
}

static void mail(struct client *c, struct str args)
{
	if (c->has_sender) {
		reply(c, "503 5.5.1 Error: nested MAIL command");
		return;
	}
	(void)!smtp_keyword_take(&args, "FROM");
	c->has_sender = true;
	c->sender = arena_copy(c->mail, str_trim(args));
	reply(c, "250 2.1.0 Ok");
}

static void rcpt(struct client *c, struct str args)
{
	if (!c->has_sender) {
		reply(c, "503 5.5.1 Error: need MAIL command");
		return;
	}
	(void)!smtp_keyword_take(&args, "TO");
	c->recipient_count++;
	if (dump_is_wanted(c->sink))
		buf_fmt(&c->recipients, "X-Rcpt-Args: %.*s\n",
			STR_ARG(str_trim(args)));
	reply(c, "250 2.1.5 Ok");
}

static void rset(struct client *c, struct str args)
{
	(void)args;
	forget_mail(c);
	reply(c, "250 2.1.0 Ok");
}

static void quit(struct client *c, struct str args)
{
	(void)args;
	reply(c, "221 Bye");
	count(c->sink, &c->sink->quits);
	c->is_over = true;
}

static void data(struct client *c, struct str args);
static void connected(struct client *c, struct str args)
{
	(void)args;
	if (c->sink->is_pix)
		reply(c, "220 ********");
	else
		reply(c, "220 %.*s%s", STR_ARG(c->sink->host),
			c->sink->no_ehlo ? "" : " ESMTP");
}

/* clang-format off */
static const struct verb {
	const char *name;
	void (*run)(struct client *c, struct str args);
	enum { ALWAYS, NOT_LMTP, LMTP_ONLY, ESMTP_ONLY, NOT_A_WORD } when;
} verbs[] = {
	{ "CONNECT",  connected, NOT_A_WORD },
	{ "HELO",     helo,      NOT_LMTP },
	{ "EHLO",     ehlo,      ESMTP_ONLY },
	{ "LHLO",     ehlo,      LMTP_ONLY },
	{ "XCLIENT",  say_ok,    ALWAYS },
	{ "XFORWARD", say_ok,    ALWAYS },
	{ "AUTH",     say_ok,    ALWAYS },
	{ "MAIL",     mail,      ALWAYS },
	{ "RCPT",     rcpt,      ALWAYS },
	{ "DATA",     data,      ALWAYS },
	{ ".",        say_ok,    ALWAYS },
	{ "RSET",     rset,      ALWAYS },
	{ "NOOP",     say_ok,    ALWAYS },
	{ "VRFY",     say_ok,    ALWAYS },
	{ "QUIT",     quit,      ALWAYS },
};
/* clang-format on */
_Static_assert(COUNT(verbs) <= VERBS_MOST, "a rule for each verb");

enum { /* rows that are not looked up by name */
	VERB_CONNECT = 0,
	VERB_DATA = 9,
	VERB_DOT = 10,
};

static const struct verb *find_verb(struct str name)
{
	for (size_t i = 0; i < COUNT(verbs); i++)
		if (str_is_nocase(name, verbs[i].name))
			return &verbs[i];
	return NULL;
}

static bool is_known(const struct sink *sink, const struct verb *verb)
{
	switch (verb->when) {
	case NOT_LMTP:
		return !sink->lmtp;
	case LMTP_ONLY:
		return sink->lmtp;
	case ESMTP_ONLY:
		return !sink->lmtp && !sink->no_ehlo;
	case NOT_A_WORD:
		return false;
	default:
		return true;
	}
}

/* ---- what the command line asks for, before a verb is run ---- */

static void wait_rule(const struct verb_rule *rule)
{
	uint64_t rolls = 1;

	if (rule->delay == 0)
		return;
	while (rule->odds && random_below(100) < rule->odds)
		rolls++;
	(void)!io_sleep(span_s((int64_t)(rule->delay * rolls)));
}

/* True: the rule has answered. `times`: LMTP's replies to a message. */
static bool apply_rule(struct client *c, const struct verb *verb,
	uint64_t times)
{
	const struct sink *sink = c->sink;
	const struct verb_rule *rule = &sink->rules[verb - verbs];

	if (rule->show)
		log_info("%s", verb->name);
	wait_rule(rule);
	if (rule->hang_up || rule->close) {
		if (rule->close)
			reply(c, "421 4.0.0 Server closing connection");
		c->is_over = true;
		return true;
	}
	if (!rule->hard && !rule->soft)
		return false;
	while (times-- > 0)
		reply(c, "%.*s",
			STR_ARG(rule->hard ? sink->hard_reply :
					     sink->soft_reply));
	return true;
}

/* ---- content ---- */

/* False: the connection is over. The text is kept for a dump only. */
static bool read_content(struct client *c, struct buf *text)
{
	struct span timeout = span_s((int64_t)c->sink->timeout);
	bool keep = dump_is_wanted(c->sink), done = false;
	struct smtp_decoder decoder;
	struct str octets, rest;

	smtp_decoder_init(&decoder, SMTP_NEWLINE_NORMALIZE, true, false);
	while (!done) {
		if (!io_peek(c->io, &octets, timeout))
			return false;
		rest = octets;
		done = smtp_decode(&decoder, &rest, text);
		stream_consume(c->io, octets.len - rest.len);
		if (!keep)
			buf_clear(text);
	}
	return true;
}

static void abort_data(struct client *c)
{
	(void)!io_flush(c->io, span_s((int64_t)c->sink->timeout));
	(void)!io_sleep(span_s((int64_t)c->sink->abort_delay));
	reply(c, "550 This violates SMTP");
	c->is_over = true;
}

static void end_data(struct client *c)
{
	struct sink *sink = c->sink;
	uint64_t times = sink->lmtp ? c->recipient_count : 1;

	if (!apply_rule(c, &verbs[VERB_DOT], times))
		while (times-- > 0)
			reply(c, sink->lmtp ? "250 2.2.0 Ok" : "250 2.0.0 Ok");
	forget_mail(c);
	count(sink, &sink->messages);
	if (sink->messages_most && sink->messages >= sink->messages_most) {
		(void)!io_flush(c->io, span_s((int64_t)sink->timeout));
		io_stop();
	}
}

static void data(struct client *c, struct str args)
{
	auto_buf struct buf text = { 0 };

	(void)args;
	if (c->recipient_count == 0) {
		reply(c, "503 5.5.1 Error: need RCPT command");
		return;
	}
	reply(c, "354 End data with <CR><LF>.<CR><LF>");
	if (c->sink->aborts) {
		abort_data(c);
		return;
	}
	if (c->sink->read_delay) {
		(void)!io_flush(c->io, span_s((int64_t)c->sink->timeout));
		(void)!io_sleep(span_s((int64_t)c->sink->read_delay));
	}
	if (!read_content(c, &text)) {
		c->is_over = true;
		return;
	}
	if (dump_is_wanted(c->sink))
		dump_write(c, buf_str(&text));
	end_data(c);
}

/* ---- sessions ---- */

static void run_line(struct client *c, struct str line)
{
	struct smtp_command words;
	const struct verb *verb;

	if (c->sink->verbose)
		log_info("%.*s", STR_ARG(line));
	if (!smtp_command_parse(line, &words)) {
		reply(c, "500 5.5.2 Error: unknown command");
		return;
	}
	verb = find_verb(words.verb);
	if (!verb || !is_known(c->sink, verb))
		reply(c, "500 5.5.1 Error: unknown command");
	else if (!apply_rule(c, verb, 1))
		verb->run(c, words.arguments);
}

static void run_client(struct client *c)
{
	struct span timeout = span_s((int64_t)c->sink->timeout);
	struct str line;

	stream_write_timeout(c->io, timeout);
	if (!apply_rule(c, &verbs[VERB_CONNECT], 1))
		connected(c, STR_NONE);
	while (!c->is_over && io_line(c->io, &line, timeout))
		run_line(c, line);
	if (!c->is_over && errno == ETIMEDOUT)
		log_warning("read timeout from %.*s", STR_ARG(c->address));
	(void)!io_flush(c->io, timeout);
}

struct accepted {
	struct sink *sink;
	struct io_gate *gate;
	int fd;
	struct sockaddr_storage from;
};

static void session(void *context)
{
	struct accepted *accepted = context;
	struct sink *sink = accepted->sink;
	struct client c = { .sink = sink, .arena = arena_new(0),
		.protocol = sink->lmtp ? STR("LMTP") : STR("SMTP"),
		.helo = STR_NONE };
	struct buf address = BUF_IN(c.arena);

	c.mail = arena_child(c.arena);
	endpoint_format(&address,
		(const struct sockaddr *)(const void *)&accepted->from);
	c.address = buf_str(&address);
	c.io = stream_open_accepted(c.arena, accepted->fd);
	forget_mail(&c);
	run_client(&c);
	arena_free(c.arena);
	count(sink, &sink->sessions);
	if (sink->sessions_most && sink->sessions >= sink->sessions_most)
		io_stop();
	io_gate_leave(accepted->gate);
	free(accepted);
}

struct listening {
	struct sink *sink;
	struct io_gate *gate;
	int fd;
};

static void listen_on(void *context)
{
	struct listening *l = context;

	while (io_gate_enter(l->gate, SPAN_FOREVER)) {
		struct accepted *accepted = mem_new(1, sizeof(*accepted));

		accepted->sink = l->sink;
		accepted->gate = l->gate;
		accepted->fd = io_accept(l->fd, &accepted->from, SPAN_FOREVER);
		if (accepted->fd < 0) {
			log_warning("accept: %m");
			free(accepted);
			io_gate_leave(l->gate);
			if (!io_sleep(span_s(1)))
				return;
			continue;
		}
		io_spawn("session", session, accepted);
	}
}

static void run(void *context)
{
	struct sink *sink = context;
	struct io_gate *gate = arena_new_of(sink->arena, struct io_gate);

	io_gate_init(gate, (size_t)sink->clients_most);
	for (const int *fd = sink->listeners; *fd >= 0; fd++) {
		struct listening *l =
			arena_new_of(sink->arena, struct listening);

		*l = (struct listening){ sink, gate, *fd };
		io_spawn("listen", listen_on, l);
	}
}

/* ---- start ---- */

static int open_listener(const struct sink *sink, const struct endpoint *e,
	int backlog)
{
	const struct sockaddr *address =
		(const struct sockaddr *)(const void *)&e->address;
	int fd = endpoint_socket(e), on = 1, octets = (int)sink->window;

	if (fd < 0 && errno == EAFNOSUPPORT)
		return -1;
	if (fd < 0)
		log_fatal("socket: %m");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (address->sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (address->sa_family == AF_UNIX)
		unlink(((const struct sockaddr_un *)(const void *)address)
				->sun_path);
	if (octets)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &octets, sizeof(octets));
	if (bind(fd, address, e->len) < 0)
		log_fatal("bind: %m");
	if (listen(fd, backlog) < 0)
		log_fatal("listen: %m");
	return fd;
}

static void open_listeners(struct sink *sink, const char *where, int backlog)
{
	struct endpoint endpoints[ENDPOINTS_MOST];
	size_t count = endpoint_find(where, "smtp", sink->family, true,
		endpoints);
	int *fds = arena_array(sink->arena, count + 1, sizeof(int)), *fd = fds;

	for (size_t i = 0; i < count; i++) {
		*fd = open_listener(sink, &endpoints[i], backlog);
		fd += *fd >= 0;
	}
	*fd = -1;
	if (fd == fds)
		log_fatal("%s: nothing to listen on", where);
	sink->listeners = fds;
}

static void leave_privileges(const struct sink *sink)
{
	const char *user = arena_cstr(sink->arena, sink->user);
	const struct passwd *pw = sink->user.len ? getpwnam(user) : NULL;

	if (sink->user.len && !pw)
		log_fatal("unknown user: %s", user);
	if (!pw && geteuid() == 0)
		log_fatal("-u option is required if running as root");
	if (pw && geteuid() == 0 && initgroups(user, pw->pw_gid) < 0)
		log_fatal("initgroups: %m");
	if (sink->root.len) {
		const char *root = arena_cstr(sink->arena, sink->root);

		if (chroot(root) < 0 || chdir("/") < 0)
			log_fatal("chroot(%s): %m", root);
	}
	if (pw && (setgid(pw->pw_gid) < 0 || setuid(pw->pw_uid) < 0))
		log_fatal("become %s: %m", user);
}

/* ---- the command line ---- */

static uint64_t number(struct str text, const char *what, uint64_t least,
	uint64_t most)
{
	uint64_t value;

	if (!what && (!str_parse_u64(text, most, &value) || value < least))
		command_usage(&command);
	if (!str_parse_u64(text, most, &value) || value < least)
		log_fatal("bad %s: %.*s", what, STR_ARG(text));
	return value;
}

/* "450 text" for -b, "5.." for -B. */
static void check_reply(char first, struct str reply, const char *what)
{
	struct str rest = reply;
	struct str digits = str_take_while(&rest, ascii_is_digit);

	if (digits.len == 3 && digits.p[0] == first)
		return;
	log_error("bad %s error reply: %.*s", what, STR_ARG(reply));
	command_usage(&command);
}

static struct verb_rule *find_rule(struct sink *sink, struct str name)
{
	const struct verb *verb = find_verb(name);

	if (!verb)
		log_fatal("unknown command: %.*s", STR_ARG(name));
	return &sink->rules[verb - verbs];
}

/* -r -f -q -Q -s: one bool of the rule of each verb in the list. */
static void mark_verbs(struct sink *sink, size_t offset)
{
	struct str list = str_from(optarg), name;

	while (str_take_item(&list, ", \t\r\n", &name))
		*(bool *)((char *)find_rule(sink, name) + offset) = true;
}

/* "command:delay[:odds]". */
static void set_delay(struct sink *sink, struct str text)
{
	struct str all = text, name = str_take_until(&text, ':');
	struct str delay = str_take_until(&text, ':');
	struct verb_rule *rule;

	if (name.len == 0 || name.len == all.len)
		log_fatal("invalid command delay argument: %.*s",
			STR_ARG(all));
	rule = find_rule(sink, name);
	if (!str_parse_u64(delay, COUNT_MOST, &rule->delay) ||
		rule->delay == 0)
		log_fatal("non-positive '%.*s' delay", STR_ARG(name));
	if (text.len && !str_parse_u64(text, ODDS_MOST, &rule->odds))
		log_fatal("delay odds for '%.*s' out of range", STR_ARG(name));
}

/* clang-format off */
static const struct option_row {
	char letter;
	enum { FLAG, TEXT, NUMBER, VERBS } kind;
	size_t offset; /* in struct sink; VERBS: in struct verb_rule */
	const char *what; /* a number is; NULL: a wrong one gets the usage */
	uint64_t least, most;
} rows[] = {
#define AT(field) offsetof(struct sink, field)
#define RULE(field) offsetof(struct verb_rule, field)
	{ '8', FLAG,   AT(no_8bitmime) },
	{ 'a', FLAG,   AT(no_auth) },
	{ 'A', NUMBER, AT(abort_delay), NULL, 0, COUNT_MOST },
	{ 'b', TEXT,   AT(soft_reply) },
	{ 'B', TEXT,   AT(hard_reply) },
	{ 'c', FLAG,   AT(show_count) },
	{ 'C', FLAG,   AT(no_xclient) },
	{ 'd', TEXT,   AT(single) },
	{ 'D', TEXT,   AT(multiple) },
	{ 'e', FLAG,   AT(no_ehlo) },
	{ 'E', FLAG,   AT(no_enhanced) },
	{ 'f', VERBS,  RULE(hard) },
	{ 'F', FLAG,   AT(no_xforward) },
	{ 'h', TEXT,   AT(host) },
	{ 'H', NUMBER, AT(read_delay), "data read delay", 1, COUNT_MOST },
	{ 'L', FLAG,   AT(lmtp) },
	{ 'm', NUMBER, AT(clients_most), "concurrency limit", 1, COUNT_MOST },
	{ 'M', NUMBER, AT(messages_most), "message quit count", 1, COUNT_MOST },
	{ 'n', NUMBER, AT(sessions_most), "quit count", 1, COUNT_MOST },
	{ 'N', FLAG,   AT(no_dsn) },
	{ 'p', FLAG,   AT(no_pipelining) },
	{ 'P', FLAG,   AT(is_pix) },
	{ 'q', VERBS,  RULE(hang_up) },
	{ 'Q', VERBS,  RULE(close) },
	{ 'r', VERBS,  RULE(soft) },
	{ 'R', TEXT,   AT(root) },
	{ 's', VERBS,  RULE(show) },
	{ 'S', TEXT,   AT(start) },
	{ 't', NUMBER, AT(timeout), "timeout", 1, COUNT_MOST },
	{ 'T', NUMBER, AT(window), "TCP window size", 1, 65535 },
	{ 'u', TEXT,   AT(user) },
	{ 'v', FLAG,   AT(verbose) },
	{ 'w', NUMBER, AT(rules[VERB_DATA].delay), NULL, 0, COUNT_MOST },
#undef AT
#undef RULE
};
/* clang-format on */

static void set_field(struct sink *sink, const struct option_row *row)
{
	void *field = (char *)sink + row->offset;

	switch (row->kind) {
	case FLAG:
		*(bool *)field = true;
		return;
	case TEXT:
		*(struct str *)field = str_from(optarg);
		return;
	case NUMBER:
		*(uint64_t *)field = number(str_from(optarg), row->what,
			row->least, row->most);
		return;
	case VERBS:
		mark_verbs(sink, row->offset);
		return;
	}
}

static void set_option(struct sink *sink, int letter)
{
	if (letter == '4' || letter == '6')
		sink->family = letter == '4' ? AF_INET : AF_INET6;
	if (letter == 'W')
		set_delay(sink, str_from(optarg));
	if (letter == '?')
		command_usage(&command);
	if (letter == 'A')
		sink->aborts = true;
	if (letter == 'b')
		check_reply('4', str_from(optarg), "soft");
	if (letter == 'B')
		check_reply('5', str_from(optarg), "hard");
	for (size_t i = 0; i < COUNT(rows); i++)
		if (rows[i].letter == letter)
			set_field(sink, &rows[i]);
	/* What one option implies. */
	sink->no_ehlo |= sink->is_pix;
	sink->no_pipelining |= letter == 'f' || letter == 'r';
}

static void log_to_mail_log(const struct sink *sink)
{
	for (size_t i = 0; i < COUNT(verbs); i++)
		if (sink->rules[i].show) {
			command_log(command_conf(sink->arena, NULL),
				command.name);
			return;
		}
}

int main(int argc, char **argv)
{
	struct sink sink = { .arena = arena_new(0),
		.hard_reply = STR("500 5.3.0 Error: command failed"),
		.soft_reply = STR("450 4.3.0 Error: command failed"),
		.host = STR("smtp-sink"), .timeout = TIMEOUT_S,
		.clients_most = CLIENTS };
	int letter;

	command_begin(&command, argc, argv);
	while ((letter = getopt(argc, argv,
			"468aA:b:B:cCd:D:eEf:Fh:H:Lm:M:n:NpPq:Q:r:R:s:S:t:"
			"T:u:vw:W:")) >= 0)
		set_option(&sink, letter);
	if (argc - optind != 2)
		command_usage(&command);
	sink.start = dump_unescape(sink.arena, sink.start);
	log_to_mail_log(&sink);
	open_listeners(&sink, argv[optind],
		(int)number(str_from(argv[optind + 1]), NULL, 1, COUNT_MOST));
	mail_date_ready();
	leave_privileges(&sink);
	io_run(run, &sink);
	arena_free(sink.arena);
	return 0;
}
