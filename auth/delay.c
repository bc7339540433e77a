/*
 * Guessing is slow: the answer to a failure waits longer with each failure of
 * the same network address (of IPv6: the same /64). Nobody else waits.
 */
#include "auth.h"

#include <stdlib.h>

#include "base/network.h"
#include "base/table.h"
#include "io/fiber.h"

enum {
	ADDRESSES_MOST = 20000,
	FORGET_S = 900,     /* after the last failure */
	WAITING_MOST = 20,  /* exchanges of an address that has failed */
	SLEEPERS_MOST = 2000, /* in all; who comes then is answered at once */
	PREFIX_V6 = 64,
};

/* Seconds to wait after so many failures before this one. */
static const int steps[] = { 0, 1, 2, 4, 8, 15 };

struct offender {
	size_t failures, exchanges;
	struct moment last;
};

static struct table *offenders; /* by network */
static size_t sleepers;

void delay_open(void)
{
	offenders = table_new();
}

/* "192.0.2.1", "2001:db8::/64"; what is no address stands for itself. */
static struct str key_of(struct str address, struct buf *out)
{
	struct network network;

	if (network_parse_address(address, &network)) {
		if (network.v6)
			network = network_mask(network, PREFIX_V6);
		network_format(out, &network, false);
	} else {
		buf_add(out, str_first(address, 64));
	}
	return buf_str(out);
}

static void drop_old(void)
{
	for (struct table_walk w = { 0 }; table_next(offenders, &w);) {
		struct offender *o = w.value;

		if (o->exchanges > 0 || moment_between(o->last,
			moment_now()).us < span_s(FORGET_S).us)
			continue;
		table_remove(offenders, w.key);
		free(o);
	}
}

/* NULL: there is no room, and it is not limited. */
static struct offender *find(struct str address, bool make)
{
	auto_buf struct buf key = { 0 };
	struct offender *o = table_find(offenders, key_of(address, &key));

	if (o || !make)
		return o;
	if (table_count(offenders) >= ADDRESSES_MOST)
		drop_old();
	if (table_count(offenders) >= ADDRESSES_MOST)
		return NULL;
	o = mem_new(1, sizeof(*o));
	o->last = moment_now();
	table_put(offenders, buf_str(&key), o);
	return o;
}

bool delay_enter(struct str address)
{
	struct offender *o = find(address, true);

	if (!o)
		return true;
	if (o->exchanges == 0 && o->failures > 0 &&
		moment_between(o->last, moment_now()).us >= span_s(FORGET_S).us)
		o->failures = 0;
	if (o->failures > 0 && o->exchanges >= WAITING_MOST)
		return false;
	o->exchanges++;
	return true;
}

void delay_failure(struct str address)
{
	struct offender *o = find(address, false);
	size_t step;

	if (!o)
		return;
	step = o->failures < COUNT(steps) ? o->failures : COUNT(steps) - 1;
	o->failures++;
	o->last = moment_now();
	if (sleepers >= SLEEPERS_MOST || steps[step] == 0)
		return;
	sleepers++;
	if (!io_sleep(span_s(steps[step])))
		io_uncancel();
	sleepers--;
}

void delay_success(struct str address)
{
	struct offender *o = find(address, false);

	if (o)
		o->failures /= 2; /* not 0: an own account is no way out */
}

void delay_leave(struct str address)
{
	auto_buf struct buf key = { 0 };
	struct offender *o = find(address, false);

	if (!o)
		return;
	if (o->exchanges > 0)
		o->exchanges--;
	if (o->exchanges > 0 || o->failures > 0)
		return;
	table_remove(offenders, key_of(address, &key));
	free(o);
}
