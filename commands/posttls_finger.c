/*
 * posttls-finger - what TLS a mail server offers, and whether it would satisfy
 * a policy.
 *
 * Talks to   the servers of the destination, and the system's name servers
 * RFC        5321, 2033, 2782, 3207, 6125, 7672
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "commands/finger.h"
#include "config/file.h"
#include "io/fiber.h"
#include "service/command.h"

static const struct command command = {
	"posttls-finger",
	"[-cCfRSvwxX] [-a family] [-A ta.pem] [-d digest] [-F CAfile] [-g grade] "
	"[-h lookup] [-H chainfiles] [-k cert] [-K key] [-l level] "
	"[-L logopts] [-m count] [-M policy] [-o name=value] [-p protocols] "
	"[-P CApath] "
	"[-r delay] [-s servername] [-t timeout] [-T timeout] "
	"[inet:]domain[:port] [match...]",
};

enum { TIMEOUT_S = 30 };

static const struct {
	const char *word;
	unsigned shows;
} log_words[] = {
	{ "none", 0 }, { "0", 0 }, { "routine", SHOW_SUMMARY | SHOW_PEER },
	{ "1", SHOW_SUMMARY | SHOW_PEER }, { "summary", SHOW_SUMMARY },
	{ "peercert", SHOW_PEER }, { "certmatch", SHOW_MATCHES },
	{ "verbose", SHOW_SUMMARY | SHOW_PEER | SHOW_MATCHES | SHOW_DANE },
	{ "debug", SHOW_SUMMARY | SHOW_PEER | SHOW_MATCHES | SHOW_DANE },
	{ "2", SHOW_SUMMARY | SHOW_PEER | SHOW_MATCHES | SHOW_DANE },
	{ "dane", SHOW_DANE },
	/* of another library's dialogue: nothing more to see here */
	{ "untrusted", 0 }, { "cache", 0 }, { "ssl-debug", 0 },
	{ "ssl-handshake-packet-dump", 0 }, { "ssl-session-packet-dump", 0 },
	{ "session", 0 },
};

/* Warnings and errors stand among the rest, as Postfix's do. */
static void say_line(enum log_level level, struct str line)
{
	(void)level;
	finger_say("%.*s", STR_ARG(line));
	fflush(stdout);
}

/* The first that can be talked with. */
static bool probe_any(struct finger *f)
{
	bool done = false;

	for (size_t i = 0; i < f->sites.count && !done; i++)
		done = finger_probe(f, &f->sites.all[i]);
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
		f->search.family = AF_INET;
	else if (strcmp(text, "ipv6") == 0)
		f->search.family = AF_INET6;
	else if (strcmp(text, "any") != 0)
		log_fatal("-a %s: any, ipv4 or ipv6", text);
}

static void set_level(struct finger *f, const char *text)
{
	if (!finger_level_find(text, &f->level))
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
	if (f->override_count == FINGER_OVERRIDES_MOST || !strchr(text, '='))
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
	case 'h':
		return &f->search.host_lookup;
	case 'H':
		return &f->tls.chain_files;
	case 'k':
		return &f->tls.cert_file;
	case 'K':
		return &f->tls.key_file;
	case 'M':
		return &f->insecure_mx;
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
		f->asks_insecure_hosts = true;
		break;
	case 'R':
		f->search.by_srv = true;
		break;
	case 'x':
		log_warning("-x: raw public keys (RFC 7250) are not supported; "
			"certificates are asked for");
		break;
	case 'X':
		log_warning("-X: there is no tlsproxy; TLS is made here");
		break;
	default:
		usage();
	}
}

static void check_insecure_mx(const struct finger *f)
{
	static const char *const known[] = { "may", "encrypt", "dane" };

	for (size_t i = 0; i < COUNT(known); i++)
		if (str_is_nocase(f->insecure_mx, known[i]))
			return;
	log_fatal("-M %.*s: may, encrypt or dane", STR_ARG(f->insecure_mx));
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
	check_insecure_mx(f);
	for (int i = optind + 1; i < argc; i++) {
		if (f->match_count == FINGER_MATCHES_MOST)
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
	f->search.dns.trust = f->conf->resolver_trust_ad;
	finger_sites_find(f->arena, &f->search, &f->destination, &f->sites);
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
		.level = LEVEL_DANE,
		.insecure_mx = STR("dane"),
		.search.host_lookup = STR("dns"),
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
	if (!f.tls.digest)
		f.tls.digest = arena_cstr(f.arena,
			f.conf->smtp_tls_fingerprint_digest);
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
