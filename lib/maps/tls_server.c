#include "maps/tls_server.h"

#include "base/log.h"
#include "maps/maps.h"
#include "service/service.h"

enum {
	CHAINS_MOST = 16,
};

static const char *cstr(struct arena *arena, struct str text)
{
	return text.len > 0 ? arena_cstr(arena, text) : NULL;
}

static size_t add_pair(struct arena *arena, struct tls_chain *chains,
	size_t count, struct str cert, struct str key)
{
	if (cert.len == 0 || str_is_nocase(cert, "none"))
		return count;
	chains[count] = (struct tls_chain){
		.cert_file = cstr(arena, cert), .key_file = cstr(arena, key),
	};
	return count + 1;
}

/* smtpd_tls_chain_files, else the older pairs. */
static size_t find_chains(struct arena *arena, const struct conf *conf,
	struct tls_chain *chains)
{
	struct str rest = conf->smtpd_tls_chain_files, item;
	size_t count = 0;

	while (count < CHAINS_MOST && str_take_item(&rest, ", \t\r\n", &item))
		chains[count++] = (struct tls_chain){
			.cert_file = cstr(arena, item), .is_chain_file = true,
		};
	if (count > 0)
		return count;
	count = add_pair(arena, chains, count, conf->smtpd_tls_cert_file,
		conf->smtpd_tls_key_file);
	count = add_pair(arena, chains, count, conf->smtpd_tls_eccert_file,
		conf->smtpd_tls_eckey_file);
	return add_pair(arena, chains, count, conf->smtpd_tls_dcert_file,
		conf->smtpd_tls_dkey_file);
}

/* OpenSSL's list for a grade of tls_..._cipherlist. */
static struct str cipher_list(const struct conf *conf, struct str grade)
{
	const struct {
		const char *grade;
		struct str list;
	} grades[] = {
		{ "high", conf->tls_high_cipherlist },
		{ "medium", conf->tls_medium_cipherlist },
		{ "null", conf->tls_null_cipherlist },
	};

	for (size_t i = 0; i < COUNT(grades); i++)
		if (str_is_nocase(grade, grades[i].grade))
			return grades[i].list;
	return conf->tls_medium_cipherlist;
}

static void open_context(struct arena *arena, const struct conf *conf,
	struct tls_server *tls)
{
	bool must = tls->is_required;
	struct tls_chain chains[CHAINS_MOST + 3];
	struct tls_options options = {
		.is_server = true, .chains = chains,
		.chain_count = find_chains(arena, conf, chains),
		.ca_file = cstr(arena, conf->smtpd_tls_CAfile),
		.ca_path = cstr(arena, conf->smtpd_tls_CApath),
		.default_ca = conf->tls_append_default_CA,
		.ask_peer = conf->smtpd_tls_ask_ccert ||
			conf->smtpd_tls_req_ccert,
		.require_peer = must && conf->smtpd_tls_req_ccert,
		.verify_depth = (unsigned)conf->smtpd_tls_ccert_verifydepth,
		.digest = cstr(arena, conf->smtpd_tls_fingerprint_digest),
		.protocols = must ? conf->smtpd_tls_mandatory_protocols :
			conf->smtpd_tls_protocols,
		.ciphers = cipher_list(conf,
			must ? conf->smtpd_tls_mandatory_ciphers :
			conf->smtpd_tls_ciphers),
		.exclude = conf->smtpd_tls_exclude_ciphers,
		.is_opportunistic = !must,
		.prefer_server = conf->tls_preempt_cipherlist,
		.session_timeout = conf->smtpd_tls_session_cache_timeout,
		.no_tickets = conf->smtpd_tls_session_cache_timeout.us <= 0,
		.service = service_row(),
	};

	if (must)
		options.exclude = arena_fmt(arena, "%.*s %.*s",
			STR_ARG(conf->smtpd_tls_exclude_ciphers),
			STR_ARG(conf->smtpd_tls_mandatory_exclude_ciphers));
	maps_watch_tls(&options);
	if (options.chain_count == 0)
		tls->problem = STR("no server certs available. TLS won't "
			"be enabled");
	else
		tls->context = tls_context_new(arena, &options,
			&tls->problem);
	if (!tls->context)
		log_warning("%.*s", STR_ARG(tls->problem));
}

void tls_server_open(struct arena *arena, const struct conf *conf,
	struct tls_server *tls)
{
	struct str level = conf->smtpd_tls_security_level;

	*tls = (struct tls_server){ .problem = STR_NONE,
		.is_wrapped = conf->smtpd_tls_wrappermode };
	tls->is_required = tls->is_wrapped ||
		str_is_nocase(level, "encrypt") ||
		(level.len == 0 && conf->smtpd_enforce_tls);
	if (tls->is_required || str_is_nocase(level, "may") ||
		(level.len == 0 && conf->smtpd_use_tls))
		open_context(arena, conf, tls);
}

void tls_server_ticket_keys(struct tls_server *tls, struct str keys)
{
	if (tls->context && !tls_context_ticket_keys(tls->context, keys))
		log_warning("keys of session tickets: refused");
}
