/*
 * base/span - time: how long (span) and when (moment).
 *
 * A span is a length of time. A moment is a point on CLOCK_MONOTONIC, for
 * deadlines: a wall clock that jumps changes nothing. wall_us() is the wall
 * clock, for what people read.
 */
#ifndef BASE_SPAN_H
#define BASE_SPAN_H

#include "base/base.h"

struct span {
	int64_t us;
};

struct moment {
	int64_t us;
};

#define SPAN_FOREVER ((struct span){ INT64_MAX })
#define MOMENT_NEVER ((struct moment){ INT64_MAX })

static inline struct span span_us(int64_t us)
{
	return (struct span){ us };
}

static inline struct span span_ms(int64_t ms)
{
	return (struct span){ ms * 1000 };
}

static inline struct span span_s(int64_t s)
{
	return (struct span){ s * 1000000 };
}

static inline int64_t span_to_s(struct span span)
{
	return span.us / 1000000;
}

static inline int64_t span_to_ms(struct span span)
{
	return span.us / 1000;
}

struct moment moment_now(void);

/* Now + span; FOREVER gives NEVER. */
struct moment moment_after(struct span span);

static inline bool moment_is_never(struct moment m)
{
	return m.us == INT64_MAX;
}

/* b - a. */
static inline struct span moment_between(struct moment a, struct moment b)
{
	return (struct span){ b.us - a.us };
}

/* What is left until `m`: 0 when it has passed, FOREVER for NEVER. */
struct span moment_left(struct moment m);

/* Microseconds since 1970-01-01 UTC by the wall clock. */
int64_t wall_us(void);

#endif
