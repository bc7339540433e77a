#include "mailbox/uidlist.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct arena *arena = arena_new(0);
	struct str in = str_of(octets, len), names[26], name;
	struct mailbox_uidlist list;
	bool is_version_2 = false;

	(void)mailbox_uidlist_parse(arena, in, &list);
	(void)mailbox_keywords_parse(in, names, COUNT(names));
	while (mailbox_subscription_take(arena, &in, &is_version_2, &name))
		;
	arena_free(arena);
	return 0;
}
