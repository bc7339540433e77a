#include "smtp/relay.h"

#include "base/log.h"
#include "smtp/dane.h"
#include "smtp/pool.h"
#include "smtp/route.h"
#include "smtp/sasl.h"
#include "smtp/transaction.h"
#include "talk/dane.h"

static const struct settings *settings; /* set once, by relay_prepare */

void relay_prepare(const struct settings *set)
{
	settings = set;
}

/* ---- one destination ---- */

struct trial {
	struct attempt *attempt;
	const struct talk_destination *destination;
	struct tls_policy policy; /* of the destination */
	struct tls_policy here;   /* of the server that is tried */
	bool is_last; /* destination */
	bool went_out; /* a session was there */
};

static bool is_full(const struct attempt *a)
{
	return a->set->mx_session_limit > 0 &&
		a->sessions >= a->set->mx_session_limit;
}

static void add_records(struct buf *out, const struct tls_dane *dane)
{
	buf_add(out, dane->base);
	for (size_t i = 0; i < dane->count; i++) {
		buf_char(out, ',');
		talk_dane_format(out, &dane->records[i]);
	}
}

/* What a kept session must have been opened with: a line for each fact, since
 * no value has a line end in it. */
static struct str sign_of(struct arena *arena, const struct trial *trial,
	const struct tls_policy *p, const struct account *account)
{
	const struct str facts[] = {
		tls_level_name(p->level),
		p->level >= TLS_LEVEL_HALF_DANE ? trial->destination->text :
						  STR(""),
		p->match, p->protocols, p->ciphers, p->exclude, p->servername,
		account->user, account->password,
	};
	struct buf out = BUF_IN(arena);

	for (size_t i = 0; i < COUNT(facts); i++) {
		buf_add(&out, facts[i]);
		buf_char(&out, '\n');
	}
	if (p->dane)
		add_records(&out, p->dane);
	return buf_str(&out);
}

static void note_trouble(struct attempt *a, const struct outcome *trouble)
{
	a->trouble = *trouble;
	log_info("%.*s: %.*s", STR_ARG(a->delivery->m.queue_id),
		STR_ARG(trouble->status.text));
}

/* Run the transaction and put the session back; false: it was stale. */
static bool use(struct trial *trial, struct session *session)
{
	struct attempt *a = trial->attempt;
	struct delivery *d = a->delivery;
	enum transaction_end end;

	a->connected_us = wall_us();
	end = transaction_run(a, session);
	if (end == TRANSACTION_STALE) {
		session_close(session);
		return false;
	}
	pool_put(session, d->m.nexthop, d->m.flags & DELIVER_MORE);
	return true;
}

static struct session *open_session(struct trial *trial,
	const struct site *site, const struct account *account,
	struct str sign)
{
	struct attempt *a = trial->attempt;
	struct opening opening = {
		.arena = a->delivery->arena,
		.set = a->set,
		.destination = trial->destination,
		.site = site,
		.policy = &trial->here,
		.sign = sign,
		.account = *account,
		.queue_id = a->delivery->m.queue_id,
		.arrival_us = (int64_t)a->delivery->m.arrival_us,
	};
	struct outcome trouble = { 0 };
	struct session *session = session_open(&opening, &trouble);

	if (!session)
		note_trouble(a, &trouble);
	return session;
}

/* The policy for this server; false: no mail may go there now. */
static bool find_policy(struct trial *trial, const struct site *site)
{
	struct attempt *a = trial->attempt;
	struct tls_policy policy;

	if (!tls_policy_allows(a->set, &trial->policy, site->host)) {
		a->trouble = outcome_f(a->delivery->arena, 451, 7, 5,
			"host %.*s is not in the MTA-STS policy of %.*s",
			STR_ARG(site->host),
			STR_ARG(trial->destination->text));
		a->trouble.mta = site->host;
		log_warning("%.*s", STR_ARG(a->trouble.status.text));
		return false;
	}
	policy = trial->policy;
	if (policy.is_per_site) {
		policy = tls_policy_at(a->delivery->arena, a->set,
			trial->destination, site,
			(unsigned)a->delivery->m.flags);
		a->tls = tls_level_name(policy.level);
	}
	trial->here = policy.refused.status.code ? policy :
		dane_policy(a->delivery->arena, a->set, &policy,
			trial->destination, site);
	if (trial->here.refused.status.code) {
		a->trouble = trial->here.refused; /* it is in the log */
		return false;
	}
	a->tls_here = trial->here.level == policy.level ? STR_NONE :
		tls_level_name(trial->here.level);
	return true;
}

static void try_site(struct trial *trial, const struct site *site)
{
	struct attempt *a = trial->attempt;
	struct arena *arena = a->delivery->arena;
	struct session *session;
	struct account account;
	struct str sign;

	if (!find_policy(trial, site))
		return;
	if (!sasl_account(arena, a->set, a->delivery->m.sender, site->host,
		    trial->destination->text, &account)) {
		a->trouble = outcome_f(arena, 454, 3, 0,
			"SASL password table lookup error");
		return;
	}
	sign = sign_of(arena, trial, &trial->here, &account);
	while ((session = pool_take_relay(site->relay, sign)) != NULL) {
		if (!trial->went_out)
			a->sessions++;
		trial->went_out = true;
		if (use(trial, session))
			return;
	}
	session = open_session(trial, site, &account, sign);
	if (!session)
		return;
	a->sessions++;
	trial->went_out = true;
	(void)use(trial, session); /* new: never stale */
}

/* A session that is open for this nexthop already: no name is looked up. */
static bool try_kept(struct trial *trial)
{
	struct attempt *a = trial->attempt;
	struct account account = { STR(""), STR("") };
	struct session *session;
	struct str sign;

	if (a->set->sasl_auth_enable || !trial->destination->text.p)
		return false; /* the account depends on the host */
	if (tls_level_is_dane(trial->policy.level) ||
		trial->policy.is_per_site)
		return false; /* the policy does */
	sign = sign_of(a->delivery->arena, trial, &trial->policy, &account);
	while ((session = pool_take_nexthop(a->delivery->m.nexthop, sign)) !=
		NULL) {
		a->is_final = false;
		if (!use(trial, session))
			continue;
		a->sessions++;
		trial->went_out = true;
		return true;
	}
	return false;
}

static void try_sites(struct trial *trial, const struct route *route)
{
	struct attempt *a = trial->attempt;
	size_t most = a->set->mx_address_limit > 0 ?
		(size_t)a->set->mx_address_limit :
		route->count;

	for (size_t i = 0; i < route->count && i < most; i++) {
		if (attempt_is_over(a) || is_full(a))
			return;
		a->is_final = (trial->is_last &&
				      (i + 1 == route->count || i + 1 == most)) ||
			(a->set->mx_session_limit > 0 &&
				a->sessions + 1 >= a->set->mx_session_limit);
		try_site(trial, &route->sites[i]);
	}
}

static void try_destination(struct attempt *a, struct str text, bool is_first,
	bool is_last)
{
	struct arena *arena = a->delivery->arena;
	struct talk_destination destination;
	struct trial trial = { .attempt = a, .destination = &destination,
		.is_last = is_last };
	struct route route;

	if (!talk_destination_parse(text, a->set->is_lmtp, &destination)) {
		a->trouble = outcome_f(arena, 451, 3, 5,
			"bad destination \"%.*s\"", STR_ARG(text));
		log_warning("%.*s", STR_ARG(a->trouble.status.text));
		return;
	}
	trial.policy = tls_policy_find(arena, a->set, &destination,
		(unsigned)a->delivery->m.flags);
	if (trial.policy.refused.status.code) {
		note_trouble(a, &trial.policy.refused);
		return;
	}
	a->tls = tls_level_name(trial.policy.level);
	a->tls_here = STR_NONE;
	if (is_first && try_kept(&trial) &&
		(attempt_is_over(a) || is_full(a)))
		return;
	route_find(arena, a->set, &destination, &route);
	a->is_own = route.is_own;
	if (route.count == 0)
		a->trouble = route.trouble;
	else
		try_sites(&trial, &route);
}

/* ---- a delivery ---- */

/* No fallback helps against what is known of the address itself. */
static bool is_hopeless(const struct outcome *trouble)
{
	return trouble->status.code / 100 == 5 &&
		((trouble->status.subject == 4 &&
			 trouble->status.detail == 6) ||
			(trouble->status.subject == 1 &&
				trouble->status.detail == 0));
}

static void try_all(struct attempt *a)
{
	struct str list = a->delivery->m.nexthop;
	struct str fallbacks = a->set->fallback_relay;
	struct str text = STR_NONE, next = STR_NONE;
	bool have = talk_destination_take(&list, &text), first = true;

	while (have && !attempt_is_over(a) && !is_full(a) &&
		!is_hopeless(&a->trouble)) {
		have = talk_destination_take(&list, &next) ||
			talk_destination_take(&fallbacks, &next);
		try_destination(a, text, first, !have);
		first = false;
		text = next;
	}
}

/* Nothing of it may leave. */
static void refuse_all(struct delivery *d, struct status status,
	enum deliver_site site)
{
	struct deliver_report report = {
		.status = status,
		.relay = STR("none"),
	};

	deliver_report_rest(d, &report);
	deliver_done(d, true, site,
		site == DELIVER_SITE_SICK ? status.text : STR(""));
}

void relay_deliver(struct delivery *d)
{
	struct attempt a = { .delivery = d, .set = settings,
		.tls = STR_NONE, .tls_here = STR_NONE };
	struct outcome unknown =
		outcome_f(d->arena, 451, 3, 0, "no server was tried");
	struct status status;
	bool unreachable;

	if (d->large >= 0 && d->content.size < d->m.size)
		log_warning("%.*s: content is shorter than announced",
			STR_ARG(d->m.queue_id));
	status = outgoing_apply(d, &a.out);
	if (!status_is_ok(status)) {
		refuse_all(d, status, DELIVER_SITE_REACHED);
		return;
	}
	pool_begin(d->m.nexthop);
	try_all(&a);
	pool_end(d->m.nexthop);
	if (a.is_own && settings->conf->best_mx_transport.len > 0) {
		deliver_pass_rest(d);
		return;
	}
	unreachable = !attempt_is_over(&a) && a.trouble.is_site;
	attempt_report_rest(&a, a.trouble.status.code ? &a.trouble : &unknown);
	deliver_done(d, true,
		unreachable ? DELIVER_SITE_UNREACHABLE : DELIVER_SITE_REACHED,
		unreachable ? a.trouble.status.text : STR(""));
}
