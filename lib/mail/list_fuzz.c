#include "base/base.h"

#include "mail/list.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct arena *arena = arena_new(0);
	struct str in = str_of(octets, len);
	struct mail_list list = mail_list_of(in);
	struct mail_mailbox mailbox;
	enum mail_list_item item;

	while ((item = mail_list_next(arena, &list, &mailbox)) !=
		MAIL_LIST_END)
		if (mailbox.at + mailbox.len > len ||
			mailbox.item_at + mailbox.item_len > len)
			panic("item %d outside of the text", item);
	arena_free(arena);
	return 0;
}
