/*
 * DNS block and allow lists, RFC 5782: by client address or by domain.
 */
#include "smtpd/check.h"

#include "base/log.h"
#include "config/expand.h"
#include "dns/record.h"

struct listing {
	struct str domain;  /* of the list */
	struct str filter;  /* "127.0.0.[2..5]", NONE: any 127 address counts */
	struct str query;
	struct str reason;  /* what was listed, for the reply */
	const char *class;
};

static struct listing parse_argument(struct str argument)
{
	struct listing listing = { .filter = STR_NONE };

	listing.domain = str_take_until(&argument, '=');
	if (argument.len > 0)
		listing.filter = argument;
	while (str_ends(listing.domain, STR(".")))
		listing.domain.len--;
	return listing;
}

/* "5" or "3..7". */
static bool range_has(struct str range, unsigned octet)
{
	uint64_t low, high;

	if (!str_take_u64(&range, 255, &low))
		return false;
	high = low;
	if (str_take_prefix(&range, STR("..")) &&
		!str_take_u64(&range, 255, &high))
		return false;
	return range.len == 0 && octet >= low && octet <= high;
}

/* A number, or "[a;b;c..d]". */
static bool take_octet(struct str *filter, unsigned octet)
{
	uint64_t number;
	struct str set, range;
	bool found = false;

	if (!str_take_char(filter, '['))
		return str_take_u64(filter, 255, &number) && number == octet;
	set = str_take_until(filter, ']');
	while (str_take_item(&set, ";", &range))
		found |= range_has(range, octet);
	return found;
}

static bool filter_has(struct str filter, const uint8_t *octets)
{
	for (size_t i = 0; i < 4; i++) {
		if (i > 0 && !str_take_char(&filter, '.'))
			return false;
		if (!take_octet(&filter, octets[i]))
			return false;
	}
	return filter.len == 0;
}

static bool is_listed(const struct listing *listing,
	const struct dns_answer *answer)
{
	for (size_t i = 0; i < answer->count; i++) {
		struct dns_address address;

		if (!dns_record_address(answer->records[i], &address) ||
			address.v6)
			continue;
		if (str_is_none(listing->filter) ? address.octets[0] == 127 :
			filter_has(listing->filter, address.octets))
			return true;
	}
	return false;
}

/* 1: listed, 0: not, -1: nobody knows (logged). */
static int ask(struct session *s, struct listing *listing)
{
	struct dns_answer answer;

	dns_lookup(s->arena, listing->query, DNS_A, &answer);
	if (answer.status == DNS_FOUND)
		return is_listed(listing, &answer);
	if (answer.status != DNS_TEMPORARY)
		return 0;
	log_warning("%.*s: RBL lookup error: %.*s", STR_ARG(listing->query),
		STR_ARG(answer.text));
	return -1;
}

static struct str find_text(struct session *s, const struct listing *listing)
{
	struct dns_answer answer;
	struct str text;

	dns_lookup(s->arena, listing->query, DNS_TXT, &answer);
	if (answer.status != DNS_FOUND ||
		!dns_record_txt(s->arena, answer.records[0], &text))
		return STR("");
	return str_first(text, 500);
}

/* ---- the reply: default_rbl_reply ---- */

struct macros {
	struct session *s;
	const struct listing *listing;
	struct str text;
};

static struct str find_macro(void *context, struct str name)
{
	const struct macros *m = context;
	struct session *s = m->s;
	const struct {
		const char *name;
		struct str value;
	} values[] = {
		{ "rbl_code", arena_fmt(s->arena, "%d",
			(int)s->conf->maps_rbl_reject_code) },
		{ "rbl_class", str_from(m->listing->class) },
		{ "rbl_what", m->listing->reason },
		{ "rbl_domain", m->listing->domain },
		{ "rbl_reason", m->text },
		{ "rbl_txt", m->text },
		{ "client", s->label },
		{ "client_address", s->address_text },
		{ "client_name", s->name },
		{ "reverse_client_name", s->reverse_name },
		{ "helo_name", s->helo },
		{ "sender", s->mail ? s->mail->sender : STR("") },
		{ "recipient", s->recipient },
		{ "myhostname", s->conf->myhostname },
	};

	for (size_t i = 0; i < COUNT(values); i++)
		if (str_is(name, values[i].name))
			return footer_filtered(s, s->arena, values[i].value);
	return STR_NONE;
}

static struct str find_template(struct session *s,
	const struct listing *listing)
{
	struct str text;

	if (maps_find(server.rbl_replies, s->arena, listing->domain, &text) ==
		MAPS_FOUND)
		return text;
	return s->conf->default_rbl_reply;
}

static enum verdict refuse(struct session *s, const struct listing *listing)
{
	struct macros macros = { s, listing, find_text(s, listing) };
	struct expand expand = {
		.find = find_macro, .context = &macros, .is_flat = true,
	};
	struct buf out = BUF_IN(s->arena);
	struct status status = { .subject = 7, .detail = 1 };
	struct str rest;
	uint64_t code;

	if (!expand_text(s->arena, &expand, &out, find_template(s, listing)))
		return check_config_error(s, expand.error);
	rest = buf_str(&out);
	if (!str_take_u64(&rest, 599, &code) || code < 400)
		return check_config_error(s, arena_fmt(s->arena, "RBL reply "
			"without code: %.*s", STR_ARG(buf_str(&out))));
	status.code = (uint16_t)code;
	rest = str_trim(rest);
	(void)smtp_enhanced_take(&rest, &status);
	status.text = rest;
	return check_refuse_status(s, status);
}

/* ---- restrictions ---- */

static struct listing by_address(struct session *s,
	const struct restriction *restriction)
{
	struct listing listing = parse_argument(restriction->argument);

	listing.class = "Client host";
	listing.reason = s->address_text;
	listing.query = dns_list_name(s->arena, &s->address, listing.domain);
	return listing;
}

/* False: there is no domain to ask for. */
static bool by_domain(struct session *s, const struct restriction *restriction,
	struct listing *listing)
{
	struct subject subject = check_subject(s, restriction->row->subject);
	struct str domain = check_domain_of(s, &subject);

	if (str_is_none(domain) || !dns_is_hostname(domain))
		return false;
	*listing = parse_argument(restriction->argument);
	listing->class = subject.class;
	listing->reason = subject.name;
	listing->query = arena_fmt(s->arena, "%.*s.%.*s", STR_ARG(domain),
		STR_ARG(listing->domain));
	return true;
}

enum verdict check_rbl(struct session *s, const struct restriction *restriction)
{
	struct listing listing = by_address(s, restriction);

	return s->has_address && ask(s, &listing) == 1 ?
		refuse(s, &listing) : DUNNO;
}

enum verdict check_rhsbl(struct session *s,
	const struct restriction *restriction)
{
	struct listing listing;

	return by_domain(s, restriction, &listing) && ask(s, &listing) == 1 ?
		refuse(s, &listing) : DUNNO;
}

/* An allow list must not open the relay: only for mail that may come in. */
static enum verdict allow(struct session *s, struct listing *listing)
{
	struct resolved resolved;
	int listed;

	if (str_is_none(s->recipient))
		return DUNNO;
	check_resolve(s, s->recipient, &resolved);
	if (!check_is_authorized(&resolved))
		return DUNNO;
	listed = ask(s, listing);
	if (listed < 0)
		return check_in_favour(s, status_f(s->arena, 450, 7, 1,
			"Service unavailable; %.*s: allow list lookup error",
			STR_ARG(listing->domain)));
	return listed ? PERMIT : DUNNO;
}

enum verdict check_dnswl(struct session *s,
	const struct restriction *restriction)
{
	struct listing listing = by_address(s, restriction);

	return s->has_address ? allow(s, &listing) : DUNNO;
}

enum verdict check_rhswl(struct session *s,
	const struct restriction *restriction)
{
	struct listing listing;

	return by_domain(s, restriction, &listing) ? allow(s, &listing) :
		DUNNO;
}
