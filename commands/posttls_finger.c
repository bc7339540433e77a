/*
 * posttls-finger - what TLS a mail server offers, and whether it would satisfy
 * a policy.
 *
 * Talks to   the servers of the destination, and the system's name servers
 * RFC        5321, 2033, 3207, 6125
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "commands/finger_sites.h"
#include "config/file.h"
#include "io/fiber.h"
#include "service/command.h"
#include "talk/context.h"
#include "talk/talk.h"

static const struct command command = {
	"posttls-finger",
	"[-cCfSvw] [-a family] [-A ta.pem] [-d digest] [-F CAfile] [-g grade] "
	"[-h lookup] [-H chainfiles] [-k cert] [-K key] [-l level] "
	"[-L logopts] [-m count] [-M policy] [-o name=value] [-p protocols] "
	"[-P CApath] "
	"[-r delay] [-s servername] [-t timeout] [-T timeout] "
	"[inet:]domain[:port] [match...]",
};

enum {
	MATCHES_MOST = 64,
	OVERRIDES_MOST = 32,
	TIMEOUT_S = 30,
};

enum level {
	LEVEL_NONE,
	LEVEL_MAY,
	LEVEL_ENCRYPT,
	LEVEL_FINGERPRINT,
	LEVEL_VERIFY,
	LEVEL_SECURE,
};

static const struct {
	const char *name;
	enum level level;
} levels[] = {
	{ "none", LEVEL_NONE },           { "may", LEVEL_MAY },
	{ "encrypt", LEVEL_ENCRYPT },     { "fingerprint", LEVEL_FINGERPRINT },
	{ "verify", LEVEL_VERIFY },       { "secure", LEVEL_SECURE },
};

/* Words of -L. */
enum {
	SHOW_SUMMARY = 1,  /* the TLS connection */
	SHOW_MATCHES = 2,  /* names in the certificate */
	SHOW_PEER = 4,     /* the certificate */
};

static const struct {
	const char *word;
	unsigned shows;
} log_words[] = {
	{ "none", 0 }, { "0", 0 }, { "routine", SHOW_SUMMARY | SHOW_PEER },
	{ "1", SHOW_SUMMARY | SHOW_PEER }, { "summary", SHOW_SUMMARY },
	{ "peercert", SHOW_PEER }, { "certmatch", SHOW_MATCHES },
	{ "verbose", SHOW_SUMMARY | SHOW_PEER | SHOW_MATCHES },
	{ "debug", SHOW_SUMMARY | SHOW_PEER | SHOW_MATCHES },
	{ "2", SHOW_SUMMARY | SHOW_PEER | SHOW_MATCHES },
	/* of another library's dialogue: nothing more to see here */
	{ "untrusted", 0 }, { "cache", 0 }, { "ssl-debug", 0 },
	{ "ssl-handshake-packet-dump", 0 }, { "ssl-session-packet-dump", 0 },
	{ "dane", 0 }, { "session", 0 },
};

struct finger {
	struct arena *arena;
	const struct conf *conf;
	const char *overrides[OVERRIDES_MOST];
	size_t override_count;

	/* What the command line says. */
	int family;
	bool is_silent, shows_chain, is_lmtp, is_wrapped;
	enum level level;
	unsigned shows;
	struct str trust_file, servername, protocols;
	struct talk_tls_settings tls;
	uint64_t tries, connect_s, step_s;
	int64_t again_s; /* -1: once */
	struct str matches[MATCHES_MOST];
	size_t match_count;

	struct talk_destination destination;
	struct finger_sites sites;
	struct tls_context *context;
	struct str resume; /* what the last connection has left */
	bool is_satisfied;
};

/* One line of what is seen. */
static void say(const char *format, ...) printf_like(1, 2);
static void say(const char *format, ...)
{
	va_list args;

	fputs("posttls-finger: ", stdout);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

/* Warnings and errors stand among the rest, as Postfix's do. */
static void say_line(enum log_level level, struct str line)
{
	(void)level;
	say("%.*s", STR_ARG(line));
	fflush(stdout);
}

/* ---- the dialogue ---- */

struct probe {
	struct finger *finger;
	struct arena *arena;
	const struct finger_site *site;
	struct talk talk;
	struct smtp_reply reply;
};

static bool heard(void *context, struct arena *arena, struct str *line)
{
	const struct probe *p = context;

	(void)arena;
	if (!p->finger->is_silent)
		say("< %.*s", STR_ARG(str_trim(*line)));
	return true;
}

static bool lost(struct probe *p, const char *phase)
{
	say("%s: %s while %s", p->site->where.p, errno ? strerror(errno) :
		"lost connection", phase);
	return false;
}

static void chat(const struct probe *p, const char *line)
{
	if (!p->finger->is_silent)
		say("> %s", line);
}

static bool ask(struct probe *p, const char *line)
{
	chat(p, line);
	return talk_command(&p->talk, p->arena, str_from(line),
		span_s((int64_t)p->finger->step_s), &p->reply) ||
		lost(p, line);
}

/* Both times: before STARTTLS and after it. */
static bool hello(struct probe *p)
{
	const char *verb = p->finger->is_lmtp ? "LHLO" : "EHLO";
	struct str name = p->finger->conf->myhostname;

	chat(p, arena_fmt(p->arena, "%s %.*s", verb, STR_ARG(name)).p);
	if (!talk_hello(&p->talk, p->arena, verb, name, STR(""),
		    span_s((int64_t)p->finger->step_s), &p->reply))
		return lost(p, verb);
	if (p->reply.code / 100 == 2)
		return true;
	say("%.*s refused %s", STR_ARG(p->site->where), verb);
	return false;
}

/* ---- the certificate ---- */

static void show_peer(const struct probe *p,
	const struct tls_certificate *certificate)
{
	const struct tls_session *tls = &p->talk.tls;

	if (!(p->finger->shows & SHOW_PEER) || !tls->has_peer)
		return;
	say("%.*s: subject_CN=%.*s, issuer_CN=%.*s, fingerprint=%.*s, "
		"pkey_fingerprint=%.*s", STR_ARG(p->site->where),
		STR_ARG(tls->peer_subject), STR_ARG(tls->peer_issuer),
		STR_ARG(tls->peer_fingerprint),
		STR_ARG(tls->peer_key_fingerprint));
	if (certificate->not_after.len > 0)
		say("%.*s: valid from %.*s to %.*s", STR_ARG(p->site->where),
			STR_ARG(certificate->not_before),
			STR_ARG(certificate->not_after));
}

static void show_names(const struct probe *p,
	const struct tls_certificate *certificate)
{
	if (!(p->finger->shows & SHOW_MATCHES))
		return;
	for (size_t i = 0; i < certificate->name_count; i++)
		say("%.*s: subjectAltName: %.*s", STR_ARG(p->site->where),
			STR_ARG(certificate->names[i]));
}

static bool is_fingerprint(const struct finger *f,
	const struct tls_session *tls)
{
	for (size_t i = 0; i < f->match_count; i++)
		if (str_eq_nocase(f->matches[i], tls->peer_fingerprint) ||
			str_eq_nocase(f->matches[i],
				tls->peer_key_fingerprint))
			return true;
	return false;
}

static bool satisfies(const struct finger *f, const struct tls_session *tls)
{
	switch (f->level) {
	case LEVEL_FINGERPRINT:
		return is_fingerprint(f, tls);
	case LEVEL_VERIFY:
	case LEVEL_SECURE:
		return tls->is_matched;
	default:
		return true;
	}
}

static const char *trust_of(const struct finger *f,
	const struct tls_session *tls)
{
	if (f->level == LEVEL_FINGERPRINT && is_fingerprint(f, tls))
		return "Verified";
	return tls_trust(tls);
}

static void show_summary(const struct probe *p)
{
	const struct tls_session *tls = &p->talk.tls;
	auto_buf struct buf summary = { 0 };

	if (!(p->finger->shows & SHOW_SUMMARY))
		return;
	tls_summary_format(&summary, tls);
	say("%s TLS connection %s to %.*s: %.*s", trust_of(p->finger, tls),
		tls->is_resumed ? "reused" : "established",
		STR_ARG(p->site->where), STR_ARG(buf_str(&summary)));
}

static void look_at_peer(struct probe *p)
{
	struct finger *f = p->finger;
	const struct tls_session *tls = &p->talk.tls;
	struct tls_certificate certificate;
	bool has = tls_certificate_find(p->arena, tls, &certificate);

	show_names(p, &certificate);
	show_peer(p, &certificate);
	show_summary(p);
	if (f->shows_chain && has)
		printf("%.*s", STR_ARG(certificate.chain_pem));
	f->is_satisfied = satisfies(f, tls);
	if (!f->is_satisfied)
		say("%.*s: the certificate does not satisfy the level %s: %.*s",
			STR_ARG(p->site->where), levels[f->level].name,
			STR_ARG(f->level == LEVEL_FINGERPRINT ?
				STR("no fingerprint matches") :
				tls->distrust));
}

/* ---- TLS ---- */

/* The names that the level asks for: given, or of the destination. */
static void find_names(const struct probe *p, struct tls_client *client)
{
	const struct finger *f = p->finger;
	struct str *names = arena_array(p->arena, 2, sizeof(*names));

	client->match = f->matches;
	client->match_count = f->match_count;
	if (f->match_count > 0 || f->level == LEVEL_FINGERPRINT)
		return;
	client->match = names;
	names[client->match_count++] = f->level == LEVEL_SECURE ?
		f->destination.host : p->site->host;
	if (f->level == LEVEL_SECURE)
		names[client->match_count++] = arena_fmt(p->arena, ".%.*s",
			STR_ARG(f->destination.host));
}

static bool handshake(struct probe *p)
{
	struct finger *f = p->finger;
	struct tls_client client = {
		.servername = f->servername.len > 0 ? f->servername : STR_NONE,
		.single_label =
			!f->conf->tls_wildcard_matches_multiple_labels,
		.resume = f->resume,
	};

	find_names(p, &client);
	if (!talk_tls(&p->talk, f->context, &client,
		    span_s((int64_t)f->step_s))) {
		say("SSL_connect error to %.*s: %.*s", STR_ARG(p->site->where),
			STR_ARG(p->talk.tls.failure));
		return false;
	}
	look_at_peer(p);
	return true;
}

static bool start_tls(struct probe *p)
{
	enum level level = p->finger->level;

	if (level == LEVEL_NONE || p->talk.is_tls)
		return true;
	if (!(p->talk.features.set & FEATURE_STARTTLS)) {
		say("%.*s: STARTTLS is not offered", STR_ARG(p->site->where));
		p->finger->is_satisfied = level < LEVEL_ENCRYPT;
		return true;
	}
	if (!ask(p, "STARTTLS"))
		return false;
	if (p->reply.code / 100 != 2) {
		p->finger->is_satisfied = level < LEVEL_ENCRYPT;
		return true;
	}
	if (!talk_is_silent(&p->talk)) {
		say("%.*s: plaintext behind the answer to STARTTLS",
			STR_ARG(p->site->where));
		return false;
	}
	return handshake(p) && hello(p);
}

/* False: the dialogue broke off. */
static bool converse(struct probe *p)
{
	struct finger *f = p->finger;

	if (f->is_wrapped && !handshake(p))
		return false;
	if (!talk_reply(&p->talk, p->arena, span_s((int64_t)f->step_s),
		    &p->reply))
		return lost(p, "receiving the greeting");
	if (p->reply.code / 100 != 2)
		return ask(p, "QUIT") && false;
	if (!hello(p) || !start_tls(p))
		return false;
	return ask(p, "QUIT");
}

/* ---- connections ---- */

static int connect_site(const struct finger *f, const struct finger_site *site)
{
	int fd = endpoint_connect(&site->endpoint,
		span_s((int64_t)f->connect_s));

	if (fd < 0)
		say("Failed to establish session to %.*s: connect: %s",
			STR_ARG(site->where), strerror(errno));
	return fd;
}

/* The first that can be talked with. */
static bool probe_any(struct finger *f)
{
	bool done = false;

	for (size_t i = 0; i < f->sites.count && !done; i++) {
		struct probe p = { .finger = f, .site = &f->sites.all[i] };
		int fd = connect_site(f, p.site);

		if (fd < 0)
			continue;
		if (!f->is_silent)
			say("Connected to %.*s", STR_ARG(p.site->where));
		p.arena = arena_new(0);
		p.talk = (struct talk){ .arena = p.arena,
			.io = stream_open(p.arena, fd), .heard = heard,
			.context = &p };
		f->is_satisfied = f->level < LEVEL_ENCRYPT;
		done = converse(&p);
		if (p.talk.is_tls && done)
			f->resume = tls_resumption(f->arena, &p.talk.tls);
		arena_free(p.arena);
	}
	return done;
}

static void run(void *context)
{
	struct finger *f = context;
	bool done = probe_any(f);

	for (uint64_t i = 1; done && f->again_s >= 0 && i < f->tries; i++) {
		if (!io_sleep(span_s(f->again_s)))
			break;
		done = probe_any(f);
	}
	f->is_satisfied = done && f->is_satisfied;
}

/* ---- the command line ---- */

static void set_family(struct finger *f, const char *text)
{
	if (strcmp(text, "ipv4") == 0)
		f->family = AF_INET;
	else if (strcmp(text, "ipv6") == 0)
		f->family = AF_INET6;
	else if (strcmp(text, "any") != 0)
		log_fatal("-a %s: any, ipv4 or ipv6", text);
}

static void set_level(struct finger *f, const char *text)
{
	for (size_t i = 0; i < COUNT(levels); i++)
		if (strcmp(text, levels[i].name) == 0) {
			f->level = levels[i].level;
			return;
		}
	if (strstr(text, "dane"))
		log_fatal("-l %s: DANE is not supported", text);
	log_fatal("Invalid TLS level \"%s\"", text);
}

static void set_shows(struct finger *f, const char *text)
{
	struct str rest = str_from(text), word;

	f->shows = 0;
	while (str_take_item(&rest, ", ", &word)) {
		size_t i = 0;

		while (i < COUNT(log_words) &&
			!str_is_nocase(word, log_words[i].word))
			i++;
		if (i == COUNT(log_words))
			log_fatal("-L %s: unknown word", text);
		f->shows |= log_words[i].shows;
	}
}

static uint64_t number(const char *text, char option, uint64_t least)
{
	uint64_t value;

	if (!str_parse_u64(str_from(text), 1000000, &value) || value < least)
		log_fatal("-%c %s: bad number", option, text);
	return value;
}

static void add_override(struct finger *f, const char *text)
{
	if (f->override_count == OVERRIDES_MOST || !strchr(text, '='))
		log_fatal("-o %s: name=value", text);
	f->overrides[f->override_count++] = text;
}

/* Options that are about text only. */
static struct str *text_of(struct finger *f, int option)
{
	switch (option) {
	case 'A':
		return &f->trust_file;
	case 'F':
		return &f->tls.CAfile;
	case 'g':
		return &f->tls.grade;
	case 'H':
		return &f->tls.chain_files;
	case 'k':
		return &f->tls.cert_file;
	case 'K':
		return &f->tls.key_file;
	case 'p':
		return &f->tls.protocols;
	case 'P':
		return &f->tls.CApath;
	case 's':
		return &f->servername;
	default:
		return NULL;
	}
}

/* To standard error: nothing was seen yet. */
static _Noreturn void usage(void)
{
	log_sink(NULL);
	command_usage(&command);
}

static void take_option(struct finger *f, int option)
{
	switch (option) {
	case 'a':
		set_family(f, optarg);
		break;
	case 'c':
		f->is_silent = true;
		break;
	case 'C':
		f->shows_chain = true;
		break;
	case 'd':
		f->tls.digest = optarg;
		break;
	case 'h':
		break; /* addresses are the system's affair */
	case 'l':
		set_level(f, optarg);
		break;
	case 'L':
		set_shows(f, optarg);
		break;
	case 'm':
		f->tries = number(optarg, 'm', 1);
		break;
	case 'o':
		add_override(f, optarg);
		break;
	case 'r':
		f->again_s = (int64_t)number(optarg, 'r', 0);
		break;
	case 'S':
		f->is_lmtp = true;
		break;
	case 't':
		f->connect_s = number(optarg, 't', 1);
		break;
	case 'T':
		f->step_s = number(optarg, 'T', 1);
		break;
	case 'v':
		log_verbose(true);
		break;
	case 'w':
		f->is_wrapped = true;
		break;
	case 'f':
	case 'M':
		break; /* how TLSA records are looked for, by DANE's levels */
	case 'R':
	case 'x':
	case 'X':
		log_fatal("-%c: SRV records and raw public keys are not "
			"supported", option);
	default:
		usage();
	}
}

static void take_arguments(struct finger *f, int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv,
		"a:A:cCd:fF:g:h:H:k:K:l:L:m:M:o:p:P:r:Rs:St:T:vwxX")) > 0) {
		struct str *text = text_of(f, option);

		if (text)
			*text = str_from(optarg);
		else
			take_option(f, option);
	}
	if (optind >= argc)
		usage();
	for (int i = optind + 1; i < argc; i++) {
		if (f->match_count == MATCHES_MOST)
			log_fatal("too many names");
		f->matches[f->match_count++] = str_from(argv[i]);
	}
}

static void find_destination(struct finger *f, const char *text)
{
	struct str rest = str_from(text);
	bool is_unix = str_starts(rest, STR("unix:"));

	if (is_unix && !f->is_lmtp)
		log_fatal("unix: sockets are for LMTP: -S");
	(void)str_take_prefix(&rest, STR("inet:"));
	if (!talk_destination_parse(rest, f->is_lmtp, &f->destination))
		log_fatal("bad destination: %s", text);
	finger_sites_find(f->arena, &f->destination, f->family, &f->sites);
	if (f->sites.count == 0)
		log_fatal("%s: %.*s", text, STR_ARG(f->sites.trouble));
}

static void make_context(struct finger *f)
{
	struct tls_chain chains[TALK_CHAINS_MOST] = { 0 };
	struct tls_options options = talk_tls_options(f->arena, f->conf,
		&f->tls, chains);
	struct str error = STR_NONE;

	if (f->trust_file.len > 0 && !file_read(f->arena,
		arena_cstr(f->arena, f->trust_file), &options.ca_pem))
		log_fatal("%.*s: %m", STR_ARG(f->trust_file));
	f->context = tls_context_new(f->arena, &options, &error);
	if (!f->context)
		log_fatal("%.*s", STR_ARG(error));
}

int main(int argc, char **argv)
{
	struct finger f = {
		.arena = arena_new(0),
		.level = LEVEL_SECURE,
		.shows = SHOW_SUMMARY | SHOW_PEER | SHOW_MATCHES,
		.tls = { .grade = STR("medium"), .cert_file = STR(""),
			.chain_files = STR(""), .verify_depth = 9 },
		.tries = 5,
		.connect_s = TIMEOUT_S,
		.step_s = TIMEOUT_S,
		.again_s = -1,
		.resume = STR_NONE,
	};

	command_begin(&command, argc, argv);
	log_sink(say_line);
	take_arguments(&f, argc, argv);
	f.conf = command_conf_with(f.arena, getenv("MAIL_CONFIG"), f.overrides,
		f.override_count);
	if (f.tls.key_file.len == 0)
		f.tls.key_file = f.tls.cert_file;
	if (f.tls.protocols.len == 0)
		f.tls.protocols = f.conf->smtp_tls_mandatory_protocols;
	find_destination(&f, argv[optind]);
	make_context(&f);
	io_run(run, &f);
	if (fflush(stdout) != 0 || ferror(stdout))
		log_fatal("write: %m");
	return f.is_satisfied ? 0 : 1;
}
