/*
 * auth - says who somebody is.
 *
 * Room       user posthorn-auth; reads the users file and passwd(5); a fiber
 *            per exchange; workers, forked, compute hashes, one at a time each
 * Gets       from smtpd and login, the messages of SASL exchanges
 * Calls      the parents of imapd and pop3d: who a token is; dialer, for
 *            Dovecot's auth
 * RFC        4422, 4616, 5802, 5803, 7677
 */
#include "auth.h"

#include "auth/place.h"
#include "base/log.h"
#include "maps/maps.h"
#include "service/service.h"

enum {
	ANSWER_S = 300, /* of the client, through the asker */
};

static const enum param params[] = {
	auth_cache_size, auth_cache_ttl, auth_users_file,
	cyrus_sasl_config_path, home_mailbox,
	mail_spool_directory, mydestination, smtpd_sasl_local_domain,
	smtpd_sasl_path, smtpd_sasl_service, smtpd_sasl_type, virtual_gid_maps,
	virtual_mailbox_base, virtual_mailbox_domains, virtual_mailbox_maps,
	virtual_minimum_uid, virtual_uid_maps, PARAMS_END
};

/* ---- which mechanisms ---- */

static const struct mechanism {
	const char *name;
	enum verdict (*run)(struct exchange *x);
	bool bound; /* only with channel binding */
	bool scram; /* only where there are verifiers */
} mechanisms[] = { /* the strongest first */
	{ "SCRAM-SHA-256-PLUS", scram_run, true, true },
	{ "SCRAM-SHA-256", scram_run, false, true },
	{ "PLAIN", cyrus_run, false, false },
	{ "LOGIN", cyrus_run, false, false },
};

static bool is_listed(const struct str *names, size_t count, const char *name)
{
	/* mech_list of Cyrus' configuration file knows no -PLUS. */
	if (strcmp(name, "SCRAM-SHA-256-PLUS") == 0)
		name = "SCRAM-SHA-256";
	for (size_t i = 0; i < count; i++)
		if (str_is_nocase(names[i], name))
			return true;
	return false;
}

static size_t offer(const struct conf *conf, struct str service, bool secured,
	bool bound, const struct mechanism **offered)
{
	const struct str *names;
	size_t count = 0, listed;

	listed = cyrus_offer(conf, service, secured, &names);
	for (size_t i = 0; i < COUNT(mechanisms); i++) {
		const struct mechanism *m = &mechanisms[i];

		if ((m->bound && !bound) ||
			(m->scram && !users_have_scram(store_now())) ||
			!is_listed(names, listed, m->name))
			continue;
		offered[count++] = m;
	}
	return count;
}

static size_t own_offer(const struct conf *conf, struct arena *arena,
	const struct msg_auth_mechanisms *m, struct str **names)
{
	const struct mechanism *offered[COUNT(mechanisms)];
	size_t count = offer(conf, m->service, m->secured, m->bound, offered);

	*names = arena_array(arena, COUNT(mechanisms), sizeof(**names));
	for (size_t i = 0; i < count; i++)
		(*names)[i] = str_from(offered[i]->name);
	return count;
}

static void serve_mechanisms(const struct conf *conf, struct call *call)
{
	struct msg_auth_mechanisms m;
	struct msg_auth_offer answer = { 0 };
	struct str *names;

	if (!msg_auth_mechanisms_recv(call, &m, span_s(ANSWER_S)))
		return;
	answer.mechanisms.count = str_is_none(m.server) ?
		own_offer(conf, call_arena(call), &m, &names) :
		dovecot_offer(call_arena(call), m.server, &names);
	answer.mechanisms.items = names;
	if (!msg_auth_offer_send(call, &answer))
		log_debug("who asked for mechanisms has gone: %m");
}

/* ---- an exchange ---- */

bool exchange_ask(struct exchange *x, struct str challenge,
	struct str *response)
{
	const struct msg_auth_challenge ask = { .octets = challenge };
	struct msg_auth_response answer;

	if (!msg_auth_challenge_send(x->call, &ask) ||
		!msg_auth_response_recv(x->call, &answer, span_s(ANSWER_S)))
		return false;
	*response = answer.octets;
	return true;
}

static enum verdict run(struct exchange *x)
{
	const struct mechanism *offered[COUNT(mechanisms)];
	size_t count;

	if (!str_is_none(x->start.server))
		return dovecot_run(x);
	count = offer(x->conf, x->start.service, x->start.secured,
		x->start.binding.len > 0, offered);

	for (size_t i = 0; i < count; i++)
		if (str_is_nocase(x->start.mechanism, offered[i]->name))
			return offered[i]->run(x);
	x->why = "no mechanism available";
	return VERDICT_FORBIDDEN;
}

static struct str reason(enum verdict verdict, const char *why)
{
	if (verdict == VERDICT_ACCEPTED)
		return STR("");
	return str_from(why ? why : "authentication failure");
}

/* With the token that a mailbox needs; without mail no mailbox. */
static enum verdict conclude(struct exchange *x, enum verdict verdict,
	struct str *token)
{
	*token = STR_NONE;
	if (verdict != VERDICT_ACCEPTED || str_is(x->start.service, "smtp"))
		return verdict;
	*token = grant_token(x);
	if (!str_is_none(*token))
		return verdict;
	x->why = "the mailbox is not available";
	return VERDICT_TEMPORARY;
}

static void answer(struct exchange *x, enum verdict verdict)
{
	struct str address = x->start.client_address;
	struct msg_auth_verdict m = { .final = STR_NONE };

	verdict = conclude(x, verdict, &m.token);
	if (verdict == VERDICT_WRONG)
		delay_failure(address);
	if (verdict == VERDICT_ACCEPTED)
		delay_success(address);
	m.verdict = verdict;
	m.user = verdict == VERDICT_ACCEPTED ? x->user : x->claimed;
	if (verdict == VERDICT_ACCEPTED)
		m.final = x->final;
	m.text = reason(verdict, x->why);
	if (!msg_auth_verdict_send(x->call, &m))
		log_debug("who asked for a verdict has gone: %m");
}

static void serve_exchange(const struct conf *conf, struct call *call)
{
	struct exchange x = { .conf = conf, .call = call,
		.arena = call_arena(call), .claimed = STR(""),
		.final = STR_NONE };
	enum verdict verdict;

	if (!msg_auth_start_recv(call, &x.start, span_s(ANSWER_S)))
		return;
	if (!delay_enter(x.start.client_address)) {
		x.why = "too many failures";
		answer(&x, VERDICT_TEMPORARY);
		return;
	}
	verdict = run(&x);
	if (verdict != VERDICT_ABORTED)
		answer(&x, verdict);
	delay_leave(x.start.client_address);
}

/* One question a call: its end leaves with the answer, and the asker need not
 * send one of its own. */
static void serve(const struct conf *conf, struct call *call)
{
	enum msg_kind kind;

	if (!call_peek(call, &kind, SPAN_FOREVER))
		return;
	if (kind == MSG_auth_start)
		serve_exchange(conf, call);
	else if (kind == MSG_auth_mechanisms)
		serve_mechanisms(conf, call);
}

static void prepare(const struct conf *conf)
{
	static struct arena *arena;

	arena = arena_new(0);
	place_open(arena, conf);
	store_open(conf);
	cyrus_open(conf);
	scram_open();
	check_open(conf);
	workers_open();
	delay_open();
}

static void start(const struct conf *conf)
{
	(void)conf;
	maps_watch();
	check_start();
	workers_start();
}

static const struct service auth = {
	.name = "auth",
	.fibers = 5000,
	.profile = PROFILE_AUTH,
	.calls = "imapd pop3d dialer",
	.params = params,
	.prepare = prepare,
	.start = start,
	.serve = serve,
	.resident = true,
};

int main(int argc, char **argv)
{
	return service_main(&auth, argc, argv);
}
