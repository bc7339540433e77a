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

static void finish(void *context);

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

/* The first step of an attempt, in a fiber of its own. */
static void begin(void *context)
{
	struct message *message = context;

	route(message);
	message->deliveries--;
	message_check(message);
	schedule();
}

void message_begin(struct message *message)
{
	const struct stored *stored = message->stored;
	struct str sender = logline_address(message->arena,
		stored->envelope.sender);

	message->deliveries++; /* it stays until it is routed */
	log_info("%s: from=<%.*s>, size=%ju, nrcpt=%zu (queue active)",
		message->entry->id,
		STR_ARG(sender),
		(uintmax_t)message_content_octets(
			&stored->head, &stored->envelope),
		stored->left);
	io_spawn("message", begin, message);
}

void message_check(struct message *message)
{
	if (message->open > 0 || message->deliveries > 0 ||
		message->is_finishing)
		return;
	message->is_finishing = true;
	io_spawn("finish", finish, message);
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

static void report_failures(struct message *message)
{
	if (!has_any(message, is_bounced))
		return;
	if (report_send(message, REPORT_FAILURE, is_bounced)) {
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
	if (report_send(message, REPORT_FAILURE, is_deferred))
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
		report_send(message, REPORT_DELAY, is_deferred);
}

static void report_successes(struct message *message)
{
	if (has_any(message, wants_success))
		(void)!report_send(message, REPORT_SUCCESS, wants_success);
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

/* sendmail -bv: what was found is told once, and that is all. */
static void report_probe(struct message *message)
{
	if (has_any(message, is_tried) &&
		report_send(message, REPORT_FINDINGS, is_tried))
		end_all(message, is_tried_in_vain);
}

/* sendmail -v: what became of the first attempt, whatever follows. */
static void report_attempt(struct message *message)
{
	if (has_flag(message, SUBMIT_TRACE) &&
		message->stored->attempts == 0 && has_any(message, is_tried))
		(void)!report_send(message, REPORT_FINDINGS, is_tried);
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

/* Not active any more. */
static void release(struct message *message)
{
	struct entry *entry = message->entry;

	entry->active = NULL;
	qmgr.active--;
	io_event_wake_all(&message->ended);
	io_event_wake_all(&qmgr.news);
	arena_free(message->arena);
	free(message);
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

static void finish(void *context)
{
	struct message *message = context;

	report_all(message);
	if (message->stored->left == 0 || message->stop == STOP_DELETE)
		remove_message(message);
	else
		keep_message(message, message->stop == STOP_HOLD
			? QUEUE_HOLD : QUEUE_DEFERRED);
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
		if (!io_event_wait(&message->ended, SPAN_FOREVER))
			return false;
	return true;
}
