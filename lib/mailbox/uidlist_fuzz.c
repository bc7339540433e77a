#include "mailbox/uidlist.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct arena *arena = arena_new(0);
	struct str in = str_of(octets, len), names[26], name;
	struct mailbox_uidlist list;
	struct mailbox_subscriptions subscriptions = { .text = in,
		.separator = len & 1 ? '/' : '.' };

	(void)mailbox_uidlist_parse(arena, in, &list);
	(void)mailbox_keywords_parse(in, names, COUNT(names));
	while (mailbox_subscription_take(arena, &subscriptions, &name))
		;
	arena_free(arena);
	return 0;
}
