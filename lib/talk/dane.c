#include "talk/dane.h"

#include "base/buf.h"
#include "dns/record.h"

struct search {
	struct arena *arena;
	const struct talk_dane_dns *dns;
	const struct talk_dane_host *host;
	struct tls_context *context;
	struct talk_dane *dane;
};

static bool is_known(enum dns_status status)
{
	return status == DNS_FOUND || status == DNS_NO_DATA ||
		status == DNS_NO_NAME;
}

/* A failed lookup may be an attack: RFC 7672 2.1.2, 2.2. */
static void fail(struct search *s, enum dns_type type, enum dns_status status)
{
	s->dane->state = TALK_DANE_TROUBLE;
	s->dane->type = type;
	s->dane->status = status;
}

static void take_records(struct search *s, struct str base,
	const struct dns_answer *answer)
{
	struct tls_tlsa *records = arena_array(s->arena,
		TALK_DANE_RECORDS_MOST, sizeof(*records));
	size_t count = 0, usable;

	for (size_t i = 0; i < answer->count &&
		count < TALK_DANE_RECORDS_MOST; i++) {
		struct dns_tlsa tlsa;

		if (dns_record_tlsa(answer->records[i], &tlsa))
			records[count++] = (struct tls_tlsa){ tlsa.usage,
				tlsa.selector, tlsa.matching, tlsa.data };
	}
	usable = tls_dane_sift(s->context, records, count);
	s->dane->tls = (struct tls_dane){ base, records, usable };
	s->dane->unusable = &records[usable];
	s->dane->unusable_count = count - usable;
	s->dane->state = usable > 0 ? TALK_DANE_USABLE : TALK_DANE_UNUSABLE;
}

/* False: look no further; RFC 7672 2.2.3. */
static bool has_none(struct search *s, struct str base)
{
	struct dns_answer answer;

	s->dane->owner = arena_fmt(s->arena, "_%u._tcp.%.*s", s->host->port,
		STR_ARG(base));
	s->dns->lookup(s->dns->context, s->arena, s->dane->owner, DNS_TLSA,
		&answer);
	if (!is_known(answer.status)) {
		fail(s, DNS_TLSA, answer.status);
		return false;
	}
	s->dane->state = TALK_DANE_NONE;
	if (answer.status != DNS_FOUND || !answer.secure)
		return true;
	take_records(s, base, &answer);
	return false;
}

/*
 * The alias leads out of the signed part of the DNS. Its own record may be in
 * it; then the name itself is one that can have TLSA records, RFC 7672 2.2.2.
 */
static void ask_for_alias(struct search *s)
{
	struct dns_answer alias;

	s->dns->lookup(s->dns->context, s->arena, s->host->name, DNS_CNAME,
		&alias);
	if (!is_known(alias.status))
		fail(s, DNS_CNAME, alias.status);
	else if (alias.status == DNS_FOUND && alias.secure)
		(void)has_none(s, s->host->name);
}

void talk_dane_find(struct arena *arena, const struct talk_dane_dns *dns,
	const struct talk_dane_host *host, bool even_insecure,
	struct tls_context *context, struct talk_dane *dane)
{
	struct search s = { arena, dns, host, context, dane };
	bool is_alias = !str_eq_nocase(host->name, host->canonical);

	*dane = (struct talk_dane){ .state = TALK_DANE_INSECURE };
	if (host->is_secure) {
		if (!is_alias || has_none(&s, host->canonical))
			(void)has_none(&s, host->name);
	} else if (is_alias) {
		ask_for_alias(&s);
	} else if (even_insecure) {
		(void)has_none(&s, host->name);
	}
}

void talk_dane_format(struct buf *out, const struct tls_tlsa *record)
{
	buf_fmt(out, "%u %u %u ", record->usage, record->selector,
		record->matching);
	for (size_t i = 0; i < record->data.len; i++)
		buf_fmt(out, "%02X", (unsigned char)record->data.p[i]);
}
