#include "smtp/tls_policy.h"

#include "agent/deliver.h"
#include "base/log.h"
#include "maps/maps.h"
#include "smtp/tables.h"
#include "talk/context.h"

/* Set by tls_policy_prepare; both NULL: no TLS. */
static struct {
	struct arena *arena;
	struct tls_context *opportunistic, *mandatory;
	/* *_tls_trust_anchor_file; no records: not set. Where files cannot be
	 * read nobody is trusted. */
	struct tls_dane anchors;
	bool has_anchors;
} contexts;

static const struct {
	const char *name;
	enum tls_level level;
} levels[] = {
	{ "none", TLS_LEVEL_NONE },       { "may", TLS_LEVEL_MAY },
	{ "encrypt", TLS_LEVEL_ENCRYPT },
	{ "fingerprint", TLS_LEVEL_FINGERPRINT }, { "dane", TLS_LEVEL_DANE },
	{ "dane-only", TLS_LEVEL_DANE_ONLY }, { "verify", TLS_LEVEL_VERIFY },
	{ "secure", TLS_LEVEL_SECURE },
};

static bool find_level(struct str name, enum tls_level *level)
{
	for (size_t i = 0; i < COUNT(levels); i++)
		if (str_is_nocase(name, levels[i].name)) {
			*level = levels[i].level;
			return true;
		}
	return false;
}

struct str tls_level_name(enum tls_level level)
{
	for (size_t i = 0; i < COUNT(levels); i++)
		if (levels[i].level == level)
			return str_from(levels[i].name);
	return STR("halfdane"); /* as the log has it; not to be configured */
}

bool tls_level_is_dane(enum tls_level level)
{
	return level == TLS_LEVEL_DANE || level == TLS_LEVEL_DANE_ONLY;
}

static void refuse(struct arena *arena, struct tls_policy *policy,
	const char *what, struct str value)
{
	if (policy->refused.status.code)
		return;
	policy->refused = outcome_f(arena, 451, 7, 5,
		"TLS policy not supported: %s \"%.*s\"", what, STR_ARG(value));
	log_warning("TLS policy not supported: %s \"%.*s\"", what,
		STR_ARG(value));
}

static void refuse_match(struct arena *arena, struct tls_policy *policy)
{
	policy->refused = outcome_f(arena, 451, 7, 5,
		"client TLS configuration problem");
	log_warning("configured at fingerprint security level, but with no "
		"fingerprints to match");
}

/* ---- contexts ---- */

static struct talk_tls_settings tls_settings(struct arena *arena,
	const struct settings *set, bool mandatory)
{
	return (struct talk_tls_settings){
		.chain_files = set->tls_chain_files,
		.cert_file = set->tls_cert_file,
		.key_file = set->tls_key_file,
		.eccert_file = set->tls_eccert_file,
		.eckey_file = set->tls_eckey_file,
		.CAfile = set->tls_CAfile,
		.CApath = set->tls_CApath,
		.protocols = mandatory ? set->tls_mandatory_protocols :
					 set->tls_protocols,
		.exclude = mandatory ?
			arena_fmt(arena, "%.*s %.*s",
				STR_ARG(set->tls_exclude_ciphers),
				STR_ARG(set->tls_mandatory_exclude_ciphers)) :
			set->tls_exclude_ciphers,
		.grade = mandatory ? set->tls_mandatory_ciphers :
				     set->tls_ciphers,
		.digest = set->tls_fingerprint_digest.len > 0 ?
			arena_cstr(arena, set->tls_fingerprint_digest) : NULL,
		.verify_depth = (unsigned)set->tls_scert_verifydepth,
		.is_opportunistic = !mandatory,
		.session_timeout = set->tls_session_cache_timeout,
	};
}

static struct tls_context *make_context(struct arena *arena,
	const struct settings *set, bool mandatory)
{
	struct tls_chain chains[TALK_CHAINS_MOST] = { 0 };
	const struct talk_tls_settings settings = tls_settings(arena, set,
		mandatory);
	struct tls_options options = talk_tls_options(arena, set->conf,
		&settings, chains);
	struct str error = STR_NONE;
	struct tls_context *context = tls_context_new(arena, &options, &error);

	maps_watch_tls(&options);
	if (!context)
		log_warning("TLS is not available: %.*s", STR_ARG(error));
	return context;
}

/* Before the sandbox closes. */
static void read_anchors(struct arena *arena, const struct settings *set)
{
	struct str list = set->tls_trust_anchor_file, item, error;
	struct tls_tlsa *all = arena_array(arena, TLS_ANCHORS_MOST,
		sizeof(*all));

	contexts.anchors = (struct tls_dane){ STR_NONE, all, 0 };
	contexts.has_anchors = str_trim(list).len > 0;
	while (str_take_item(&list, ", \t\r\n", &item)) {
		const char *path = arena_cstr(arena, item);

		if (!tls_anchors_read(arena, path, all,
			    &contexts.anchors.count, &error))
			log_warning("trust anchors: %.*s", STR_ARG(error));
		maps_watch_tls(&(struct tls_options){ .ca_file = path });
	}
}

static enum tls_level main_level(const struct settings *set, bool *known)
{
	enum tls_level level = TLS_LEVEL_NONE;

	*known = true;
	if (set->tls_security_level.len > 0)
		*known = find_level(set->tls_security_level, &level);
	else if (set->tls_enforce)
		level = set->tls_enforce_peername ? TLS_LEVEL_VERIFY :
						    TLS_LEVEL_ENCRYPT;
	else if (set->tls_use)
		level = TLS_LEVEL_MAY;
	return level;
}

void tls_policy_prepare(const struct settings *set)
{
	bool known;

	if (main_level(set, &known) == TLS_LEVEL_NONE && known &&
		!tables_has(TABLE_POLICIES) && !tables_has(TABLE_SITES))
		return;
	contexts.arena = arena_new(0);
	contexts.opportunistic = make_context(contexts.arena, set, false);
	contexts.mandatory = make_context(contexts.arena, set, true);
	read_anchors(contexts.arena, set);
}

struct tls_context *tls_policy_context(const struct tls_policy *policy)
{
	return policy->level >= TLS_LEVEL_ENCRYPT ? contexts.mandatory :
						    contexts.opportunistic;
}

/* ---- policies ---- */

/* For reports (TLSRPT) only, which we do not send. */
static bool is_for_reports(struct str name)
{
	static const char *const names[] = { "policy_domain", "policy_ttl",
		"policy_string", "policy_failure" };

	for (size_t i = 0; i < COUNT(names); i++)
		if (str_is_nocase(name, names[i]))
			return true;
	return false;
}

/* Attributes that are no lists; false: another one. */
static bool take_flag(struct arena *arena, struct str name, struct str value,
	struct tls_policy *policy)
{
	bool yes = str_is_nocase(value, "yes");

	if (str_is_nocase(name, "policy_type")) {
		policy->is_sts = str_is_nocase(value, "sts");
		return true;
	}
	if (str_is_nocase(name, "connection_reuse"))
		policy->reuse = yes ? REUSE_YES : REUSE_NO;
	else if (!str_is_nocase(name, "enable_rpk"))
		return is_for_reports(name);
	if (!yes && !str_is_nocase(value, "no"))
		refuse(arena, policy, "attribute value", value);
	return true;
}

static void take_attribute(struct arena *arena, struct str word,
	struct tls_policy *policy)
{
	struct str name = str_trim(str_take_until(&word, '='));
	struct str *list = NULL;

	word = str_trim(word);
	if (take_flag(arena, name, word, policy))
		return;
	if (str_is_nocase(name, "match"))
		list = &policy->match;
	else if (str_is_nocase(name, "mx_host_pattern"))
		list = &policy->mx_patterns;
	else if (str_is_nocase(name, "protocols"))
		list = &policy->protocols;
	else if (str_is_nocase(name, "ciphers"))
		list = &policy->ciphers;
	else if (str_is_nocase(name, "exclude"))
		list = &policy->exclude;
	else if (str_is_nocase(name, "servername"))
		list = &policy->servername;
	if (!list || word.len == 0)
		refuse(arena, policy, "attribute", name);
	else if ((list == &policy->match || list == &policy->mx_patterns) &&
		list->len > 0) /* more of them */
		*list = arena_fmt(arena, "%.*s|%.*s", STR_ARG(*list),
			STR_ARG(word));
	else
		*list = arena_copy(arena, word);
}

/* A ':' in a value separates elements, and so does the '|' between values;
 * lists here want blanks. */
static struct str to_blanks(struct arena *arena, struct str text)
{
	struct buf out = BUF_IN(arena);

	for (size_t i = 0; i < text.len; i++)
		buf_char(&out, (char)(text.p[i] == ':' || text.p[i] == '|' ?
				' ' : text.p[i]));
	return buf_str(&out);
}

/* The next attribute: a word, or "{ name = value }". */
static bool take_word(struct str *text, struct str *word)
{
	while (text->len > 0 && strchr(" \t,", text->p[0]))
		*text = str_skip(*text, 1);
	if (!str_take_char(text, '{'))
		return str_take_item(text, " \t,", word);
	*word = str_trim(str_take_until(text, '}'));
	return true;
}

void tls_policy_parse(struct arena *arena, struct str text,
	struct tls_policy *policy)
{
	struct str word;

	*policy = (struct tls_policy){ 0 };
	if (!str_take_item(&text, " \t,", &word) ||
		!find_level(word, &policy->level)) {
		refuse(arena, policy, "security level", word);
		return;
	}
	while (take_word(&text, &word))
		take_attribute(arena, word, policy);
	if (policy->level != TLS_LEVEL_FINGERPRINT) /* its octets have ':' */
		policy->match = to_blanks(arena, policy->match);
	policy->protocols = to_blanks(arena, policy->protocols);
	policy->exclude = to_blanks(arena, policy->exclude);
}

/* The nexthop as written; then, without [] and port, its parents. */
static enum table_result look_up(struct arena *arena,
	const struct talk_destination *destination, struct str *value)
{
	struct str key = destination->text;
	enum table_result result =
		tables_find(arena, TABLE_POLICIES, key, value);
	size_t dot;

	if (result != TABLE_NOTHING || !destination->use_mx)
		return result;
	key = destination->host;
	if (destination->port == 0)
		key = str_skip(key, 1); /* was asked for already */
	else
		result = tables_find(arena, TABLE_POLICIES, key, value);
	while (result == TABLE_NOTHING &&
		(dot = str_find_char(key, '.')) != SIZE_MAX) {
		key = str_skip(key, dot);
		result = tables_find(arena, TABLE_POLICIES, key, value);
		key = str_skip(key, 1);
	}
	return result;
}

/* smtp_tls_enforce_sts_mx_patterns has something to enforce. */
static bool has_patterns(const struct settings *set,
	const struct tls_policy *policy)
{
	return set->tls_enforce_sts_mx_patterns && policy->is_sts &&
		policy->mx_patterns.len > 0;
}

/* RFC 8461 4.1: "*." stands for one label. */
static bool fits_pattern(struct str pattern, struct str host)
{
	if (str_take_prefix(&pattern, STR("*.")) &&
		str_take_until(&host, '.').len == 0)
		return false;
	return str_eq_nocase(pattern, host);
}

bool tls_policy_allows(const struct settings *set,
	const struct tls_policy *policy, struct str host)
{
	struct str list = policy->mx_patterns, pattern;

	if (!has_patterns(set, policy))
		return true;
	while (str_take_item(&list, "|", &pattern))
		if (fits_pattern(pattern, host))
			return true;
	return false;
}

void tls_policy_complete(struct arena *arena, const struct settings *set,
	struct tls_policy *policy)
{
	bool mandatory = policy->level >= TLS_LEVEL_ENCRYPT;

	if (policy->reuse == REUSE_USUAL)
		policy->reuse = set->tls_connection_reuse ? REUSE_YES :
							    REUSE_NO;
	if (has_patterns(set, policy))
		policy->match = STR("hostname");
	else if (policy->match.len == 0)
		policy->match = policy->level == TLS_LEVEL_SECURE ?
			set->tls_secure_cert_match :
			policy->level == TLS_LEVEL_FINGERPRINT ?
			set->tls_fingerprint_cert_match :
			set->tls_verify_cert_match;
	if (policy->level == TLS_LEVEL_FINGERPRINT && policy->match.len == 0)
		refuse_match(arena, policy);
	if (policy->servername.len == 0)
		policy->servername = set->tls_servername;
	if (policy->ciphers.len > 0)
		policy->ciphers = talk_ciphers(set->conf, policy->ciphers);
	if (mandatory && policy->exclude.len > 0)
		policy->exclude = arena_fmt(arena, "%.*s %.*s",
			STR_ARG(policy->exclude),
			STR_ARG(set->tls_mandatory_exclude_ciphers));
}

/* What the message asks for, and what the level leaves open. */
static void finish(struct arena *arena, const struct settings *set,
	unsigned deliver_flags, struct tls_policy *policy)
{
	policy->is_required = deliver_flags & DELIVER_REQUIRETLS;
	if (policy->is_required && /* RFC 8689 4.2.1 */
		policy->level < TLS_LEVEL_FINGERPRINT)
		policy->level = TLS_LEVEL_VERIFY;
	else if ((deliver_flags & DELIVER_TLS_OPTIONAL) &&
		policy->level > TLS_LEVEL_MAY)
		policy->level = TLS_LEVEL_MAY;
	if (!tls_level_is_dane(policy->level))
		tls_policy_complete(arena, set, policy);
}

struct tls_policy tls_policy_find(struct arena *arena,
	const struct settings *set, const struct talk_destination *destination,
	unsigned deliver_flags)
{
	struct tls_policy policy = { 0 };
	struct str text;
	bool known = true;

	switch (tables_has(TABLE_POLICIES) ?
			look_up(arena, destination, &text) :
			TABLE_NOTHING) {
	case TABLE_FOUND:
		tls_policy_parse(arena, text, &policy);
		break;
	case TABLE_TROUBLE:
		policy.refused = outcome_f(arena, 451, 7, 5,
			"TLS policy lookup error for %.*s",
			STR_ARG(destination->text));
		return policy;
	default:
		policy.level = main_level(set, &known);
		if (!known)
			refuse(arena, &policy, "security level",
				set->tls_security_level);
	}
	policy.is_per_site = tables_has(TABLE_SITES);
	finish(arena, set, deliver_flags, &policy);
	return policy;
}

/* ---- *_tls_per_site ---- */

/* Of two results the later one counts. */
static const struct {
	const char *name;
	enum tls_level level;
} site_levels[] = {
	{ "MAY", TLS_LEVEL_MAY },
	{ "NONE", TLS_LEVEL_NONE },
	{ "MUST_NOPEERMATCH", TLS_LEVEL_ENCRYPT },
	{ "MUST", TLS_LEVEL_VERIFY },
};

static void misconfigured(struct arena *arena, const struct site *site,
	const struct talk_destination *destination, struct tls_policy *policy)
{
	log_warning("TLS policy lookup for %.*s/%.*s: client TLS configuration "
		"problem", STR_ARG(destination->text), STR_ARG(site->host));
	policy->refused = outcome_f(arena, 451, 7, 5,
		"client TLS configuration problem");
}

/* Number of the row, from 1, if it is later than *row. False: mail waits. */
static bool look_up_site(struct arena *arena, const struct settings *set,
	struct str key, const char *what, size_t *row)
{
	struct str value;

	switch (tables_find(arena, TABLE_SITES, key, &value)) {
	case TABLE_NOTHING:
		return true;
	case TABLE_FOUND:
		break;
	default:
		return false;
	}
	for (size_t i = 0; i < COUNT(site_levels); i++)
		if (str_is_nocase(value, site_levels[i].name)) {
			if (*row < i + 1)
				*row = i + 1;
			return true;
		}
	log_warning("%s_tls_per_site: unknown TLS policy '%.*s' for %s %.*s",
		set->is_lmtp ? "lmtp" : "smtp", STR_ARG(value), what,
		STR_ARG(key));
	return false;
}

struct tls_policy tls_policy_at(struct arena *arena,
	const struct settings *set, const struct talk_destination *destination,
	const struct site *site, unsigned deliver_flags)
{
	struct tls_policy policy = { .is_per_site = true };
	size_t row = 0;
	bool known;

	policy.level = main_level(set, &known);
	if (!look_up_site(arena, set, destination->text,
		    "next-hop destination", &row) ||
		!look_up_site(arena, set, site->host, "host", &row) ||
		!known) {
		misconfigured(arena, site, destination, &policy);
		return policy;
	}
	/* MAY is no reason for less than all others get. */
	if (row > 0 && (site_levels[row - 1].level != TLS_LEVEL_MAY ||
			       policy.level < TLS_LEVEL_MAY))
		policy.level = site_levels[row - 1].level;
	finish(arena, set, deliver_flags, &policy);
	return policy;
}

static size_t match_names(struct arena *arena, struct str list,
	struct str nexthop, struct str host, struct str *names, size_t most)
{
	struct str item;
	size_t count = 0;

	while (count < most && str_take_item(&list, ", \t:", &item)) {
		if (str_is_nocase(item, "nexthop"))
			names[count++] = nexthop;
		else if (str_is_nocase(item, "dot-nexthop"))
			names[count++] = arena_fmt(arena, ".%.*s",
				STR_ARG(nexthop));
		else if (str_is_nocase(item, "hostname"))
			names[count++] = host;
		else
			names[count++] = item;
	}
	return count;
}

static struct str server_name(const struct tls_policy *policy,
	struct str nexthop, struct str host)
{
	struct dns_address literal;
	struct str name = policy->servername;

	if (str_is_nocase(name, "nexthop"))
		name = nexthop;
	else if (str_is_nocase(name, "hostname") || name.len == 0)
		name = host;
	/* RFC 6066 3: no literal addresses */
	return dns_is_hostname(name) && !dns_address_parse(name, &literal) ?
		name :
		STR_NONE;
}

/* RFC 7672 3.2.2, beside the base domain: all that was validated on the way. */
static size_t dane_names(const struct talk_destination *destination,
	const struct site *site, struct str *names)
{
	names[0] = destination->host;
	names[1] = site->is_mx_secure ? site->domain : STR_NONE;
	return 2;
}

struct tls_client tls_policy_client(struct arena *arena,
	const struct settings *set, const struct tls_policy *policy,
	const struct talk_destination *destination, const struct site *site)
{
	enum { NAMES_MOST = 16 };
	struct str *names = arena_array(arena, NAMES_MOST, sizeof(*names));
	struct tls_client client = {
		.match = names,
		.protocols = policy->protocols,
		.ciphers = policy->ciphers,
		.exclude = policy->exclude,
		.single_label =
			!set->conf->tls_wildcard_matches_multiple_labels,
		.dane = policy->dane,
	};

	if (policy->dane) {
		client.match_count = dane_names(destination, site, names);
		return client;
	}
	client.match_count = match_names(arena, policy->match,
		destination->host, site->host, names, NAMES_MOST);
	client.servername = policy->servername.len > 0 ||
			policy->level >= TLS_LEVEL_VERIFY ?
		server_name(policy, destination->host, site->host) :
		STR_NONE;
	if (policy->level >= TLS_LEVEL_VERIFY && contexts.has_anchors)
		client.dane = &contexts.anchors;
	return client;
}

/* "AB:CD" as "ab:cd" or "abcd". */
static bool is_digest(struct str item, struct str digest)
{
	size_t at = 0;

	for (size_t i = 0; i < digest.len; i++) {
		if (at < item.len && item.p[at] == digest.p[i])
			at++;
		else if (digest.p[i] == ':')
			continue;
		else if (at == item.len ||
			ascii_lower((unsigned char)item.p[at++]) !=
				ascii_lower((unsigned char)digest.p[i]))
			return false;
	}
	return digest.len > 0 && at == item.len;
}

/* Of the certificate, or of the key in it. */
static bool has_fingerprint(struct str list, const struct tls_session *tls)
{
	struct str item;

	while (str_take_item(&list, "|, \t\r\n", &item))
		if (is_digest(item, tls->peer_fingerprint) ||
			is_digest(item, tls->peer_key_fingerprint))
			return true;
	return false;
}

bool tls_policy_judge(const struct tls_policy *policy,
	struct tls_session *tls)
{
	bool ok = tls->is_matched;

	if (policy->level == TLS_LEVEL_FINGERPRINT) {
		ok = has_fingerprint(policy->match, tls);
		tls->is_trusted = tls->is_matched = ok;
		tls->distrust = ok ? STR("") : STR("fingerprint mismatch");
	} else if (policy->level == TLS_LEVEL_HALF_DANE) {
		/* Its certificate is that of the host, but the host's name
		 * may be a forger's: trusted, not verified. */
		tls->is_matched = false;
	}
	return ok || policy->level <= TLS_LEVEL_ENCRYPT;
}
