/*
 * qmgr/schedule - which recipients go next, and how many at once.
 *
 * A destination is a transport and a nexthop (for transports that take one
 * recipient at a time, also the recipient). Its jobs take turns, so that a
 * message to thousands does not hold up the others; destinations of a
 * transport take turns too. How many deliveries a destination gets at once is
 * learned: successes widen its window, unreachable ones narrow it, until it
 * counts as dead and its mail is deferred unseen for minimal_backoff_time.
 */
#include "qmgr/qmgr.h"

#include <stdlib.h>

#include "base/log.h"

enum { CLOG_PART = 5 }; /* of the active queue: the share worth a warning */

/* How much one success or failure counts, as a function of concurrency. */
struct feedback {
	double factor;
	enum { FEEDBACK_FIXED, FEEDBACK_INVERSE, FEEDBACK_SQRT } by;
};

struct transport {
	struct list link; /* in scheduler.transports */
	char name[128];
	struct table *dests; /* by nexthop, and recipient if one at a time */
	struct list ready;   /* struct dest.link: may start a delivery */
	size_t busy;
	int64_t limit;       /* deliveries at once */
	int64_t recipients_most, window_most, window_first;
	int64_t cohorts_most;
	struct feedback positive, negative;
	struct span rate_delay;      /* of each destination */
	struct span pause;           /* between any two deliveries */
	struct moment not_before;    /* likewise */
	struct moment dead_until; /* us 0: alive */
	struct str why;
	struct arena *arena; /* of why */
};

struct dest {
	struct list link; /* in transport->ready, or in no list */
	struct transport *transport;
	struct arena *arena;
	struct str key, nexthop;
	struct list jobs; /* struct job.of_dest, with recipients to start */
	size_t waiting;   /* jobs, those too that are to be deferred */
	size_t busy;
	struct moment clog_told;
	int64_t window;
	double success, failure, fail_cohorts;
	struct moment dead_until; /* us 0: alive */
	struct moment not_before; /* rate delay */
	struct str why;
};

static struct {
	bool is_made;
	struct list transports;
	struct table *by_name;
	struct blocks jobs;
	struct list dead; /* struct job.of_dest: to be deferred */
} scheduler;

/* ---- transports ---- */

static struct feedback parse_feedback(struct str text, const char *what)
{
	struct feedback feedback = { 1, FEEDBACK_FIXED };
	struct str number = str_take_until(&text, '/');
	char digits[32] = "";
	char *end;

	number = str_trim(number);
	if (number.len < sizeof(digits))
		memcpy(digits, number.p ? number.p : "", number.len);
	feedback.factor = strtod(digits, &end);
	text = str_trim(text);
	if (text.len == 0)
		feedback.by = FEEDBACK_FIXED;
	else if (str_is(text, "concurrency"))
		feedback.by = FEEDBACK_INVERSE;
	else if (str_is(text, "sqrt_concurrency"))
		feedback.by = FEEDBACK_SQRT;
	else
		end = digits;
	if (end != digits && *end == '\0' && feedback.factor > 0 &&
		feedback.factor <= 1)
		return feedback;
	log_warning("%s: bad value, 1 is used", what);
	return (struct feedback){ 1, FEEDBACK_FIXED };
}

static double square_root(double x)
{
	double root = x > 1 ? x : 1;

	for (int i = 0; i < 40; i++)
		root = (root + x / root) / 2;
	return root;
}

static double feedback_of(const struct feedback *feedback, int64_t window)
{
	double c = window > 0 ? (double)window : 1;

	switch (feedback->by) {
	case FEEDBACK_INVERSE:
		return feedback->factor / c;
	case FEEDBACK_SQRT:
		return feedback->factor / square_root(c);
	case FEEDBACK_FIXED:
		break;
	}
	return feedback->factor;
}

static int64_t at_least(int64_t value, int64_t least)
{
	return value < least ? least : value;
}

static struct transport *new_transport(struct str name)
{
	struct transport *t = mem_new(1, sizeof(*t));
	const struct conf *conf = qmgr.conf;
	struct str cut = str_first(name, sizeof(t->name) - 1);

	memcpy(t->name, cut.p, cut.len);
	t->dests = table_new_nocase();
	t->arena = arena_new_small(0);
	list_init(&t->ready);
	t->limit = at_least(conf->default_process_limit, 1);
	t->recipients_most = conf_transport_int(conf, name,
		"destination_recipient_limit");
	t->window_most = conf_transport_int(conf, name,
		"destination_concurrency_limit");
	t->window_first = at_least(conf_transport_int(conf, name,
		"initial_destination_concurrency"), 1);
	t->cohorts_most = conf_transport_int(conf, name,
		"destination_concurrency_failed_cohort_limit");
	t->rate_delay = conf_transport_span(conf, name,
		"destination_rate_delay");
	t->pause = conf_transport_span(conf, name, "transport_rate_delay");
	if (t->rate_delay.us > 0)
		t->window_most = 1;
	t->positive = parse_feedback(conf_transport_text(conf, name,
		"destination_concurrency_positive_feedback"),
		"default_destination_concurrency_positive_feedback");
	t->negative = parse_feedback(conf_transport_text(conf, name,
		"destination_concurrency_negative_feedback"),
		"default_destination_concurrency_negative_feedback");
	if (t->window_most > 0 && t->window_first > t->window_most)
		t->window_first = t->window_most;
	list_append(&scheduler.transports, &t->link);
	table_put(scheduler.by_name, str_from(t->name), t);
	return t;
}

static struct transport *find_transport(struct str name)
{
	struct transport *t;

	if (!scheduler.is_made) {
		list_init(&scheduler.transports);
		list_init(&scheduler.dead);
		scheduler.by_name = table_new();
		blocks_init(&scheduler.jobs, sizeof(struct job));
		scheduler.is_made = true;
	}
	t = table_find(scheduler.by_name, name);
	return t ? t : new_transport(name);
}

/* Is the time over for which it was dead? */
static bool is_dead(struct moment *until)
{
	if (until->us == 0)
		return false;
	if (moment_left(*until).us > 0)
		return true;
	until->us = 0;
	return false;
}

/* ---- destinations ---- */

struct str schedule_transport(struct str name)
{
	return str_from(find_transport(name)->name);
}

struct str dest_transport(const struct dest *dest)
{
	return str_from(dest->transport->name);
}

struct str dest_nexthop(const struct dest *dest)
{
	return dest->nexthop;
}

bool dest_has_more(const struct dest *dest)
{
	return !list_is_empty(&dest->jobs);
}

static struct dest *find_dest(struct transport *t, const struct rcpt *rcpt)
{
	auto_arena struct arena *arena = arena_new(0);
	struct str key = t->recipients_most == 1
		? arena_fmt(arena, "%.*s\n%.*s", STR_ARG(rcpt->nexthop),
			  STR_ARG(rcpt->address))
		: rcpt->nexthop;
	struct dest *dest = table_find(t->dests, key);

	if (dest)
		return dest;
	dest = mem_new(1, sizeof(*dest));
	dest->arena = arena_new_small(0);
	dest->transport = t;
	dest->key = arena_copy(dest->arena, key);
	dest->nexthop = arena_copy(dest->arena, rcpt->nexthop);
	dest->window = t->window_first;
	list_init(&dest->jobs);
	table_put(t->dests, key, dest);
	return dest;
}

static void free_if_idle(struct dest *dest)
{
	if (dest->busy > 0 || dest->waiting > 0 ||
		is_dead(&dest->dead_until) ||
		moment_left(dest->not_before).us > 0)
		return;
	list_remove(&dest->link);
	table_remove(dest->transport->dests, dest->key);
	arena_free(dest->arena);
	free(dest);
}

static bool may_start(struct dest *dest)
{
	return !list_is_empty(&dest->jobs) &&
		(int64_t)dest->busy < dest->window &&
		moment_left(dest->not_before).us == 0;
}

static void note_ready(struct dest *dest)
{
	if (may_start(dest) && !list_is_linked(&dest->link))
		list_append(&dest->transport->ready, &dest->link);
	else if (!may_start(dest))
		list_remove(&dest->link);
}

/* ---- jobs ---- */

static uint32_t *recipients_of(struct job *job)
{
	return job->count > COUNT(job->few) ? job->many : job->few;
}

static void free_job(struct job *job)
{
	job->dest->waiting--;
	list_remove(&job->of_message);
	list_remove(&job->of_dest);
	if (job->count > COUNT(job->few))
		free(job->many);
	blocks_free(&scheduler.jobs, job);
}

static struct job *find_job(struct message *message, struct dest *dest)
{
	struct job *job;

	list_each(at, &message->jobs) {
		job = CONTAINER(at, struct job, of_message);
		if (job->dest == dest)
			return job;
	}
	job = blocks_new(&scheduler.jobs);
	job->message = message;
	job->dest = dest;
	list_append(&message->jobs, &job->of_message);
	list_append(&dest->jobs, &job->of_dest);
	dest->waiting++;
	return job;
}

static void add_to_job(struct job *job, uint32_t recipient)
{
	_Static_assert((COUNT(job->few) & (COUNT(job->few) - 1)) == 0,
		"room grows when the count is a power of two");
	uint32_t count = job->count;
	uint32_t *from = recipients_of(job);

	if (count >= COUNT(job->few) && (count & (count - 1)) == 0) {
		uint32_t *many = mem_new(2 * (size_t)count, sizeof(*many));

		memcpy(many, from, count * sizeof(*many));
		if (from != job->few)
			free(from);
		job->many = from = many;
	}
	from[count] = recipient;
	job->count++;
}

/* One destination has so much of the active queue that others will wait. */
static void warn_of_clog(struct dest *dest)
{
	const struct conf *conf = qmgr.conf;
	int64_t most = conf->qmgr_message_active_limit;
	int64_t load = (int64_t)(dest->waiting + dest->busy);

	if (!conf->helpful_warnings || conf->qmgr_clog_warn_time.us <= 0 ||
		most <= 0 || load <= most / CLOG_PART ||
		moment_left(dest->clog_told).us > 0)
		return;
	dest->clog_told = moment_after(conf->qmgr_clog_warn_time);
	log_warning("mail for %.*s is using up %lld of %lld active queue "
		"entries", STR_ARG(dest->nexthop), (long long)load,
		(long long)most);
	log_warning("this may slow down other mail: see whether that "
		"destination answers, or give %s more deliveries at once "
		"(maxproc in master.cf, %s_destination_concurrency_limit)",
		dest->transport->name, dest->transport->name);
	log_warning("qmgr_clog_warn_time = 0 turns these warnings off");
}

static void defer(struct message *message, uint32_t recipient,
	int subject, int detail, struct str why)
{
	struct reason *reason = &message->stored->reasons[recipient];

	*reason = (struct reason){ .wall_us = wall_us(),
		.status = status_f(message->arena, 450, subject, detail,
			"delivery temporarily suspended: %.*s", STR_ARG(why)) };
	logline(message, recipient, "deferred");
	message_result(message, recipient, RCPT_DEFERRED);
}

void schedule_add(struct message *message, uint32_t recipient)
{
	struct rcpt *rcpt = &message->rcpts[recipient];
	struct transport *t = find_transport(rcpt->transport);
	struct dest *dest = find_dest(t, rcpt);
	struct job *job;

	if (is_dead(&t->dead_until)) {
		defer(message, recipient, 3, 0, t->why);
		free_if_idle(dest);
		return;
	}
	if (is_dead(&dest->dead_until)) {
		defer(message, recipient, 4, 1, dest->why);
		return;
	}
	if (dest->window == 0)
		dest->window = 1; /* one will find out */
	job = find_job(message, dest);
	add_to_job(job, recipient);
	rcpt->state = RCPT_QUEUED;
	note_ready(dest);
	warn_of_clog(dest);
}

void schedule_withdraw(struct message *message)
{
	list_each(at, &message->jobs) {
		struct job *job = CONTAINER(at, struct job, of_message);
		struct dest *dest = job->dest;

		for (size_t i = job->next; i < job->count; i++) {
			if (message->rcpts)
				message->rcpts[recipients_of(job)[i]].state =
					RCPT_IDLE;
			message->open--;
		}
		free_job(job);
		note_ready(dest);
		free_if_idle(dest);
	}
}

/* ---- starting ---- */

/* The next of a job's recipients, and no job when it has no more of them. */
static struct dispatch *new_dispatch(struct job *job, uint32_t most)
{
	struct dispatch *dispatch = mem_new(1, sizeof(*dispatch));

	dispatch->message = job->message;
	dispatch->dest = job->dest;
	dispatch->count = most;
	dispatch->recipients = mem_new(most, sizeof(uint32_t));
	memcpy(dispatch->recipients, recipients_of(job) + job->next,
		most * sizeof(uint32_t));
	job->next = (job->next + most) & INT32_MAX;
	dispatch->message->deliveries++;
	if (job->next == job->count)
		free_job(job);
	return dispatch;
}

static void start_one(struct dest *dest)
{
	struct job *job = CONTAINER(list_shift(&dest->jobs), struct job,
		of_dest);
	uint32_t most = job->count - job->next;
	int64_t limit = dest->transport->recipients_most;
	struct dispatch *dispatch;

	if (limit > 0 && (int64_t)most > limit)
		most = (uint32_t)limit;
	if (job->message->is_singly)
		most = 1;
	if (job->next + most < job->count)
		list_append(&dest->jobs, &job->of_dest); /* its turn is over */
	dispatch = new_dispatch(job, most);
	if (dispatch->message->stored)
		dispatch_take_up(dispatch);
	dest->busy++;
	dest->transport->busy++;
	deliver_start(dispatch);
}

void dispatch_take_up(const struct dispatch *dispatch)
{
	struct message *message = dispatch->message;

	for (size_t i = 0; i < dispatch->count; i++) {
		uint32_t at = dispatch->recipients[i];

		if (str_is_none(message->rcpts[at].transport))
			route_again(message, at,
				dest_transport(dispatch->dest),
				dispatch->dest->nexthop);
		message->rcpts[at].state = RCPT_BUSY;
	}
}

void schedule_restore(struct message *message)
{
	list_each(link, &message->jobs) {
		struct job *job = CONTAINER(link, struct job, of_message);

		for (uint32_t i = job->next; i < job->count; i++) {
			uint32_t at = recipients_of(job)[i];

			route_again(message, at, dest_transport(job->dest),
				job->dest->nexthop);
			message->rcpts[at].state = RCPT_QUEUED;
		}
	}
}

/* Before an agent of this kind was called, as many as there may be
 * processes. */
static int64_t limit_of(const struct transport *t)
{
	uint64_t most = service_at_once(str_from(t->name));

	if (t->pause.us > 0)
		return 1;
	return most > 0 && most < INT64_MAX ? (int64_t)most : t->limit;
}

static void run_transport(struct transport *t)
{
	int64_t limit = limit_of(t);
	struct list *link;

	if (is_dead(&t->dead_until) || moment_left(t->not_before).us > 0)
		return;
	while ((int64_t)t->busy < limit && (link = list_shift(&t->ready))) {
		struct dest *dest = CONTAINER(link, struct dest, link);

		if (!may_start(dest))
			continue;
		start_one(dest);
		note_ready(dest);
	}
}

void schedule(void)
{
	if (!scheduler.is_made || service_is_retiring() ||
		message_many_unkept())
		return;
	list_each(at, &scheduler.transports)
		run_transport(CONTAINER(at, struct transport, link));
}

/* ---- what was learned ---- */

/* Mail that waits for something dead: it may be much, and each message has to
 * be read for it. Those who keep it then take it one by one. */
static void give_up(struct dest *dest, bool is_sick)
{
	struct list *link;

	while ((link = list_shift(&dest->jobs))) {
		CONTAINER(link, struct job, of_dest)->is_sick = is_sick;
		list_append(&scheduler.dead, link);
	}
	note_ready(dest);
	message_defer_later();
}

bool schedule_has_dead(void)
{
	return scheduler.is_made && !list_is_empty(&scheduler.dead);
}

static void defer_all(const struct dispatch *dispatch, bool is_sick)
{
	const struct dest *dest = dispatch->dest;

	for (size_t i = 0; i < dispatch->count; i++)
		if (is_sick)
			defer(dispatch->message, dispatch->recipients[i], 3, 0,
				dest->transport->why);
		else
			defer(dispatch->message, dispatch->recipients[i], 4, 1,
				dest->why);
}

bool schedule_defer_next(void)
{
	struct list *link =
		schedule_has_dead() ? list_shift(&scheduler.dead) : NULL;
	struct job *job;
	struct dispatch *dispatch;
	struct message *message;
	bool is_sick;

	if (!link)
		return false;
	job = CONTAINER(link, struct job, of_dest);
	message = job->message;
	is_sick = job->is_sick;
	job->dest->waiting++; /* it stays for what it says */
	dispatch = new_dispatch(job, job->count - job->next);
	if (shelf_fetch(message, dispatch->count) == STORE_FOUND)
		defer_all(dispatch, is_sick);
	else
		message->open -= (uint32_t)dispatch->count; /* as it is */
	dispatch->dest->waiting--;
	free_if_idle(dispatch->dest);
	free(dispatch->recipients);
	free(dispatch);
	message->deliveries--;
	message_check(message);
	return true;
}

/* destination_concurrency_feedback_debug */
static void log_feedback(const struct dest *dest, const char *what)
{
	if (qmgr.conf->destination_concurrency_feedback_debug)
		log_info("%s feedback for %s:%.*s: concurrency=%lld busy=%zu "
			"success=%.3f failure=%.3f fail_cohorts=%.3f", what,
			dest->transport->name, STR_ARG(dest->nexthop),
			(long long)dest->window, dest->busy, dest->success,
			dest->failure, dest->fail_cohorts);
}

static void widen(struct dest *dest)
{
	const struct transport *t = dest->transport;

	dest->fail_cohorts = 0;
	dest->dead_until.us = 0;
	if (dest->window >= (int64_t)dest->busy + t->window_first)
		return;
	dest->success += feedback_of(&t->positive, dest->window);
	while (dest->success >= 1) {
		dest->window++;
		dest->success -= 1;
		dest->failure = 0;
	}
	if (t->window_most > 0 && dest->window > t->window_most)
		dest->window = t->window_most;
}

static void succeed(struct dest *dest)
{
	widen(dest);
	log_feedback(dest, "positive");
}

static void fail(struct dest *dest, struct str why)
{
	const struct transport *t = dest->transport;
	double c = dest->window > 0 ? (double)dest->window : 1;

	dest->fail_cohorts += 1 / c;
	if (dest->window > 1) {
		dest->failure -= feedback_of(&t->negative, dest->window);
		while (dest->failure < 0) {
			dest->window--;
			dest->failure += 1;
			dest->success = 0;
		}
		if (dest->window < 1)
			dest->window = 1;
	}
	log_feedback(dest, "negative");
	if (t->cohorts_most <= 0 || dest->fail_cohorts < (double)t->cohorts_most)
		return;
	dest->fail_cohorts = 0;
	dest->window = t->window_first;
	dest->why = arena_copy(dest->arena, why);
	dest->dead_until = moment_after(qmgr.conf->minimal_backoff_time);
	give_up(dest, false);
}

static void sicken(struct transport *t, struct str why)
{
	arena_reset(t->arena);
	t->why = arena_copy(t->arena, why);
	t->dead_until = moment_after(qmgr.conf->transport_retry_time);
	for (struct table_walk w = { 0 }; table_next(t->dests, &w);)
		give_up(w.value, true);
}

static void wait_rate(void *context)
{
	struct transport *t = context;

	(void)!io_sleep(t->rate_delay);
	for (struct table_walk w = { 0 }; table_next(t->dests, &w);) {
		struct dest *dest = w.value;

		note_ready(dest);
		free_if_idle(dest);
	}
	schedule();
}

static void wait_pause(void *context)
{
	struct transport *t = context;

	(void)!io_sleep(t->pause);
	schedule();
}

void schedule_ended(struct dispatch *dispatch, unsigned site, struct str why)
{
	struct dest *dest = dispatch->dest;
	struct transport *t = dest->transport;

	dest->busy--;
	t->busy--;
	switch (site) {
	case 0:
		succeed(dest);
		break;
	case 1:
		fail(dest, why);
		break;
	case SITE_UNKNOWN:
		break;
	default:
		sicken(t, why);
		break;
	}
	if (t->rate_delay.us > 0) {
		dest->not_before = moment_after(t->rate_delay);
		io_spawn("rate delay", wait_rate, t);
	}
	if (t->pause.us > 0) {
		t->not_before = moment_after(t->pause);
		io_spawn("transport rate delay", wait_pause, t);
	}
	note_ready(dest);
	free_if_idle(dest);
}

void schedule_revive(void)
{
	if (!scheduler.is_made)
		return;
	list_each(at, &scheduler.transports) {
		struct transport *t = CONTAINER(at, struct transport, link);

		t->dead_until.us = 0;
		for (struct table_walk w = { 0 }; table_next(t->dests, &w);) {
			struct dest *dest = w.value;

			dest->dead_until.us = 0;
			free_if_idle(dest);
		}
	}
}
