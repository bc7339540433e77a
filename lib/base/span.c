#include "base/span.h"

#include <time.h>

static int64_t read_clock(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

struct moment moment_now(void)
{
	return (struct moment){ read_clock(CLOCK_MONOTONIC) };
}

struct moment moment_after(struct span span)
{
	struct moment m;

	if (span.us == SPAN_FOREVER.us) /* the clock has no say in it */
		return MOMENT_NEVER;
	m = moment_now();
	if (__builtin_add_overflow(m.us, span.us, &m.us))
		return MOMENT_NEVER;
	return m;
}

struct span moment_left(struct moment m)
{
	int64_t left;

	if (moment_is_never(m))
		return SPAN_FOREVER;
	left = m.us - moment_now().us;
	return (struct span){ left > 0 ? left : 0 };
}

int64_t wall_us(void)
{
	return read_clock(CLOCK_REALTIME);
}
