#include "dns/record.h"

#include "base/buf.h"

static bool take_u8(struct str *in, uint8_t *value)
{
	if (in->len < 1)
		return false;
	*value = (uint8_t)in->p[0];
	*in = str_skip(*in, 1);
	return true;
}

static bool take_u16(struct str *in, uint16_t *value)
{
	uint8_t high, low;
	struct str rest = *in;

	if (!take_u8(&rest, &high) || !take_u8(&rest, &low))
		return false;
	*value = (uint16_t)(high << 8 | low);
	*in = rest;
	return true;
}

static bool take_u32(struct str *in, uint32_t *value)
{
	uint16_t high, low;
	struct str rest = *in;

	if (!take_u16(&rest, &high) || !take_u16(&rest, &low))
		return false;
	*value = (uint32_t)high << 16 | low;
	*in = rest;
	return true;
}

static void format_label(struct buf *out, struct str label)
{
	for (size_t i = 0; i < label.len; i++) {
		unsigned char c = (unsigned char)label.p[i];

		if (c > 0x20 && c < 0x7f && c != '.' && c != '\\')
			buf_char(out, (char)c);
		else
			buf_fmt(out, "\\%03u", c);
	}
}

bool dns_name_take(struct arena *arena, struct str *in, struct str *name)
{
	struct buf text = BUF_IN(arena);
	struct str rest = *in;
	size_t octets = 0;
	uint8_t len;

	for (;;) {
		if (!take_u8(&rest, &len) || len > 63 || len > rest.len)
			return false;
		octets += len + 1u;
		if (octets > 255) /* RFC 1035 2.3.4 */
			return false;
		if (len == 0)
			break;
		if (text.len)
			buf_char(&text, '.');
		format_label(&text, str_first(rest, len));
		rest = str_skip(rest, len);
	}
	*name = buf_str(&text);
	*in = rest;
	return true;
}

bool dns_record_address(struct str record, struct dns_address *address)
{
	if (record.len != 4 && record.len != 16)
		return false;
	memset(address, 0, sizeof(*address));
	address->v6 = record.len == 16;
	memcpy(address->octets, record.p, record.len);
	return true;
}

bool dns_record_name(struct arena *arena, struct str record, struct str *name)
{
	return dns_name_take(arena, &record, name) && record.len == 0;
}

bool dns_record_mx(struct arena *arena, struct str record, struct dns_mx *mx)
{
	return take_u16(&record, &mx->preference) &&
		dns_record_name(arena, record, &mx->host);
}

bool dns_record_txt(struct arena *arena, struct str record, struct str *text)
{
	struct buf joined = BUF_IN(arena);
	uint8_t len;

	if (record.len == 0)
		return false;
	while (record.len > 0) {
		if (!take_u8(&record, &len) || len > record.len)
			return false;
		buf_add(&joined, str_first(record, len));
		record = str_skip(record, len);
	}
	*text = buf_str(&joined);
	return true;
}

bool dns_record_srv(struct arena *arena, struct str record,
	struct dns_srv *srv)
{
	return take_u16(&record, &srv->priority) &&
		take_u16(&record, &srv->weight) &&
		take_u16(&record, &srv->port) &&
		dns_record_name(arena, record, &srv->host);
}

bool dns_record_tlsa(struct str record, struct dns_tlsa *tlsa)
{
	if (!take_u8(&record, &tlsa->usage) ||
		!take_u8(&record, &tlsa->selector) ||
		!take_u8(&record, &tlsa->matching))
		return false;
	tlsa->data = record;
	return record.len > 0;
}

bool dns_record_soa(struct arena *arena, struct str record,
	struct dns_soa *soa)
{
	return dns_name_take(arena, &record, &soa->primary) &&
		dns_name_take(arena, &record, &soa->mailbox) &&
		take_u32(&record, &soa->serial) &&
		take_u32(&record, &soa->refresh) &&
		take_u32(&record, &soa->retry) &&
		take_u32(&record, &soa->expire) &&
		take_u32(&record, &soa->minimum) && record.len == 0;
}
