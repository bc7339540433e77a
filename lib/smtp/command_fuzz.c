#include "base/arena.h"

#include "smtp/command.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct arena *arena = arena_new(0);
	struct str in = str_of(octets, len);
	struct smtp_command command;
	struct smtp_bdat bdat;

	if (smtp_command_parse(in, &command)) {
		(void)smtp_is_mechanism(command.verb);
		if (smtp_keyword_take(&command.arguments, "FROM") ||
			smtp_bdat_parse(command.arguments, &bdat))
			(void)bdat;
	}
	arena_free(arena);
	return 0;
}
