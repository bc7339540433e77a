/*
 * master/tickets - the keys of TLS session tickets, which all processes that
 * serve TLS share, so that a session is resumed whichever takes it.
 *
 * A new key is made as often as a ticket grows old; the one before still opens
 * what it made. They are in memory only.
 */
#include "master/state.h"

#include <string.h>
#include <sys/random.h>

#include "tls/tls.h"

enum { KEYS = 2, OFTEN_S = 10, SELDOM_S = 24 * 3600 };

static struct {
	unsigned char octets[KEYS][TLS_TICKET_KEY]; /* newest first */
	size_t count;
	struct moment next; /* key; zeroed: at once */
} keys;

void tickets_give(struct child *child)
{
	struct msg_ticket_keys m = {
		.keys = str_of(keys.octets, keys.count * TLS_TICKET_KEY) };
	char octets[sizeof(keys.octets) + 64];
	struct buf body = { .p = octets, .cap = sizeof(octets),
		.limit = sizeof(octets) };

	if (!child->row || !child->row->program ||
		!(child->row->program->flags & PROGRAM_TICKETS))
		return;
	msg_ticket_keys_format(&body, &m);
	child_send(child, MSG_ticket_keys, buf_str(&body), -1);
	explicit_bzero(octets, sizeof(octets));
}

static bool new_key(void)
{
	unsigned char key[TLS_TICKET_KEY];

	if (getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key))
		return false;
	memmove(keys.octets[1], keys.octets[0],
		(KEYS - 1) * sizeof(keys.octets[0]));
	memcpy(keys.octets[0], key, sizeof(key));
	explicit_bzero(key, sizeof(key));
	if (keys.count < KEYS)
		keys.count++;
	return true;
}

void tickets_tick(void)
{
	struct span lifetime = state.conf->smtpd_tls_session_cache_timeout;

	if (moment_left(keys.next).us > 0)
		return;
	if (lifetime.us <= 0) /* none is used; a process awaits one */
		lifetime = span_s(SELDOM_S);
	else if (lifetime.us < span_s(OFTEN_S).us)
		lifetime = span_s(OFTEN_S);
	keys.next = moment_after(lifetime);
	if (!new_key()) {
		log_warning("no key for TLS session tickets: %m");
		return;
	}
	for (size_t i = 0; i < CHILDREN_MOST; i++)
		if (state.children[i].state == CHILD_STARTING ||
			state.children[i].state == CHILD_READY)
			tickets_give(&state.children[i]);
}

struct moment tickets_next(void)
{
	return keys.next;
}
