/*
 * posthorn/tls - `posthorn tls ...`: keys and certificates of the SMTP server,
 * and opportunistic TLS. As `postfix tls` is, without the openssl command.
 */
#include "posthorn/posthorn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "config/source.h"
#include "posthorn/certificate.h"
#include "service/command.h"

enum {
	CERTIFICATE_DAYS = 36525, /* a hundred years: nobody asks a CA */
	SETTINGS_MOST = 8,
};

/* What differs between the kinds of keys. */
static const struct kind {
	const char *name, *prefix, *size; /* size: the default */
	const char *certificate, *key;    /* parameters */
} kinds[] = {
	[KEY_RSA] = { "rsa", "", "2048", "smtpd_tls_cert_file",
		"smtpd_tls_key_file" },
	[KEY_ECDSA] = { "ecdsa", "ec", "prime256v1", "smtpd_tls_eccert_file",
		"smtpd_tls_eckey_file" },
};

struct tls {
	struct command_line *line;
	struct arena *arena;
	const struct conf *conf;
	const struct kind *kind;     /* -a */
	const char *size, *random;   /* -b, -r */
	const char *key_file, *host; /* -k, -h */
	char **words;                /* what stands behind the options */
	size_t count;
	char *settings[SETTINGS_MOST]; /* to be written */
	size_t setting_count;
	const char *key_path, *certificate_path; /* that were made */
};

static const struct kind *find_kind(const char *name)
{
	for (size_t i = 0; i < COUNT(kinds); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	return NULL;
}

static void put_setting(struct tls *t, const char *name, const char *value)
{
	if (t->setting_count == SETTINGS_MOST)
		panic("too many settings");
	t->settings[t->setting_count++] = arena_cstr(t->arena,
		arena_fmt(t->arena, "%s=%s", name, value));
}

static bool write_settings(struct tls *t)
{
	return settings_write(t->line, t->settings, t->setting_count);
}

static void say_reload(void)
{
	log_info("Run the command:");
	log_info("  # postfix reload");
	log_info("if you want the new settings to take effect immediately.");
}

/* Relative to the configuration directory. */
static const char *absolute(struct tls *t, const char *path)
{
	return path[0] == '/' ? path : arena_fmt(t->arena, "%.*s/%s",
		STR_ARG(t->conf->config_directory), path).p;
}

/* The file that main.cf names; NULL: none. */
static const char *configured(struct tls *t, const char *name)
{
	struct str value = conf_text(t->conf, str_from(name));

	return value.len && !str_is(value, "none") ?
		absolute(t, arena_cstr(t->arena, value)) : NULL;
}

/* ---- are there settings? ---- */

/* "may" alone, as the stock main.cf has it, is what would be set. */
static bool is_default(const struct tls *t, const char *side)
{
	const struct conf_entry *entry = t->conf->source->first;

	for (; entry; entry = entry->next) {
		struct str name = entry->name;

		if (!str_take_prefix(&name, str_from(side)))
			continue;
		if (str_is(name, "_use_tls") || str_is(name, "_enforce_tls"))
			return false;
		if (str_starts(name, STR("_tls_")) &&
			!(str_is(name, "_tls_security_level") &&
				str_is(entry->value, "may")))
			return false;
	}
	return true;
}

static bool all_default_client(struct tls *t)
{
	return is_default(t, "smtp");
}

static bool all_default_server(struct tls *t)
{
	return is_default(t, "smtpd");
}

/* ---- files ---- */

static bool host_names(struct tls *t, struct host_names *names)
{
	static char *own[1];

	*names = (struct host_names){ t->words, t->count };
	if (t->count == 0) {
		own[0] = arena_cstr(t->arena, t->conf->myhostname);
		*names = (struct host_names){ own, 1 };
	}
	for (size_t i = 0; i < names->count; i++)
		if (!host_name_is_fine(names->all[i])) {
			log_error("%s: no name of a host", names->all[i]);
			return false;
		}
	return true;
}

static FILE *create_file(const char *path, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "w");

	if (!file)
		log_error("%s: %m", path);
	if (fd >= 0 && !file)
		close(fd);
	return file;
}

/* False: it is not durable, and is gone. */
static bool close_file(FILE *file, const char *path, bool is_fine)
{
	is_fine = is_fine && fflush(file) == 0 && fsync(fileno(file)) == 0;
	is_fine = fclose(file) == 0 && is_fine;
	if (!is_fine) {
		log_error("%s: cannot be written", path);
		unlink(path);
	}
	return is_fine;
}

/* key-20261130-044415.pem, eccert-20261130-044415.pem */
static void find_paths(struct tls *t)
{
	const struct timespec pause = { .tv_nsec = 50 * 1000000L };
	struct tm tm;
	char stamp[32];
	time_t now;

	for (;; nanosleep(&pause, NULL)) {
		now = time(NULL);
		gmtime_r(&now, &tm);
		strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &tm);
		t->key_path = arena_fmt(t->arena, "%.*s/%skey-%s.pem",
			STR_ARG(t->conf->config_directory), t->kind->prefix,
			stamp).p;
		t->certificate_path = arena_fmt(t->arena,
			"%.*s/%scert-%s.pem",
			STR_ARG(t->conf->config_directory), t->kind->prefix,
			stamp).p;
		if (access(t->key_path, F_OK) < 0 &&
			access(t->certificate_path, F_OK) < 0)
			return; /* else: two in a second */
	}
}

static bool write_pair(struct tls *t, EVP_PKEY *key)
{
	struct host_names names;
	FILE *file;

	if (!host_names(t, &names))
		return false;
	find_paths(t);
	file = create_file(t->key_path, 0600);
	if (!file || !close_file(file, t->key_path, key_write(file, key)))
		return false;
	file = create_file(t->certificate_path, 0644);
	if (file && close_file(file, t->certificate_path,
		certificate_write(file, key, &names, CERTIFICATE_DAYS)))
		return true;
	unlink(t->key_path); /* nobody would use it */
	return false;
}

/* `old`: a file whose key is used again, or NULL. */
static bool make_pair(struct tls *t, const char *old)
{
	EVP_PKEY *key = old ? key_read(old) :
		key_new((enum key_kind)(t->kind - kinds),
			t->size ? t->size : t->kind->size);
	bool is_fine;

	if (!key) {
		if (old)
			log_error("no private key found in file: %s", old);
		else
			log_error("error generating new %s %s private key",
				t->kind->name,
				t->size ? t->size : t->kind->size);
		return false;
	}
	is_fine = write_pair(t, key);
	EVP_PKEY_free(key);
	return is_fine;
}

static void say_made(const struct tls *t, bool is_new)
{
	log_info("New private key and self-signed certificate created. To "
		"deploy run:");
	log_info("  # postfix tls deploy-server-cert %s %s",
		t->certificate_path, t->key_path);
	log_info("To generate a CSR run:");
	log_info("  # postfix tls output-server-csr -k %s [<hostname> ...]",
		t->key_path);
	log_info("Save the signed certificate chain in %s, and deploy as "
		"above.", t->certificate_path);
	log_info("To generate TLSA records run:");
	log_info("  # postfix tls output-server-tlsa [-h <hostname>] %s",
		t->key_path);
	if (is_new)
		log_info("(deploy after updating the DNS and waiting for "
			"stale RRs to expire).");
}

static bool new_server_key(struct tls *t)
{
	if (!make_pair(t, NULL))
		return false;
	say_made(t, true);
	return true;
}

static bool new_server_cert(struct tls *t)
{
	const char *old = configured(t, t->kind->key);

	if (!make_pair(t, old))
		return false;
	say_made(t, !old);
	return true;
}

/* ---- main.cf ---- */

/* smtpd_tls_chain_files would win over what is set here. */
static bool has_no_chain(const struct tls *t)
{
	if (t->conf->smtpd_tls_chain_files.len == 0)
		return true;
	log_error("smtpd_tls_chain_files is set, which replaces all other "
		"keys and certificates: write the file names there");
	return false;
}

static bool deploy(struct tls *t, const char *certificate, const char *path)
{
	EVP_PKEY *key = key_read(path);
	enum key_kind kind = key ? key_kind(key) : KEY_OTHER;
	bool belongs = key && certificate_has_key(certificate, key);

	EVP_PKEY_free(key);
	if (!key) {
		log_error("no private key found in file: %s", path);
		return false;
	}
	if (kind == KEY_OTHER) {
		log_error("%s: a key of this kind goes into "
			"smtpd_tls_chain_files", path);
		return false;
	}
	if (!belongs) {
		log_error("%s holds no certificate (PEM) of the key in %s",
			certificate, path);
		return false;
	}
	put_setting(t, kinds[kind].certificate, certificate);
	put_setting(t, kinds[kind].key, path);
	return has_no_chain(t);
}

static bool deploy_server_cert(struct tls *t)
{
	if (t->count != 2) {
		log_error("usage: postfix tls deploy-server-cert certfile "
			"keyfile");
		return false;
	}
	if (!deploy(t, absolute(t, t->words[0]), absolute(t, t->words[1])) ||
		!write_settings(t))
		return false;
	log_info("New TLS private key and certificate deployed.");
	say_reload();
	return true;
}

static bool enable_client(struct tls *t)
{
	if (!is_default(t, "smtp")) {
		log_info("*** Non-default SMTP client TLS settings detected, "
			"no changes made.");
		log_info("For opportunistic TLS in the Postfix SMTP client, "
			"the below settings");
		log_info("are typical:");
		log_info("  smtp_tls_security_level = may");
		log_info("  smtp_tls_loglevel = 1");
		return true;
	}
	put_setting(t, "smtp_tls_security_level", "may");
	put_setting(t, "smtp_tls_loglevel", "1");
	if (t->random)
		put_setting(t, "tls_random_source", t->random);
	if (!write_settings(t))
		return false;
	log_info("Enabled opportunistic TLS in the Postfix SMTP client.");
	say_reload();
	return true;
}

static bool enable_server(struct tls *t)
{
	if (!is_default(t, "smtpd")) {
		log_info("*** Non-default SMTP server TLS settings detected, "
			"no changes made.");
		log_info("For opportunistic TLS in the Postfix SMTP server, "
			"the below settings");
		log_info("are typical:");
		log_info("  smtpd_tls_security_level = may");
		log_info("  smtpd_tls_loglevel = 1");
		log_info("You can use \"postfix tls new-server-cert\" to "
			"create a new certificate.");
		log_info("Or, \"postfix tls new-server-key\" to also force a "
			"new private key.");
		return true;
	}
	if (!make_pair(t, NULL) || !deploy(t, t->certificate_path,
			t->key_path))
		return false;
	put_setting(t, "smtpd_tls_security_level", "may");
	put_setting(t, "smtpd_tls_received_header", "yes");
	put_setting(t, "smtpd_tls_loglevel", "1");
	if (t->random)
		put_setting(t, "tls_random_source", t->random);
	if (!write_settings(t))
		return false;
	log_info("Enabled opportunistic TLS in the Postfix SMTP server");
	log_info("New TLS private key and certificate deployed.");
	say_reload();
	log_info("To generate a CSR run:");
	log_info("  # postfix tls output-server-csr -k %s [<hostname> ...]",
		t->key_path);
	log_info("Save the signed certificate chain in %s.",
		t->certificate_path);
	return true;
}

/* ---- for others ---- */

/* A file, or "rsa" or "ecdsa": the one that is deployed; NULL: none is. */
static const char *key_file(struct tls *t, const char *word)
{
	const struct kind *kind = find_kind(word);

	return kind ? configured(t, kind->key) : absolute(t, word);
}

static bool output_server_csr(struct tls *t)
{
	const char *word = t->key_file ? t->key_file : "rsa";
	const char *path = key_file(t, word);
	EVP_PKEY *key = path ? key_read(path) : NULL;
	struct host_names names;
	bool is_fine;

	if (!key) {
		log_error("no private key found in file: %s",
			path ? path : word);
		return false;
	}
	is_fine = host_names(t, &names) && request_write(stdout, key, &names);
	EVP_PKEY_free(key);
	return fflush(stdout) == 0 && is_fine;
}

static bool put_tlsa(struct tls *t, const char *path)
{
	EVP_PKEY *key = key_read(path);
	struct buf digest = BUF_IN(t->arena);
	struct str host = t->host ? str_from(t->host) : t->conf->myhostname;
	bool is_fine = key && key_digest(&digest, key);

	EVP_PKEY_free(key);
	if (!is_fine) {
		log_error("no private key found in file: %s", path);
		return false;
	}
	printf("; %s\n_25._tcp.%.*s. IN TLSA 3 1 1 %.*s\n", path,
		STR_ARG(host), STR_ARG(buf_str(&digest)));
	return true;
}

static bool output_server_tlsa(struct tls *t)
{
	bool is_fine = true;

	for (size_t i = 0; t->count == 0 && i < COUNT(kinds); i++) {
		const char *path = configured(t, kinds[i].key);

		is_fine = (!path || put_tlsa(t, path)) && is_fine;
	}
	for (size_t i = 0; i < t->count; i++) {
		const char *path = key_file(t, t->words[i]);

		is_fine = (!path || put_tlsa(t, path)) && is_fine;
	}
	return fflush(stdout) == 0 && is_fine;
}

/* ---- the command line ---- */

static const struct tls_verb {
	const char *name, *options;
	bool (*run)(struct tls *t);
	bool takes_words;
} verbs[] = {
	{ "enable-client", "+r:", enable_client, false },
	{ "enable-server", "+r:a:b:", enable_server, true },
	{ "new-server-key", "+a:b:", new_server_key, true },
	{ "new-server-cert", "+a:b:", new_server_cert, true },
	{ "deploy-server-cert", "+", deploy_server_cert, true },
	{ "output-server-csr", "+k:", output_server_csr, true },
	{ "output-server-tlsa", "+h:", output_server_tlsa, true },
	{ "all-default-client", "+", all_default_client, false },
	{ "all-default-server", "+", all_default_server, false },
};

static int say_usage(const char *word)
{
	log_error("unknown tls command: '%s'", word);
	log_error("usage: postfix tls enable-client (or enable-server, "
		"new-server-key, new-server-cert, deploy-server-cert, "
		"output-server-csr, output-server-tlsa, all-default-client, "
		"all-default-server)");
	return 1;
}

static bool take_option(struct tls *t, int option)
{
	switch (option) {
	case 'a':
		t->kind = find_kind(optarg);
		if (!t->kind)
			log_error("Unsupported private key algorithm: %s",
				optarg);
		return t->kind != NULL;
	case 'b':
		t->size = optarg;
		return true;
	case 'h':
		t->host = optarg;
		return host_name_is_fine(optarg);
	case 'k':
		t->key_file = optarg;
		return true;
	case 'r':
		t->random = optarg;
		return true;
	default:
		return false;
	}
}

static int run(struct tls *t, const struct tls_verb *verb)
{
	int argc = t->line->argc, option;

	optind = 0; /* glibc: begin anew */
	while ((option = getopt(argc, t->line->argv, verb->options)) != -1)
		if (!take_option(t, option))
			return 1;
	t->words = t->line->argv + optind;
	t->count = (size_t)(argc - optind);
	if (t->count > 0 && !verb->takes_words) {
		log_error("%s: takes no arguments", verb->name);
		return 1;
	}
	return verb->run(t) ? 0 : 1;
}

int run_tls(struct command_line *line)
{
	struct tls t = { .line = line, .arena = line->arena,
		.conf = line->conf, .kind = &kinds[KEY_RSA] };
	const char *word = line->argc > 0 ? line->argv[0] : "";

	command_log(line->conf, "postfix-tls-script");
	for (size_t i = 0; i < COUNT(verbs); i++)
		if (strcmp(word, verbs[i].name) == 0)
			return run(&t, &verbs[i]);
	return say_usage(word);
}
