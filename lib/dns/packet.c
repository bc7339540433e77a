#include "dns/packet.h"

#include "dns/record.h"

enum {
	CLASS_IN = 1,
	TYPE_OPT = 41,
	FLAG_QR = 0x8000,
	FLAG_TC = 0x0200,
	FLAG_RD = 0x0100,
	FLAG_AD = 0x0020,
	OPCODE = 0x7800,
	RCODE = 0x000f,
	RCODE_NXDOMAIN = 3,
	NAME_MOST = 255,
	TTL_MOST = 0x7fffffff, /* RFC 2181 8 */
};

static void format_u16(struct buf *out, unsigned value)
{
	buf_char(out, (char)(value >> 8));
	buf_char(out, (char)value);
}

/* One label in text form, up to a '.' or the end. */
static bool take_label(struct str *in, char *label, size_t *len)
{
	*len = 0;
	while (in->len > 0 && !str_take_char(in, '.')) {
		uint64_t octet = (unsigned char)in->p[0];
		struct str digits = str_first(str_skip(*in, 1), 3);

		if (octet == '\\' && digits.len == 3 &&
			str_parse_u64(digits, 255, &octet))
			*in = str_skip(*in, 4);
		else if (octet == '\\')
			return false;
		else
			*in = str_skip(*in, 1);
		if (*len == 63)
			return false;
		label[(*len)++] = (char)octet;
	}
	return *len > 0;
}

bool dns_name_format(struct buf *out, struct str name)
{
	size_t start = out->len, len;
	char label[63];

	while (name.len > 0) {
		if (!take_label(&name, label, &len))
			return false;
		buf_char(out, (char)len);
		buf_add(out, str_of(label, len));
		if (out->len - start > NAME_MOST - 1)
			return false;
	}
	buf_char(out, 0);
	return !out->failed;
}

bool dns_packet_question(struct buf *out, uint16_t id, struct str name,
	enum dns_type type, uint16_t edns)
{
	format_u16(out, id);
	format_u16(out, FLAG_RD | FLAG_AD);
	format_u16(out, 1);
	format_u16(out, 0);
	format_u16(out, 0);
	format_u16(out, edns ? 1 : 0);
	if (!dns_name_format(out, name))
		return false;
	format_u16(out, type);
	format_u16(out, CLASS_IN);
	if (edns) {
		buf_char(out, 0); /* the root */
		format_u16(out, TYPE_OPT);
		format_u16(out, edns);
		format_u16(out, 0); /* extended rcode, version 0 */
		format_u16(out, 0); /* no flags */
		format_u16(out, 0); /* no options */
	}
	return !out->failed;
}

struct reader {
	struct arena *arena;
	struct str packet;
	size_t at;
};

static bool read_u16(struct reader *r, uint16_t *value)
{
	const unsigned char *p;

	if (r->packet.len - r->at < 2)
		return false;
	p = (const unsigned char *)r->packet.p + r->at;
	*value = (uint16_t)(p[0] << 8 | p[1]);
	r->at += 2;
	return true;
}

static bool read_u32(struct reader *r, uint32_t *value)
{
	uint16_t high, low;

	if (!read_u16(r, &high) || !read_u16(r, &low))
		return false;
	*value = (uint32_t)high << 16 | low;
	return true;
}

/*
 * A name at r->at, uncompressed into `out`. Each pointer must lead to before
 * the place where the previous run of labels began, so the walk ends.
 */
static bool read_name(struct reader *r, struct buf *out)
{
	size_t at = r->at, before = r->at, after = 0, start = out->len;

	for (;;) {
		unsigned char len;

		if (at >= r->packet.len)
			return false;
		len = (unsigned char)r->packet.p[at];
		if ((len & 0xc0) == 0xc0) {
			if (at + 1 >= r->packet.len)
				return false;
			if (!after)
				after = at + 2;
			at = (size_t)(len & 0x3f) << 8 |
				(unsigned char)r->packet.p[at + 1];
			if (at >= before)
				return false;
			before = at;
			continue;
		}
		if (len > 63 || r->packet.len - at < len + 1u)
			return false;
		buf_add(out, str_of(r->packet.p + at, len + 1u));
		if (out->len - start > NAME_MOST)
			return false;
		at += len + 1u;
		if (len == 0)
			break;
	}
	r->at = after ? after : at;
	return !out->failed;
}

struct record {
	struct str owner; /* wire form */
	uint16_t type, class;
	uint32_t ttl;
	size_t data, octets; /* where the record data stands */
};

static bool read_record(struct reader *r, struct record *record)
{
	struct buf owner = BUF_IN(r->arena);
	uint16_t octets;

	if (!read_name(r, &owner) || !read_u16(r, &record->type) ||
		!read_u16(r, &record->class) || !read_u32(r, &record->ttl) ||
		!read_u16(r, &octets) || r->packet.len - r->at < octets)
		return false;
	if (record->ttl > TTL_MOST)
		record->ttl = 0;
	record->owner = buf_str(&owner);
	record->data = r->at;
	record->octets = octets;
	r->at += octets;
	return true;
}

/*
 * Where names stand in the data of the types we know: `lead` octets, then
 * `names` names, then `tail` octets. Others are copied as they are.
 */
static const struct shape {
	uint16_t type, lead, names, tail;
} shapes[] = {
	{ DNS_NS, 0, 1, 0 },
	{ DNS_CNAME, 0, 1, 0 },
	{ DNS_PTR, 0, 1, 0 },
	{ DNS_MX, 2, 1, 0 },
	{ DNS_SRV, 6, 1, 0 },
	{ DNS_SOA, 0, 2, 20 },
};

static const struct shape *find_shape(uint16_t type)
{
	for (size_t i = 0; i < COUNT(shapes); i++)
		if (shapes[i].type == type)
			return &shapes[i];
	return NULL;
}

/* The record data with its names uncompressed. */
static bool record_data(const struct reader *r, const struct record *record,
	struct str *data)
{
	struct reader sub = { .arena = r->arena, .at = record->data,
		.packet = str_first(r->packet, record->data + record->octets) };
	const struct shape *shape = find_shape(record->type);
	struct buf out = BUF_IN(r->arena);

	if (!shape) {
		*data = str_of(r->packet.p + record->data, record->octets);
		*data = arena_copy(r->arena, *data);
		return true;
	}
	if (record->octets < shape->lead)
		return false;
	buf_add(&out, str_of(sub.packet.p + sub.at, shape->lead));
	sub.at += shape->lead;
	for (unsigned i = 0; i < shape->names; i++)
		if (!read_name(&sub, &out))
			return false;
	if (sub.packet.len - sub.at != shape->tail)
		return false;
	buf_add(&out, str_of(sub.packet.p + sub.at, shape->tail));
	*data = buf_str(&out);
	return !out.failed;
}

struct sections {
	struct record records[DNS_RECORDS_MOST];
	size_t answers, count; /* the first are answers, then authority */
};

static bool read_sections(struct reader *r, size_t answers, size_t authority,
	struct sections *s)
{
	struct record record;

	for (size_t i = 0; i < answers + authority; i++) {
		if (!read_record(r, &record))
			return false;
		if (s->count == DNS_RECORDS_MOST)
			continue; /* more than we keep */
		s->records[s->count++] = record;
		if (i < answers)
			s->answers = s->count;
	}
	return true;
}

static void lower_ttl(struct dns_answer *answer, uint32_t ttl)
{
	if (ttl < answer->ttl)
		answer->ttl = ttl;
}

/* The owner at the end of the chain of CNAMEs that begins at `name`. */
static bool follow_aliases(const struct reader *r, const struct sections *s,
	struct str *name, struct dns_answer *answer)
{
	for (unsigned step = 0; step < DNS_CHAIN_MOST; step++) {
		const struct record *alias = NULL;

		for (size_t i = 0; i < s->answers && !alias; i++)
			if (s->records[i].type == DNS_CNAME &&
				s->records[i].class == CLASS_IN &&
				str_eq_nocase(s->records[i].owner, *name))
				alias = &s->records[i];
		if (!alias)
			return true;
		if (!record_data(r, alias, name))
			return false;
		lower_ttl(answer, alias->ttl);
	}
	return false; /* a circle, or too long */
}

static bool collect(const struct reader *r, const struct sections *s,
	struct str owner, enum dns_type type, struct dns_answer *answer)
{
	answer->records = arena_array(r->arena, s->answers + 1,
		sizeof(struct str));
	for (size_t i = 0; i < s->answers; i++) {
		const struct record *record = &s->records[i];

		if (record->type != type || record->class != CLASS_IN ||
			!str_eq_nocase(record->owner, owner))
			continue;
		if (!record_data(r, record, &answer->records[answer->count]))
			return false;
		answer->count++;
		lower_ttl(answer, record->ttl);
	}
	return true;
}

/* RFC 2308 5: the SOA's own ttl or its minimum, whichever is less. */
static void negative_ttl(const struct reader *r, const struct sections *s,
	struct dns_answer *answer)
{
	for (size_t i = s->answers; i < s->count; i++) {
		const struct record *record = &s->records[i];
		struct dns_soa soa;
		struct str data;

		if (record->type != DNS_SOA ||
			!record_data(r, record, &data) ||
			!dns_record_soa(r->arena, data, &soa))
			continue;
		lower_ttl(answer, record->ttl);
		lower_ttl(answer, soa.minimum);
		return;
	}
	answer->ttl = 0;
}

/* The question section repeats what we asked. */
static bool is_our_question(struct reader *r, struct str name,
	enum dns_type type)
{
	struct buf got = BUF_IN(r->arena);
	uint16_t got_type, class;

	return read_name(r, &got) && read_u16(r, &got_type) &&
		read_u16(r, &class) && str_eq_nocase(buf_str(&got), name) &&
		got_type == type && class == CLASS_IN;
}

static void set_status(struct dns_answer *answer, enum dns_status status)
{
	answer->status = status;
	answer->text = str_from(dns_status_text(status));
}

static bool read_answers(struct reader *r, struct sections *s,
	struct str owner, enum dns_type type, uint16_t flags,
	struct dns_answer *answer)
{
	if (type != DNS_CNAME && !follow_aliases(r, s, &owner, answer))
		return false;
	if (!dns_record_name(r->arena, owner, &answer->canonical) ||
		!collect(r, s, owner, type, answer))
		return false;
	if (answer->count > 0)
		set_status(answer, DNS_FOUND);
	else if ((flags & RCODE) == RCODE_NXDOMAIN)
		set_status(answer, DNS_NO_NAME);
	else
		set_status(answer, DNS_NO_DATA);
	if (answer->count == 0)
		negative_ttl(r, s, answer);
	return true;
}

bool dns_packet_answer(struct arena *arena, struct str packet, uint16_t id,
	struct str name, enum dns_type type, struct dns_answer *answer)
{
	struct reader r = { .arena = arena, .packet = packet };
	uint16_t got_id, flags, questions, answers, authority, additional;
	struct buf wire = BUF_IN(arena);
	struct sections *s;

	*answer = (struct dns_answer){ .ttl = TTL_MOST };
	set_status(answer, DNS_MALFORMED);
	if (packet.len > DNS_PACKET_MOST || !dns_name_format(&wire, name) ||
		!read_u16(&r, &got_id) || !read_u16(&r, &flags) ||
		!read_u16(&r, &questions) || !read_u16(&r, &answers) ||
		!read_u16(&r, &authority) || !read_u16(&r, &additional))
		return false;
	if (got_id != id || !(flags & FLAG_QR) || (flags & OPCODE) ||
		questions != 1 || !is_our_question(&r, buf_str(&wire), type))
		return false;
	answer->canonical = name;
	answer->secure = flags & FLAG_AD;
	if ((flags & FLAG_TC) ||
		((flags & RCODE) != 0 && (flags & RCODE) != RCODE_NXDOMAIN)) {
		set_status(answer, DNS_TEMPORARY);
		answer->ttl = 0;
		return true;
	}
	s = arena_new_of(arena, struct sections);
	if (!read_sections(&r, answers, authority, s))
		return false;
	return read_answers(&r, s, buf_str(&wire), type, flags, answer);
}
