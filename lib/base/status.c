#include "base/status.h"

struct status status_f(struct arena *arena, int code, int subject, int detail,
	const char *format, ...)
{
	struct status status = {
		.code = (uint16_t)code,
		.subject = (uint16_t)subject,
		.detail = (uint16_t)detail,
	};
	va_list args;

	va_start(args, format);
	status.text = arena_vfmt(arena, format, args);
	va_end(args);
	return status;
}
