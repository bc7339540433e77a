#include "mail/verp.h"

#include "mail/address.h"

enum {
	DELIMITERS = 2,
};

bool mail_verp_is_valid(struct str delimiters, struct str allowed)
{
	if (delimiters.len != DELIMITERS)
		return false;
	for (size_t i = 0; i < delimiters.len; i++)
		if (!allowed.len ||
			!memchr(allowed.p, delimiters.p[i], allowed.len))
			return false;
	return true;
}

struct str mail_verp_sender(struct arena *arena, struct str delimiters,
	struct str sender, struct str recipient)
{
	struct str own = mail_address_domain(sender);
	struct str domain = mail_address_domain(recipient);
	struct buf out = BUF_IN(arena);

	if (sender.len == 0 || delimiters.len != DELIMITERS)
		return sender;
	buf_add(&out, mail_address_local(sender));
	buf_char(&out, delimiters.p[0]);
	buf_add(&out, mail_address_local(recipient));
	if (!str_is_none(domain)) {
		buf_char(&out, delimiters.p[1]);
		buf_add(&out, domain);
	}
	if (!str_is_none(own)) {
		buf_char(&out, '@');
		buf_add(&out, own);
	}
	return buf_str(&out);
}
