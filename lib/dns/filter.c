#include "dns/filter.h"

#include "base/buf.h"
#include "dns/record.h"

/* Set by dns_filter_open. */
static struct {
	dns_judge *judge;
	void *context;
} filter;

/* ---- text ---- */

static bool put_address(struct arena *arena, struct str record,
	struct buf *out)
{
	struct dns_address address;

	if (!dns_record_address(record, &address))
		return false;
	buf_add(out, dns_address_text(arena, &address));
	return true;
}

static bool put_name(struct arena *arena, struct str record, struct buf *out)
{
	struct str name;

	if (!dns_record_name(arena, record, &name))
		return false;
	buf_fmt(out, "%.*s.", STR_ARG(name));
	return true;
}

static bool put_mx(struct arena *arena, struct str record, struct buf *out)
{
	struct dns_mx mx;

	if (!dns_record_mx(arena, record, &mx))
		return false;
	buf_fmt(out, "%u %.*s.", mx.preference, STR_ARG(mx.host));
	return true;
}

static bool put_srv(struct arena *arena, struct str record, struct buf *out)
{
	struct dns_srv srv;

	if (!dns_record_srv(arena, record, &srv))
		return false;
	buf_fmt(out, "%u %u %u %.*s.", srv.priority, srv.weight, srv.port,
		STR_ARG(srv.host));
	return true;
}

/* What could end the line does not. */
static bool put_txt(struct arena *arena, struct str record, struct buf *out)
{
	struct str text;

	if (!dns_record_txt(arena, record, &text))
		return false;
	for (size_t i = 0; i < text.len; i++)
		buf_char(out, ascii_is_print((unsigned char)text.p[i]) ?
				text.p[i] : '?');
	return true;
}

static void put_octets(struct buf *out, struct str octets)
{
	for (size_t i = 0; i < octets.len; i++)
		buf_fmt(out, "%02X", (unsigned char)octets.p[i]);
}

static bool put_tlsa(struct arena *arena, struct str record, struct buf *out)
{
	struct dns_tlsa tlsa;

	(void)arena;
	if (!dns_record_tlsa(record, &tlsa))
		return false;
	buf_fmt(out, "%u %u %u ", tlsa.usage, tlsa.selector, tlsa.matching);
	put_octets(out, tlsa.data);
	return true;
}

static const struct {
	enum dns_type type;
	bool (*put)(struct arena *arena, struct str record, struct buf *out);
} forms[] = {
	{ DNS_A, put_address }, { DNS_AAAA, put_address },
	{ DNS_NS, put_name },   { DNS_CNAME, put_name },
	{ DNS_PTR, put_name },  { DNS_MX, put_mx },
	{ DNS_SRV, put_srv },   { DNS_TXT, put_txt },
	{ DNS_TLSA, put_tlsa },
};

struct str dns_record_text(struct arena *arena, struct str owner, uint32_t ttl,
	enum dns_type type, struct str record)
{
	struct buf out = BUF_IN(arena);

	buf_fmt(&out, "%.*s. %u IN %.*s ", STR_ARG(owner), ttl,
		STR_ARG(dns_type_name(arena, type)));
	for (size_t i = 0; i < COUNT(forms); i++)
		if (forms[i].type == type &&
			forms[i].put(arena, record, &out))
			return buf_str(&out);
	put_octets(&out, record);
	return buf_str(&out);
}

/* ---- answers ---- */

void dns_filter_open(dns_judge *judge, void *context)
{
	filter.judge = judge;
	filter.context = context;
}

static void fail(struct dns_answer *answer, const char *why)
{
	*answer = (struct dns_answer){ .status = DNS_TEMPORARY,
		.text = str_from(why), .is_filtered = true };
}

void dns_filter_apply(struct arena *arena, const struct dns_question *question,
	struct dns_answer *answer)
{
	struct str owner = answer->canonical.len > 0 ? answer->canonical :
		question->name;
	size_t kept = 0;

	if (!filter.judge || answer->status != DNS_FOUND ||
		(question->flags & DNS_NATIVE))
		return;
	for (size_t i = 0; i < answer->count; i++) {
		struct str record = answer->records[i];

		switch (filter.judge(filter.context, arena,
			dns_record_text(arena, owner, answer->ttl,
				question->type, record))) {
		case DNS_KEEP:
			answer->records[kept++] = record;
			break;
		case DNS_IGNORE:
			break;
		case DNS_NO_VERDICT:
			fail(answer, "Invalid DNS reply filter syntax");
			return;
		}
	}
	answer->count = kept;
	if (kept == 0)
		fail(answer, "DNS reply filter drops all results");
	answer->is_dropped = kept == 0;
}
