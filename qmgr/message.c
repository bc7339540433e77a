/*
 * qmgr/message - the life of an active message: an attempt for each recipient,
 * then what became of it.
 */
#include "qmgr/qmgr.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "dsn/action.h"

enum {
	REPORT_FAILURE,
	REPORT_DELAY,
	REPORT_SUCCESS,
	REPORT_FINDINGS, /* sendmail -bv and -v */
};

enum {
	BEGIN_MOST = 100,
	KEEP_MOST = 50,
	UNROUTED_MOST = 100,  /* that wait to be begun, and no more come */
	UNKEPT_MOST = 500,    /* that wait to be kept or removed */
	UNKEPT_WHOLE_MOST = 50, /* with all octets that were read of them */
	MANY_ACTIVE = 500,
};

/* Its sender was told that it is late, and is told when it is not any more. */
static bool clears_delay(const struct message *message,
	const struct recipient *recipient)
{
	return qmgr.conf->confirm_delay_cleared && message->stored->warned &&
		(recipient->notify == 0 ||
			(recipient->notify & DSN_NOTIFY_DELAY));
}

/* Its only recipient, nobody wants to hear of it, and it is a file: that goes
 * at once, and needs no mark before. */
static bool goes_at_once(const struct message *message)
{
	const struct stored *stored = message->stored;
	const struct envelope *envelope = &stored->envelope;

	return stored->queue != QUEUE_JOURNAL &&
		envelope->recipient_count == 1 &&
		!(envelope->recipients[0].notify & DSN_NOTIFY_SUCCESS) &&
		!clears_delay(message, &envelope->recipients[0]) &&
		!(envelope->flags & (SUBMIT_TRACE | SUBMIT_VERIFY_ONLY));
}

void message_done(struct message *message, uint32_t recipient)
{
	if (goes_at_once(message)) {
		store_done_unwritten(message->stored, recipient);
		return;
	}
	if (!store_done(&qmgr.store, message->stored, recipient))
		log_warning("%s: mark of a delivery: %m", message->entry->id);
}

void message_result(struct message *message, uint32_t recipient,
	enum attempt state)
{
	struct rcpt *rcpt = &message->rcpts[recipient];
	const struct recipient *r =
		&message->stored->envelope.recipients[recipient];

	if (rcpt->state == RCPT_DONE || rcpt->state == RCPT_DEFERRED ||
		rcpt->state == RCPT_BOUNCED)
		panic("%s: two results for a recipient", message->entry->id);
	rcpt->state = state;
	rcpt->report = state == RCPT_DONE && (clears_delay(message, r) ||
		(rcpt->action != DSN_ACTION_PASSED &&
			(r->notify & DSN_NOTIFY_SUCCESS)));
	rcpt->is_tried = true;
	message->open--;
}

/* ---- those who take a step of a message ---- */

/* What waits for another service or for the disk takes a fiber each, but not
 * more than so many: a burst waits in a list, without stacks and buffers. */
struct crew {
	const char *name;
	size_t most;
	/* False: it took so long that another stood in. */
	bool (*step)(struct message *message);
	/* What else there is to do, and whether; NULL: nothing. */
	bool (*next)(void);
	bool (*has_next)(void);
	size_t waiting_most; /* else whoever brings more waits for news */
	size_t working, waiting;
	struct list turns; /* struct message.turn */
};

/* Those who waited until this crew is not behind any more. */
static void let_others_go_on(const struct crew *crew)
{
	if (crew->waiting != crew->waiting_most / 2)
		return;
	io_event_wake_all(&qmgr.news);
	schedule();
}

static struct message *next_turn(struct crew *crew)
{
	struct list *turn = list_shift(&crew->turns);

	if (!turn)
		return NULL;
	crew->waiting--;
	let_others_go_on(crew);
	return CONTAINER(turn, struct message, turn);
}

static void work(void *context)
{
	struct crew *crew = context;
	struct message *message;

	do {
		while ((message = next_turn(crew)))
			if (!crew->step(message))
				return;
	} while (crew->next && crew->next());
	crew->working--;
}

static void call_up(struct crew *crew)
{
	if (crew->working >= crew->most ||
		(list_is_empty(&crew->turns) &&
			!(crew->has_next && crew->has_next())))
		return;
	crew->working++;
	io_spawn(crew->name, work, crew);
}

static void crew_take(struct crew *crew, struct message *message)
{
	list_append(&crew->turns, &message->turn);
	crew->waiting++;
	call_up(crew);
}

/* One of them has something else to do from now on. */
static void crew_leave(struct crew *crew)
{
	crew->working--;
	call_up(crew);
}

static bool begin(struct message *message);
static bool finish(struct message *message);
static bool defer_next(void);

static struct {
	struct crew beginning, keeping;
} crews;

static struct crew *crew_of(struct crew *crew, const struct crew *as)
{
	if (crew->step)
		return crew;
	*crew = *as;
	list_init(&crew->turns);
	return crew;
}

/* Those who ask rewrite(8). */
static struct crew *beginning(void)
{
	static const struct crew as = { .name = "message", .most = BEGIN_MOST,
		.step = begin, .waiting_most = UNROUTED_MOST };

	return crew_of(&crews.beginning, &as);
}

/* Those who write files. */
static struct crew *keeping(void)
{
	static const struct crew as = { .name = "keep", .most = KEEP_MOST,
		.step = finish, .next = defer_next,
		.has_next = schedule_has_dead, .waiting_most = UNKEPT_MOST };

	return crew_of(&crews.keeping, &as);
}

/* One a turn of the scheduler: none of them may have to wait. */
static bool defer_next(void)
{
	if (!schedule_defer_next())
		return false;
	io_yield();
	return true;
}

void message_defer_later(void)
{
	call_up(keeping());
}

bool message_is_behind(void)
{
	return crews.beginning.waiting >= UNROUTED_MOST ||
		message_many_unkept();
}

bool message_many_unkept(void)
{
	return crews.keeping.waiting >= UNKEPT_MOST;
}

/* The first step of an attempt. */
static bool begin(struct message *message)
{
	route(message);
	message->deliveries--;
	message_check(message);
	schedule();
	shelf_put(message);
	return true;
}

void message_begin(struct message *message)
{
	auto_arena struct arena *arena = arena_new(0);
	const struct stored *stored = message->stored;
	struct str sender = logline_address(arena, stored->envelope.sender);

	message->deliveries++; /* it stays until it is routed */
	qmgr.probes += is_probe(message);
	log_info("%s: from=<%.*s>, size=%ju, nrcpt=%zu (queue active)",
		message->entry->id,
		STR_ARG(sender),
		(uintmax_t)message_content_octets(
			&stored->head, &stored->envelope),
		stored->left);
	crew_take(beginning(), message);
}

static void finish_alone(void *context)
{
	struct message *message = context;

	message->is_alone = true;
	(void)!finish(message);
}

void message_check(struct message *message)
{
	if (message->open > 0 || message->deliveries > 0 ||
		message->is_finishing)
		return;
	message->is_finishing = true;
	/* What is over in its slot waits for nothing. */
	if (message->stored && message->stored->left == 0 &&
		message->stored->queue == QUEUE_JOURNAL) {
		io_spawn("finish", finish_alone, message);
		return;
	}
	if (message->stored && crews.keeping.waiting >= UNKEPT_WHOLE_MOST)
		shelf_shrink(message);
	crew_take(keeping(), message);
}

/* ---- the end of an attempt ---- */

static bool is_bounced(const struct message *message, uint32_t i)
{
	return message->rcpts[i].state == RCPT_BOUNCED;
}

static bool is_deferred(const struct message *message, uint32_t i)
{
	return message->rcpts[i].state == RCPT_DEFERRED;
}

static bool wants_success(const struct message *message, uint32_t i)
{
	return message->rcpts[i].report;
}

static bool has_any(const struct message *message,
	bool (*is)(const struct message *message, uint32_t recipient))
{
	for (uint32_t i = 0; i < message->stored->envelope.recipient_count; i++)
		if (is(message, i))
			return true;
	return false;
}

/* The sender was told: these need nothing more. */
static void end_all(struct message *message,
	bool (*is)(const struct message *message, uint32_t recipient))
{
	for (uint32_t i = 0; i < message->stored->envelope.recipient_count; i++)
		if (is(message, i)) {
			message_done(message, i);
			message->rcpts[i].state = RCPT_DONE;
		}
}

/* Who is told may take its time: those who wait to be kept do not wait for
 * it. */
static void leave_others(struct message *message)
{
	if (message->is_alone)
		return;
	message->is_alone = true;
	crew_leave(keeping());
}

static bool tell(struct message *message, unsigned kind,
	bool (*is)(const struct message *message, uint32_t recipient))
{
	leave_others(message);
	return report_send(message, kind, is);
}

static void report_failures(struct message *message)
{
	if (!has_any(message, is_bounced))
		return;
	if (tell(message, REPORT_FAILURE, is_bounced)) {
		end_all(message, is_bounced);
		return;
	}
	for (uint32_t i = 0; i < message->stored->envelope.recipient_count; i++)
		if (is_bounced(message, i))
			message->rcpts[i].state = RCPT_DEFERRED;
}

static int64_t age_us(const struct message *message)
{
	return wall_us() - (int64_t)message->stored->envelope.arrival_us;
}

static struct span lifetime(const struct message *message)
{
	return message->stored->envelope.sender.len
		? qmgr.conf->maximal_queue_lifetime
		: qmgr.conf->bounce_queue_lifetime;
}

static void expire(struct message *message)
{
	bool is_forced = message->stored->expire || message->entry->expire;

	if (!has_any(message, is_deferred) ||
		(!is_forced && age_us(message) < lifetime(message).us))
		return;
	log_info("%s: from=<%.*s>, status=%s, returned to sender",
		message->entry->id,
		STR_ARG(logline_address(message->arena,
			message->stored->envelope.sender)),
		is_forced ? "force-expired" : "expired");
	if (tell(message, REPORT_FAILURE, is_deferred))
		end_all(message, is_deferred);
}

static void warn_of_delay(struct message *message)
{
	int64_t after = qmgr.conf->delay_warning_time.us;

	if (after <= 0 || message->stored->warned ||
		message->stored->envelope.sender.len == 0 ||
		age_us(message) < after || !has_any(message, is_deferred))
		return;
	message->stored->warned =
		tell(message, REPORT_DELAY, is_deferred);
}

static void report_successes(struct message *message)
{
	if (has_any(message, wants_success))
		(void)!tell(message, REPORT_SUCCESS, wants_success);
}

static bool is_tried(const struct message *message, uint32_t i)
{
	return message->rcpts[i].is_tried;
}

static bool is_tried_in_vain(const struct message *message, uint32_t i)
{
	return message->rcpts[i].is_tried &&
		message->rcpts[i].state != RCPT_DONE;
}

static bool has_flag(const struct message *message, uint64_t flag)
{
	return (message->stored->envelope.flags & flag) != 0;
}

/* verify(8) hears of it, or asks again: it is over now. */
static void report_to_verify(struct message *message)
{
	leave_others(message);
	findings_send(message, is_tried);
	end_all(message, is_tried);
}

/* sendmail -bv: what was found is told once, and that is all. */
static void report_probe(struct message *message)
{
	if (!has_any(message, is_tried))
		return;
	if (is_probe(message))
		report_to_verify(message);
	else if (tell(message, REPORT_FINDINGS, is_tried))
		end_all(message, is_tried_in_vain);
}

/* sendmail -v: what became of the first attempt, whatever follows. */
static void report_attempt(struct message *message)
{
	if (has_flag(message, SUBMIT_TRACE) &&
		message->stored->attempts == 0 && has_any(message, is_tried))
		(void)!tell(message, REPORT_FINDINGS, is_tried);
}

static void report_all(struct message *message)
{
	if (has_flag(message, SUBMIT_VERIFY_ONLY)) {
		report_probe(message);
		return;
	}
	report_attempt(message);
	report_failures(message);
	if (message->stop == STOP_NOT || message->stop == STOP_EXPIRE)
		expire(message);
	report_successes(message);
	warn_of_delay(message);
}

/* ---- and then ---- */

/* Of many that were active few are left. What they took lies between what is
 * still in use, where the heap does not give it back by itself; and many fibers
 * have ended with them. */
static void give_memory_back(void)
{
	if (qmgr.most_active >= MANY_ACTIVE &&
		qmgr.active <= qmgr.most_active / 4)
		qmgr.most_active = qmgr.active;
	else if (qmgr.active > 0 || !qmgr.has_spare)
		return;
	qmgr.has_spare = qmgr.active > 0;
	io_cool();
}

/* Not active any more. */
static void release(struct message *message)
{
	struct entry *entry = message->entry;

	entry->active = NULL;
	qmgr.active--;
	qmgr.probes -= is_probe(message);
	io_event_wake_all(&qmgr.ended);
	io_event_wake_all(&qmgr.news);
	shelf_free(message);
	give_memory_back();
}

static void remove_message(struct message *message)
{
	struct entry *entry = message->entry;

	if (!store_over(&qmgr.store, message->stored,
		    message->stop == STOP_DELETE)) {
		log_warning("%s: cannot be removed: %m", entry->id);
		if (goes_at_once(message) && message->stored->left == 0 &&
			!store_done(&qmgr.store, message->stored, 0))
			log_warning("%s: mark of a delivery: %m", entry->id);
		entry_set_queue(entry, message->stored->queue);
		digest_drop(entry); /* more is done than it says */
		entry_defer(entry, wall_us() + 10 * 1000000);
		release(message);
		return;
	}
	log_info("%s: removed", entry->id);
	entry_over(entry);
	release(message);
	if (entry->queue != QUEUE_JOURNAL)
		entry_free(entry);
	/* One in a slot is remembered until the slot is free. */
}

static int64_t backoff_us(const struct message *message)
{
	int64_t wait = age_us(message);

	if (wait < qmgr.conf->minimal_backoff_time.us)
		wait = qmgr.conf->minimal_backoff_time.us;
	if (wait > qmgr.conf->maximal_backoff_time.us)
		wait = qmgr.conf->maximal_backoff_time.us;
	return wait;
}

static void keep_message(struct message *message, enum queue_name queue)
{
	struct entry *entry = message->entry;
	struct stored *stored = message->stored;

	if (queue == QUEUE_DEFERRED && message->stop != STOP_EXPIRE)
		stored->next_us = wall_us() + backoff_us(message);
	stored->attempts++;
	stored->expire |= entry->expire;
	if (!store_keep(&qmgr.store, stored, queue)) {
		log_warning("%s: cannot be kept in %s: %m", entry->id,
			queue_name_text(queue));
		queue = stored->queue;
		stored->next_us = wall_us() +
			qmgr.conf->minimal_backoff_time.us;
	}
	entry_set_queue(entry, stored->queue);
	entry->again = true;
	if (entry->queue != QUEUE_HOLD)
		entry_defer(entry, stored->next_us);
	entry->active = NULL;
	digest_put(entry, stored);
	release(message);
}

/* It was stopped on the shelf, and cannot be read: nothing has happened. */
static void leave(struct message *message, enum store_result result)
{
	struct entry *entry = message->entry;
	int error = errno;

	release(message);
	errno = error;
	activate_failed(entry, result);
}

static bool finish(struct message *message)
{
	enum store_result result = shelf_fetch(message, message->open);
	bool is_alone;

	if (result != STORE_FOUND) {
		leave(message, result);
		return true;
	}
	report_all(message);
	is_alone = message->is_alone;
	if (message->stored->left == 0 || message->stop == STOP_DELETE)
		remove_message(message);
	else
		keep_message(message, message->stop == STOP_HOLD
			? QUEUE_HOLD : QUEUE_DEFERRED);
	return !is_alone;
}

bool message_stop(struct message *message, enum stop stop)
{
	struct entry *entry = message->entry;
	uint64_t serial = entry->serial.key;

	if (message->stop == STOP_NOT)
		message->stop = stop;
	schedule_withdraw(message);
	message_check(message);
	while ((entry = entry_find(serial)) && entry->active == message)
		if (!io_event_wait(&qmgr.ended, SPAN_FOREVER))
			return false;
	return true;
}
