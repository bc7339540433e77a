#include "smtp/outcome.h"

struct outcome outcome_f(struct arena *arena, int code, int subject,
	int detail, const char *format, ...)
{
	struct outcome outcome = { .diagnostic = STR_NONE, .mta = STR_NONE };
	va_list args;

	va_start(args, format);
	outcome.status = (struct status){ .code = (uint16_t)code,
		.subject = (uint16_t)subject, .detail = (uint16_t)detail,
		.text = arena_vfmt(arena, format, args) };
	va_end(args);
	return outcome;
}
