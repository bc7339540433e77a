#include "smtp/dane.h"

#include "base/log.h"
#include "io/fiber.h"
#include "talk/dane.h"

struct question {
	struct arena *arena;
	const struct settings *set;
	const struct talk_destination *destination;
	const struct site *site;
	struct tls_policy policy; /* the answer */
};

/* ---- what is known ---- */

static void look_up(void *context, struct arena *arena, struct str name,
	enum dns_type type, struct dns_answer *answer)
{
	(void)context;
	dns_lookup(arena, name, type, answer);
}

static void refuse(struct question *q, struct str why)
{
	struct outcome *refused = &q->policy.refused;

	log_warning("TLS policy lookup for %.*s/%.*s: %.*s",
		STR_ARG(q->destination->text), STR_ARG(q->site->host),
		STR_ARG(why));
	*refused = outcome_f(q->arena, 451, 7, 5, "%.*s", STR_ARG(why));
	refused->mta = q->site->host;
	refused->is_site = true;
}

/* Less than DANE is enough for dane; dane-only has to wait. */
static void fall_back(struct question *q, enum tls_level level,
	const char *why)
{
	if (q->policy.level == TLS_LEVEL_DANE_ONLY) {
		refuse(q, str_from(why));
		return;
	}
	/* RFC 8689 4.2.1: the server must be authenticated, in some way */
	if (q->policy.is_required)
		level = TLS_LEVEL_VERIFY;
	q->policy.level = level;
}

/* `type:name`; something that is always validated. */
static void run_probe(void *context)
{
	const struct conf *conf = context;
	auto_arena struct arena *arena = arena_new(0);
	struct str name = conf->dnssec_probe;
	struct str type_name = str_take_until(&name, ':');
	struct dns_answer answer;
	enum dns_type type;

	if (!dns_type_parse(type_name, &type)) {
		log_warning("dnssec_probe = %.*s: unknown type of record",
			STR_ARG(conf->dnssec_probe));
		return;
	}
	dns_lookup(arena, name, type, &answer);
	if (answer.status == DNS_FOUND && answer.secure)
		return;
	log_warning("DNSSEC validation may be unavailable");
	if (answer.status == DNS_FOUND)
		log_warning("reason: dnssec_probe '%.*s' received a response "
			"that is not DNSSEC validated",
			STR_ARG(conf->dnssec_probe));
	else
		log_warning("reason: dnssec_probe '%.*s' received no response: "
			"%s", STR_ARG(conf->dnssec_probe),
			dns_status_text(answer.status));
}

/* The first time that an answer is not validated: is any? The delivery does
 * not wait for that. */
static void probe(const struct question *q)
{
	static bool is_done; /* once in a process */

	if (is_done || q->set->conf->dnssec_probe.len == 0)
		return;
	is_done = true;
	io_spawn("dnssec probe", run_probe,
		(void *)(uintptr_t)q->set->conf);
}

/* ---- the judgement ---- */

static void use_records(struct question *q, const struct tls_dane *found)
{
	struct tls_dane *dane = arena_new_of(q->arena, struct tls_dane);

	*dane = *found;
	q->policy.dane = dane;
	if (!q->site->is_mx_secure)
		q->policy.level = TLS_LEVEL_HALF_DANE;
}

static void warn_of_unusable(const struct talk_dane *dane)
{
	for (size_t i = 0; i < dane->unusable_count; i++) {
		const struct tls_tlsa *record = &dane->unusable[i];
		auto_buf struct buf text = { 0 };

		talk_dane_format(&text, record);
		log_warning("%.*s %s: %.*s", STR_ARG(dane->owner),
			record->usage < 2 ? "unsupported TLSA certificate "
					    "usage" :
					    "unusable TLSA RR",
			STR_ARG(buf_str(&text)));
	}
}

/* The host may be a forger's (RFC 7672 2.2.1): half-dane, if it may be. */
static bool uses_insecure_mx(const struct question *q)
{
	return !q->policy.is_required &&
		!str_is_nocase(q->set->tls_dane_insecure_mx_policy, "encrypt");
}

static void judge(struct question *q, const struct talk_dane *dane,
	uint16_t port)
{
	warn_of_unusable(dane);
	switch (dane->state) {
	case TALK_DANE_TROUBLE:
		log_warning("DANE TLSA lookup problem: Host or domain name "
			"not found. Name service error for name=%.*s "
			"type=%.*s: %s",
			STR_ARG(dane->type == DNS_TLSA ? dane->owner :
							 q->site->host),
			STR_ARG(dns_type_name(q->arena, dane->type)),
			dns_status_text(dane->status));
		refuse(q, arena_fmt(q->arena, "TLSA lookup error for %.*s:%u",
			STR_ARG(q->site->host), port));
		break;
	case TALK_DANE_INSECURE:
		probe(q);
		fall_back(q, TLS_LEVEL_MAY, "no TLSA records found");
		break;
	case TALK_DANE_NONE:
		fall_back(q, TLS_LEVEL_MAY, "no TLSA records found");
		break;
	case TALK_DANE_UNUSABLE:
		fall_back(q, TLS_LEVEL_ENCRYPT, "TLSA records unusable");
		break;
	case TALK_DANE_USABLE:
		if (q->site->is_mx_secure || uses_insecure_mx(q))
			use_records(q, &dane->tls);
		else
			fall_back(q, TLS_LEVEL_ENCRYPT,
				"non DNSSEC destination");
	}
}


static bool is_name(const struct site *site)
{
	struct dns_address literal;

	return !site->is_unix && !dns_address_parse(site->host, &literal);
}

static bool ignores_insecure_mx(const struct question *q)
{
	return q->policy.level == TLS_LEVEL_DANE_ONLY ||
		str_is_nocase(q->set->tls_dane_insecure_mx_policy, "may");
}

static void ask(struct question *q)
{
	const struct talk_dane_dns dns = { look_up, NULL };
	const struct talk_dane_host host = { q->site->host, q->site->canonical,
		q->site->is_secure, q->site->port };
	struct tls_context *context = tls_policy_context(&q->policy);
	struct talk_dane dane;

	if (!context) {
		refuse(q, STR("TLS is required, but our TLS engine is "
			"unavailable"));
	} else if (!str_is_nocase(q->set->dns_support_level, "dnssec")) {
		log_warning("%.*s: %.*s configured with dnssec lookups "
			"disabled", STR_ARG(q->destination->text),
			STR_ARG(tls_level_name(q->policy.level)));
		fall_back(q, TLS_LEVEL_MAY, "client TLS configuration problem");
	} else if (!is_name(q->site)) {
		fall_back(q, TLS_LEVEL_MAY, "non DNSSEC destination");
	} else if (!q->site->is_mx_secure && ignores_insecure_mx(q)) {
		probe(q);
		fall_back(q, TLS_LEVEL_MAY, "non DNSSEC destination");
	} else {
		talk_dane_find(q->arena, &dns, &host,
			q->set->tls_force_insecure_host_tlsa_lookup, context,
			&dane);
		judge(q, &dane, host.port);
	}
}

struct tls_policy dane_policy(struct arena *arena, const struct settings *set,
	const struct tls_policy *wanted,
	const struct talk_destination *destination, const struct site *site)
{
	struct question q = { arena, set, destination, site, *wanted };

	if (!tls_level_is_dane(wanted->level))
		return *wanted;
	ask(&q);
	if (q.policy.refused.status.code == 0)
		tls_policy_complete(arena, set, &q.policy);
	return q.policy;
}
