/*
 * postconf - shows and changes main.cf and master.cf.
 *
 * Room       the caller's own privileges
 * Gets       main.cf, master.cf
 * Calls      nobody
 */
#include "commands/postconf.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/opensslv.h>

#include "base/log.h"
#include "config/list.h"
#include "maps/maps.h"
#include "service/command.h"

static const struct command command = { "postconf",
	"[-dfhHjnopqvx] [-C class,...] [-c config_dir] [-o name=value]... "
	"[name...] | -e name=value... | -X name... | -# name... | "
	"-M|-F|-P [-efjx] [pattern...] | -b|-t [file] | -a | -A | -l | -m | "
	"-T mode", .says_path = true };

/* ---- modes that only list ---- */

static int list_locks(void)
{
	puts("flock\nfcntl\ndotlock");
	return 0;
}

static int list_types(void)
{
	for (size_t i = 0; maps_type(i); i++)
		puts(maps_type(i));
	return 0;
}

static int list_sasl(void)
{
	puts("cyrus");
	return 0;
}

static int list_keys(void)
{
	static const struct {
		const char *name, *openssl;
	} all[] = {
		{ "dsa", "DSA" },
		{ "ecdsa", "EC" },
		{ "ed25519", "ED25519" },
		{ "ed448", "ED448" },
		{ "rsa", "RSA" },
	};

	for (size_t i = 0; i < COUNT(all); i++) {
		EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL,
			all[i].openssl, NULL);

		if (context)
			puts(all[i].name);
		EVP_PKEY_CTX_free(context);
	}
	return 0;
}

static int list_tls(const char *mode)
{
	if (strcmp(mode, "compile-version") == 0) {
		puts(OPENSSL_VERSION_TEXT);
		return 0;
	}
	if (strcmp(mode, "run-version") == 0) {
		puts(OpenSSL_version(OPENSSL_VERSION));
		return 0;
	}
	if (strcmp(mode, "public-key-algorithms") == 0)
		return list_keys();
	log_warning("unknown 'postconf -T' mode: %s", mode);
	return 1;
}

/* ---- options ---- */

static void set_classes(struct postconf *p, const char *text)
{
	struct str list = str_from(text), item;
	bool all = list_has_word(list, "all");

	p->no_builtin = !all && !list_has_word(list, "builtin");
	p->no_service = !all && !list_has_word(list, "service");
	p->no_user = !all && !list_has_word(list, "user");
	while (str_take_item(&list, ", ", &item))
		if (!list_has_word(STR("builtin service user all"),
			    arena_cstr(p->arena, item)))
			log_fatal("unknown -C option value \"%.*s\" in \"%s\"",
				STR_ARG(item), text);
}

static void set_edit(struct postconf *p, enum postconf_edit edit)
{
	if (p->edit != EDIT_NONE && p->edit != edit)
		log_fatal("specify one of -e -X -#");
	p->edit = edit;
}

static void set_master(struct postconf *p, int option)
{
	if (p->master && p->master != option)
		log_fatal("specify one of -M -F -P");
	p->all_params = p->master == 'P';
	p->master = option;
}

static void add_override(struct postconf *p, const char *text)
{
	if (!strchr(text, '='))
		log_fatal("invalid parameter override: %s: missing '=' after "
			  "attribute name",
			text);
	if (p->override_count == POSTCONF_MOST)
		log_fatal("too many -o options");
	p->overrides[p->override_count++] = text;
}

static const struct {
	int option;
	size_t field; /* a bool of struct postconf */
} switches[] = {
	{ 'd', offsetof(struct postconf, defaults) },
	{ 'f', offsetof(struct postconf, fold) },
	{ 'h', offsetof(struct postconf, no_name) },
	{ 'H', offsetof(struct postconf, no_value) },
	{ 'j', offsetof(struct postconf, json) },
	{ 'n', offsetof(struct postconf, only_set) },
	{ 'q', offsetof(struct postconf, quiet) },
	{ 'x', offsetof(struct postconf, expand) },
};

static bool set_switch(struct postconf *p, int option)
{
	for (size_t i = 0; i < COUNT(switches); i++)
		if (switches[i].option == option) {
			*(bool *)((char *)p + switches[i].field) = true;
			return true;
		}
	return false;
}

/* Modes that need no configuration; -1: another one. */
static int run_list(int option, const char *argument)
{
	switch (option) {
	case 'a':
	case 'A':
		return list_sasl();
	case 'l':
		return list_locks();
	case 'm':
		return list_types();
	case 'T':
		return list_tls(argument);
	default:
		return -1;
	}
}

static void set_option(struct postconf *p, int option)
{
	int status = run_list(option, optarg);

	if (status >= 0)
		exit(status);
	if (set_switch(p, option))
		return;
	switch (option) {
	case 'c':
		p->directory = optarg;
		break;
	case 'C':
		set_classes(p, optarg);
		break;
	case 'e':
		set_edit(p, EDIT_SET);
		break;
	case 'X':
		set_edit(p, EDIT_REMOVE);
		break;
	case '#':
		set_edit(p, EDIT_COMMENT);
		break;
	case 'M':
	case 'F':
	case 'P':
		set_master(p, option);
		break;
	case 'o':
		add_override(p, optarg);
		break;
	case 'p': /* main.cf: the default */
		break;
	case 'b':
	case 't':
		p->bounces = option;
		break;
	case 'v':
		log_verbose(true);
		break;
	default:
		command_usage(&command);
	}
}

/* -n takes from main.cf alone what is there; it says where that was. */
static void note_directory(struct postconf *p)
{
	if (!p->directory)
		p->directory = getenv("MAIL_CONFIG");
}

int main(int argc, char **argv)
{
	static struct postconf p;
	int option;
	char *name = argv[0];
	bool is_readers = argc > 1 && strcmp(argv[1], "--readers") == 0;

	p.not_honoured = argc > 1 && strcmp(argv[1], "--not-honoured") == 0;
	if (p.not_honoured) {
		argc--;
		*++argv = name;
	}
	command_begin(&command, is_readers ? 1 : argc, argv);
	p.arena = arena_new(0);
	if (is_readers) {
		show_readers(&p, argv + 2);
		return fflush(stdout) == 0 ? 0 : 1;
	}
	while ((option = getopt(argc, argv,
			"aAbC:c:deEfFhHjlmMno:pPqtT:vxX#")) != -1)
		set_option(&p, option);
	argv += optind;
	if (p.defaults && p.only_set)
		log_fatal("specify one of -d -n");
	/* who pipes into head(1) wants no more */
	signal(SIGPIPE, SIG_DFL);
	note_directory(&p);
	p.conf = command_conf_with(p.arena, p.directory, p.overrides,
		p.override_count);
	if (p.bounces) {
		show_bounces(&p, argv);
		return fflush(stdout) == 0 ? 0 : 1;
	}
	if (p.not_honoured) {
		show_not_honoured(&p);
		return fflush(stdout) == 0 ? 0 : 1;
	}
	/* "name=value" alone means -e */
	if (p.edit == EDIT_NONE && *argv && strchr(*argv, '='))
		p.edit = EDIT_SET;
	if (p.edit != EDIT_NONE && p.master)
		edit_master(&p, argv);
	else if (p.edit != EDIT_NONE)
		edit_parameters(&p, argv);
	else if (p.master)
		show_master(&p, argv);
	else
		show_parameters(&p, argv);
	if (fflush(stdout) != 0)
		log_fatal("standard output: %m");
	if (p.edit == EDIT_NONE && !p.quiet && !p.defaults)
		warn_of_names(&p);
	return 0;
}
