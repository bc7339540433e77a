#include "smtpd/server.h"

#include "base/log.h"
#include "mail/date.h"
#include "service/service.h"
#include "smtpd/check.h"

struct server server;

/* ---- restriction lists ---- */

static const struct {
	const char *name;
	size_t text; /* offset in struct conf */
	enum restriction_subject about;
} lists[CHECK_STAGES] = {
	[CHECK_CLIENT] = { "smtpd_client_restrictions",
		offsetof(struct conf, smtpd_client_restrictions),
		ABOUT_CLIENT },
	[CHECK_HELO] = { "smtpd_helo_restrictions",
		offsetof(struct conf, smtpd_helo_restrictions), ABOUT_HELO },
	[CHECK_SENDER] = { "smtpd_sender_restrictions",
		offsetof(struct conf, smtpd_sender_restrictions),
		ABOUT_SENDER },
	[CHECK_RELAY] = { "smtpd_relay_restrictions",
		offsetof(struct conf, smtpd_relay_restrictions),
		ABOUT_RECIPIENT },
	[CHECK_RECIPIENT] = { "smtpd_recipient_restrictions",
		offsetof(struct conf, smtpd_recipient_restrictions),
		ABOUT_RECIPIENT },
	[CHECK_DATA] = { "smtpd_data_restrictions",
		offsetof(struct conf, smtpd_data_restrictions),
		ABOUT_RECIPIENT },
	[CHECK_END_OF_DATA] = { "smtpd_end_of_data_restrictions",
		offsetof(struct conf, smtpd_end_of_data_restrictions),
		ABOUT_RECIPIENT },
};

static void open_tables(struct restriction_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		struct restriction *item = &list->items[i];

		if (item->id == RESTRICTION_CLASS)
			open_tables(item->list);
		else if (item->row && item->row->argument == TAKES_MAP)
			item->opened = maps_open(server.arena, server.conf,
				item->row->name, item->argument, 0);
		else if (item->id == RESTRICTION_check_policy_service)
			policy_open(item, list->name);
	}
}

static void open_lists(void)
{
	for (size_t i = 0; i < CHECK_STAGES; i++) {
		struct str text = *(const struct str *)(const void *)
			((const char *)server.conf + lists[i].text);

		if (server.is_local)
			text = STR("");
		server.lists[i] = restrictions_parse(server.arena,
			server.conf, str_from(lists[i].name), text,
			lists[i].about);
		open_tables(server.lists[i]);
	}
	if (!server.is_local &&
		!restrictions_protect(server.lists[CHECK_RELAY]) &&
		!restrictions_protect(server.lists[CHECK_RECIPIENT]))
		log_fatal("in parameter smtpd_relay_restrictions or "
			"smtpd_recipient_restrictions, specify at least one "
			"working instance of: reject_unauth_destination, "
			"defer_unauth_destination, reject, defer, "
			"defer_if_permit or check_relay_domains");
}

/* ---- TLS ---- */

enum {
	CHAINS_MOST = 16,
};

static const char *cstr(struct str text)
{
	return text.len > 0 ? arena_cstr(server.arena, text) : NULL;
}

static size_t add_pair(struct tls_chain *chains, size_t count,
	struct str cert, struct str key)
{
	if (cert.len == 0 || str_is_nocase(cert, "none"))
		return count;
	chains[count] = (struct tls_chain){
		.cert_file = cstr(cert), .key_file = cstr(key),
	};
	return count + 1;
}

/* smtpd_tls_chain_files, else the older pairs. */
static size_t find_chains(struct tls_chain *chains)
{
	const struct conf *conf = server.conf;
	struct str rest = conf->smtpd_tls_chain_files, item;
	size_t count = 0;

	while (count < CHAINS_MOST && str_take_item(&rest, ", \t\r\n", &item))
		chains[count++] = (struct tls_chain){
			.cert_file = cstr(item), .is_chain_file = true,
		};
	if (count > 0)
		return count;
	count = add_pair(chains, count, conf->smtpd_tls_cert_file,
		conf->smtpd_tls_key_file);
	count = add_pair(chains, count, conf->smtpd_tls_eccert_file,
		conf->smtpd_tls_eckey_file);
	return add_pair(chains, count, conf->smtpd_tls_dcert_file,
		conf->smtpd_tls_dkey_file);
}

/* OpenSSL's list for a grade of tls_..._cipherlist. */
static struct str cipher_list(struct str grade)
{
	const struct conf *conf = server.conf;
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

static void open_tls(void)
{
	const struct conf *conf = server.conf;
	bool must = server.tls_required;
	struct tls_chain chains[CHAINS_MOST + 3];
	struct tls_options options = {
		.is_server = true, .chains = chains,
		.chain_count = find_chains(chains),
		.ca_file = cstr(conf->smtpd_tls_CAfile),
		.ca_path = cstr(conf->smtpd_tls_CApath),
		.ask_peer = conf->smtpd_tls_ask_ccert ||
			conf->smtpd_tls_req_ccert,
		.require_peer = must && conf->smtpd_tls_req_ccert,
		.verify_depth = (unsigned)conf->smtpd_tls_ccert_verifydepth,
		.digest = cstr(conf->smtpd_tls_fingerprint_digest),
		.protocols = must ? conf->smtpd_tls_mandatory_protocols :
			conf->smtpd_tls_protocols,
		.ciphers = cipher_list(must ? conf->smtpd_tls_mandatory_ciphers :
			conf->smtpd_tls_ciphers),
		.exclude = conf->smtpd_tls_exclude_ciphers,
		.is_opportunistic = !must,
		.prefer_server = conf->tls_preempt_cipherlist,
		.session_timeout = conf->smtpd_tls_session_cache_timeout,
	};

	if (must)
		options.exclude = arena_fmt(server.arena, "%.*s %.*s",
			STR_ARG(conf->smtpd_tls_exclude_ciphers),
			STR_ARG(conf->smtpd_tls_mandatory_exclude_ciphers));
	maps_watch_tls(&options);
	if (options.chain_count == 0)
		server.tls_problem = STR("no server certs available. TLS won't "
			"be enabled");
	else
		server.tls = tls_context_new(server.arena, &options,
			&server.tls_problem);
	if (!server.tls)
		log_warning("%.*s", STR_ARG(server.tls_problem));
}

static void consider_tls(void)
{
	const struct conf *conf = server.conf;
	struct str level = conf->smtpd_tls_security_level;

	server.tls_problem = STR_NONE;
	server.tls_wrapped = conf->smtpd_tls_wrappermode;
	server.tls_required = server.tls_wrapped ||
		str_is_nocase(level, "encrypt") ||
		(level.len == 0 && conf->smtpd_enforce_tls);
	if (server.tls_required || str_is_nocase(level, "may") ||
		(level.len == 0 && conf->smtpd_use_tls))
		open_tls();
}

/* ---- what is set and would be passed by ---- */

static void consider_guards(void)
{
	const struct conf *conf = server.conf;
	const struct {
		const char *name;
		struct str value;
	} guards[] = {
		{ "smtpd_milters", conf->smtpd_milters },
		{ "smtpd_milter_maps", conf->smtpd_milter_maps },
		{ "smtpd_proxy_filter", conf->smtpd_proxy_filter },
		{ "smtpd_dns_reply_filter", conf->smtpd_dns_reply_filter },
		{ "smtpd_reject_filter_maps", conf->smtpd_reject_filter_maps },
		{ "smtpd_authorized_xclient_hosts",
			conf->smtpd_authorized_xclient_hosts },
		{ "smtpd_authorized_xforward_hosts",
			conf->smtpd_authorized_xforward_hosts },
		{ "smtpd_upstream_proxy_protocol",
			conf->smtpd_upstream_proxy_protocol },
	};

	for (size_t i = 0; i < COUNT(guards); i++)
		if (guards[i].value.len > 0)
			server.guard = str_from(guards[i].name);
}

static void consider_newlines(void)
{
	struct str mode = server.conf->smtpd_forbid_bare_newline;

	server.newline = SMTP_NEWLINE_NORMALIZE;
	if (str_is_nocase(mode, "reject"))
		server.newline = SMTP_NEWLINE_REJECT;
	else if (str_is_nocase(mode, "no"))
		server.newline = SMTP_NEWLINE_ANY;
	server.note_bare_newline = str_is_nocase(mode, "note");
}

static struct match *open_match(const char *name, struct str text)
{
	return match_open(server.arena, server.conf, name, text);
}

static struct maps *open_maps(const char *name, struct str text)
{
	return maps_open(server.arena, server.conf, name, text, 0);
}

static void open_matches(void)
{
	const struct conf *conf = server.conf;

	server.mynetworks = open_match("mynetworks", conf->mynetworks);
	server.exempt = open_match("smtpd_client_event_limit_exceptions",
		conf->smtpd_client_event_limit_exceptions);
	server.bare_newline_exempt =
		open_match("smtpd_forbid_bare_newline_exclusions",
			conf->smtpd_forbid_bare_newline_exclusions);
	server.sasl_exempt = open_match("smtpd_sasl_exceptions_networks",
		conf->smtpd_sasl_exceptions_networks);
	server.noop_commands = open_match("smtpd_noop_commands",
		conf->smtpd_noop_commands);
	server.forbidden_commands = open_match("smtpd_forbidden_commands",
		conf->smtpd_forbidden_commands);
	server.mechanisms = open_match("smtpd_sasl_mechanism_filter",
		conf->smtpd_sasl_mechanism_filter);
	server.verp = open_match("smtpd_authorized_verp_clients",
		conf->smtpd_authorized_verp_clients);
	server.command_filter = open_maps("smtpd_command_filter",
		conf->smtpd_command_filter);
	server.discard_ehlo =
		open_maps("smtpd_discard_ehlo_keyword_address_maps",
			conf->smtpd_discard_ehlo_keyword_address_maps);
	server.logins = open_maps("smtpd_sender_login_maps",
		conf->smtpd_sender_login_maps);
	server.rbl_replies = open_maps("rbl_reply_maps", conf->rbl_reply_maps);
	server.clientcerts = open_maps("relay_clientcerts",
		conf->relay_clientcerts);
}

void server_open(const struct conf *conf)
{
	unsigned protocols = protocols_parse(conf->inet_protocols);
	struct str bad;

	server = (struct server){ .conf = conf, .arena = arena_new(0),
		.is_local = service_is_local() };
	mail_date_ready();
	open_lists();
	open_matches();
	server.router = router_open(server.arena, conf);
	server.rewriter = rewriter_open(server.arena, conf, server.router);
	if (!interfaces_find(server.arena, conf->inet_interfaces, protocols,
		&server.interfaces, &bad))
		log_fatal("parameter inet_interfaces: no local interface "
			"found for %.*s", STR_ARG(bad));
	server.tls_problem = server.guard = STR_NONE;
	if (!server.is_local) {
		consider_tls();
		consider_guards();
	}
	consider_newlines();
}
