#include "talk/context.h"

struct str talk_ciphers(const struct conf *conf, struct str grade)
{
	if (str_is_nocase(grade, "high"))
		return conf->tls_high_cipherlist;
	if (str_is_nocase(grade, "low") && conf->tls_low_cipherlist.len)
		return conf->tls_low_cipherlist;
	if (str_is_nocase(grade, "null"))
		return conf->tls_null_cipherlist;
	return conf->tls_medium_cipherlist;
}

struct talk_tls_settings talk_tls_settings_of(struct arena *arena,
	const struct conf *conf, bool mandatory)
{
	return (struct talk_tls_settings){
		.chain_files = conf->smtp_tls_chain_files,
		.cert_file = conf->smtp_tls_cert_file,
		.key_file = conf->smtp_tls_key_file,
		.eccert_file = conf->smtp_tls_eccert_file,
		.eckey_file = conf->smtp_tls_eckey_file,
		.CAfile = conf->smtp_tls_CAfile,
		.CApath = conf->smtp_tls_CApath,
		.protocols = mandatory ? conf->smtp_tls_mandatory_protocols :
					 conf->smtp_tls_protocols,
		.exclude = mandatory ?
			arena_fmt(arena, "%.*s %.*s",
				STR_ARG(conf->smtp_tls_exclude_ciphers),
				STR_ARG(conf->smtp_tls_mandatory_exclude_ciphers)) :
			conf->smtp_tls_exclude_ciphers,
		.grade = mandatory ? conf->smtp_tls_mandatory_ciphers :
				     conf->smtp_tls_ciphers,
		.verify_depth = (unsigned)conf->smtp_tls_scert_verifydepth,
		.is_opportunistic = !mandatory,
	};
}

static const char *cstr_or_null(struct arena *arena, struct str path)
{
	return path.len > 0 && !str_is(path, "none") ?
		arena_cstr(arena, path) :
		NULL;
}

static size_t add_pair(struct arena *arena, struct str cert, struct str key,
	struct tls_chain *chain)
{
	if (!cstr_or_null(arena, cert))
		return 0;
	*chain = (struct tls_chain){
		.cert_file = cstr_or_null(arena, cert),
		.key_file = cstr_or_null(arena, key),
	};
	return 1;
}

static size_t add_chains(struct arena *arena,
	const struct talk_tls_settings *s, struct tls_chain *chains)
{
	struct str list = s->chain_files, item;
	size_t count = 0;

	while (count < TALK_CHAINS_MOST &&
		str_take_item(&list, ", \t\r\n", &item))
		chains[count++] = (struct tls_chain){ .is_chain_file = true,
			.cert_file = arena_cstr(arena, item) };
	if (count > 0)
		return count;
	count = add_pair(arena, s->cert_file, s->key_file, chains);
	return count + add_pair(arena, s->eccert_file, s->eckey_file,
		&chains[count]);
}

struct tls_options talk_tls_options(struct arena *arena,
	const struct conf *conf, const struct talk_tls_settings *s,
	struct tls_chain *chains)
{
	return (struct tls_options){
		.chains = chains,
		.chain_count = add_chains(arena, s, chains),
		.ca_file = cstr_or_null(arena, s->CAfile),
		.ca_path = cstr_or_null(arena, s->CApath),
		.default_ca = conf->tls_append_default_CA,
		.verify_depth = s->verify_depth,
		.digest = s->digest,
		.protocols = s->protocols,
		.ciphers = talk_ciphers(conf, s->grade),
		.exclude = s->exclude,
		.groups = conf->tls_eecdh_auto_curves,
		.is_opportunistic = s->is_opportunistic,
		.session_timeout = s->session_timeout,
		.dane_digests = conf->tls_dane_digests,
	};
}
