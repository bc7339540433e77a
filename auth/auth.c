/*
 * auth - says who somebody is.
 *
 * Room       user posthorn-auth; reads the users file and passwd(5); a fiber
 *            per exchange; workers, forked, compute hashes, one at a time each
 * Gets       from smtpd and login, the messages of SASL exchanges; from login,
 *            clients' connections, from which it reads nothing
 * Calls      the parents of imapd and pop3d, which get the connections of those
 *            who are accepted; dialer, for Dovecot's auth
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
	{ "PLAIN", plain_run, false, false },
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
	bool has_scram = users_have_scram(store_now());
	size_t count = 0, listed;

	listed = cyrus_offer(conf, service, secured, &names);
	for (size_t i = 0; i < COUNT(mechanisms); i++) {
		const struct mechanism *m = &mechanisms[i];

		if ((m->bound && !bound) ||
			(m->scram && !has_scram) ||
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

	/* The mailbox's process would read what is the answer. */
	if (x->start.handover)
		return false;
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

static bool has_mailbox(const struct exchange *x)
{
	return !str_is(x->start.service, "smtp");
}

static bool send_verdict(struct exchange *x, enum verdict verdict)
{
	const struct msg_auth_verdict m = {
		.verdict = verdict,
		.user = verdict == VERDICT_ACCEPTED ? x->user : x->claimed,
		.final = verdict == VERDICT_ACCEPTED ? x->final : STR_NONE,
		.text = reason(verdict, x->why),
	};

	if (msg_auth_verdict_send(x->call, &m))
		return true;
	log_debug("who asked for a verdict has gone: %m");
	return false;
}

/* Who is accepted goes to the mailbox: with the connection that came with the
 * exchange, or comes now that login knows. */
static void pass(struct exchange *x)
{
	struct msg_handed_over done = { 0 };

	if (!x->start.handover && (!send_verdict(x, VERDICT_ACCEPTED) ||
		!msg_handover_recv(x->call, &x->handover, span_s(ANSWER_S))))
		return;
	done.status = (uint64_t)grant_pass(x);
	if ((x->start.handover && !send_verdict(x, VERDICT_ACCEPTED)) ||
		!msg_handed_over_send(x->call, &done))
		log_debug("who handed a connection over has gone: %m");
}

/* Without mail no mailbox. */
static enum verdict find_mailbox(struct exchange *x, enum verdict verdict)
{
	if (verdict != VERDICT_ACCEPTED || !has_mailbox(x) || grant_find(x))
		return verdict;
	x->why = "the mailbox is not available";
	return VERDICT_TEMPORARY;
}

static void answer(struct exchange *x, enum verdict verdict)
{
	verdict = find_mailbox(x, verdict);
	/* Whoever waits for a while holds no descriptor here. */
	if (verdict != VERDICT_ACCEPTED)
		grant_drop(x);
	if (verdict == VERDICT_WRONG)
		delay_failure(x->start.client_address);
	if (verdict == VERDICT_ACCEPTED)
		delay_success(x->start.client_address);
	delay_leave(x->start.client_address);
	if (verdict == VERDICT_ACCEPTED && has_mailbox(x))
		pass(x);
	else
		(void)!send_verdict(x, verdict);
}

static void run_exchange(struct exchange *x)
{
	enum verdict verdict;

	if (!delay_enter(x->start.client_address)) {
		x->why = "too many failures";
		(void)!send_verdict(x, VERDICT_TEMPORARY);
		return;
	}
	verdict = run(x);
	if (verdict == VERDICT_ABORTED)
		delay_leave(x->start.client_address);
	else
		answer(x, verdict);
}

static void serve_exchange(const struct conf *conf, struct call *call)
{
	struct exchange x = { .conf = conf, .call = call,
		.arena = call_arena(call), .claimed = STR(""),
		.final = STR_NONE, .handover = { .socket = -1 } };

	if (msg_auth_start_recv(call, &x.start, span_s(ANSWER_S)) &&
		(!x.start.handover || msg_handover_recv(call, &x.handover,
			span_s(ANSWER_S))))
		run_exchange(&x);
	grant_drop(&x);
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
