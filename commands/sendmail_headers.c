#include "commands/sendmail_headers.h"

#include "mail/header.h"
#include "mail/list.h"

static const char *const names[] = { "To", "Cc", "Bcc" };
static const char *const resent_names[] = { "Resent-To", "Resent-Cc",
	"Resent-Bcc" };

static bool is_one_of(const struct mail_header *field,
	const char *const list[3])
{
	for (size_t i = 0; i < 3; i++)
		if (mail_header_is(field, list[i]))
			return true;
	return false;
}

static bool is_resent(struct str header)
{
	struct mail_header field;

	while (mail_header_take(&header, &field))
		if (is_one_of(&field, resent_names))
			return true;
	return false;
}

static void each_address(struct arena *arena, struct str body,
	void (*found)(void *context, struct str address), void *context)
{
	struct mail_list list = mail_list_of(body);
	struct mail_mailbox mailbox;
	enum mail_list_item item;

	while ((item = mail_list_next(arena, &list, &mailbox)) !=
		MAIL_LIST_END)
		if (item == MAIL_LIST_ADDRESS && mailbox.local.len > 0)
			found(context,
				mail_mailbox_address(arena, &mailbox));
}

bool headers_addresses(struct arena *arena, struct str text,
	void (*found)(void *context, struct str address), void *context)
{
	struct mail_list list = mail_list_of(text);
	struct mail_mailbox mailbox;
	enum mail_list_item item;
	size_t count = 0;

	while ((item = mail_list_next(arena, &list, &mailbox)) !=
		MAIL_LIST_END) {
		if (item == MAIL_LIST_JUNK)
			return false;
		count += item == MAIL_LIST_ADDRESS && mailbox.local.len > 0;
	}
	each_address(arena, text, found, context);
	return count > 0;
}

void headers_recipients(struct arena *arena, struct str header,
	void (*found)(void *context, struct str address), void *context)
{
	const char *const *list = is_resent(header) ? resent_names : names;
	struct mail_header field;

	while (mail_header_take(&header, &field))
		if (is_one_of(&field, list))
			each_address(arena, field.body, found, context);
}
