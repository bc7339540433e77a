/*
 * verify/pending - probes under way: one for an address, however many ask.
 *
 * Memory   heap; a probe is freed when it is over and nobody holds it
 * Waits    pending_wait
 */
#ifndef VERIFY_PENDING_H
#define VERIFY_PENDING_H

#include "io/fiber.h"
#include "verify/entry.h"

enum {
	PENDING_MOST = 20000, /* more are not begun */
};

struct pending {
	struct str address;
	enum probe_result result; /* PROBE_UNKNOWN until there is one */
	struct str text;
	/* private */
	struct moment until; /* then it is thought to be lost */
	bool is_over;
	size_t holders;
	struct io_event end;
};

struct pendings;

/* life: of a probe that is not heard of. */
struct pendings *pendings_new(size_t most, struct span life);
void pendings_free(struct pendings *pendings);
size_t pendings_count(const struct pendings *pendings);

/* Held for the caller; NULL: none is under way. */
struct pending *pending_find(struct pendings *pendings, struct str address);
/* A new one, held; NULL: there are too many. */
struct pending *pending_begin(struct pendings *pendings, struct str address);
/* Until it is over. False: that takes longer, or the fiber is cancelled. */
must_check bool pending_wait(struct pending *pending, struct span time);
/* Its result, for those who wait; fine if there is none. PROBE_UNKNOWN: there
 * will be none. */
void pending_end(struct pendings *pendings, struct str address,
	enum probe_result result, struct str text);
void pending_release(struct pending *pending);

#endif
