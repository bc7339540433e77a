#include "rewrite/probe.h"

#include "base/buf.h"
#include "mail/address.h"

/* As Postfix writes it: base 31, no vowels. */
static void put_period(struct buf *out, uint64_t period)
{
	static const char digits[] = "0123456789BCDFGHJKLMNPQRSTVWXYZ";
	const uint64_t base = sizeof(digits) - 1;
	char text[16];
	size_t at = sizeof(text);

	do {
		text[--at] = digits[period % base];
		period /= base;
	} while (period > 0 && at > 0);
	buf_add(out, str_of(text + at, sizeof(text) - at));
}

struct str probe_sender(struct arena *arena, const struct conf *conf,
	int64_t now_s)
{
	struct str address = str_trim(conf->address_verify_sender);
	struct str local = mail_address_local(address);
	struct str domain = mail_address_domain(address);
	int64_t ttl_s = span_to_s(conf->address_verify_sender_ttl);
	struct buf out = BUF_IN(arena);

	if (address.len == 0 || str_is(address, "<>"))
		return STR("");
	buf_add(&out, local);
	if (ttl_s > 0 && now_s >= 0)
		put_period(&out, (uint64_t)(now_s / ttl_s));
	buf_char(&out, '@');
	buf_add(&out, domain.len > 0 ? domain : conf->myorigin);
	return buf_str(&out);
}

/* Without a domain it is the same. */
static bool is_same(const struct conf *conf, struct str address,
	struct str sender)
{
	struct str domain = mail_address_domain(address);

	if (!str_is_none(domain))
		return str_eq_nocase(address, sender);
	return str_eq_nocase(address, mail_address_local(sender)) &&
		str_eq_nocase(mail_address_domain(sender), conf->myorigin);
}

bool probe_is_sender(struct arena *arena, const struct conf *conf,
	struct str address, int64_t now_s)
{
	int64_t ttl_s = span_to_s(conf->address_verify_sender_ttl);

	for (int64_t i = -1; i <= 1; i++) {
		struct str sender = probe_sender(arena, conf,
			now_s + i * ttl_s);

		if (sender.len > 0 && is_same(conf, address, sender))
			return true;
	}
	return false;
}
