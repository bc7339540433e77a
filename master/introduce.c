#include "master/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WAIT_S = 60, SOCKET_BUFFER = 1024 * 1024 };

static void answer(struct child *to, struct msg_introduced *m, int fd)
{
	char octets[512];
	struct buf body = { .p = octets, .cap = sizeof(octets),
		.limit = sizeof(octets) };

	m->socket = fd;
	msg_introduced_format(&body, m);
	if (!body.failed)
		child_send(to, MSG_introduced, buf_str(&body), fd);
}

static void refuse(struct child *asker, struct str service, int status)
{
	struct msg_introduced m = { .service = service, .caller = true,
		.status = (uint64_t)status };

	answer(asker, &m, -1);
}

static bool make_pair(int pair[2])
{
	const int size = SOCKET_BUFFER;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		    0, pair) < 0)
		return false;
	for (int i = 0; i < 2; i++)
		setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return true;
}

/* Both get an end; each is told who the other is. */
static void introduce(struct child *asker, struct child *callee,
	const struct row *row)
{
	struct msg_introduced m = { .service = str_from(asker->program),
		.pid = (uint64_t)asker->pid };
	auto_close int one = -1, other = -1;
	int pair[2];

	if (!make_pair(pair)) {
		refuse(asker, str_from(row->name), EAGAIN);
		return;
	}
	one = pair[0];
	other = pair[1];
	answer(callee, &m, one);
	m = (struct msg_introduced){ .service = str_from(row->name),
		.caller = true, .pid = (uint64_t)callee->pid,
		.most = callee->most,
		.processes = row->worthwhile,
		.at_once = row->at_once };
	answer(asker, &m, other);
}

static bool has(const int *have, size_t count, int pid)
{
	for (size_t i = 0; i < count; i++)
		if (have[i] == pid)
			return true;
	return false;
}

/* The ready process with the least work that the asker has not; NULL: none.
 * *coming: one is starting. */
static struct child *choose(const struct row *row, const int *have,
	size_t have_count, bool *coming)
{
	struct child *best = NULL;
	uint64_t least = UINT64_MAX;

	*coming = false;
	for (size_t i = 0; i < CHILDREN_MOST; i++) {
		struct child *c = &state.children[i];
		uint64_t work;

		if (c->row != row || c->is_probe)
			continue;
		if (c->state == CHILD_STARTING)
			*coming = true;
		if (c->state != CHILD_READY || has(have, have_count, c->pid))
			continue;
		work = ((uint64_t)c->load->clients + c->load->calls) * 1000000 +
			c->load->total % 1000000;
		if (c->wants_successor)
			work += UINT64_MAX / 2;
		if (work < least) {
			least = work;
			best = c;
		}
	}
	return best;
}

/* Who asks again is not in the list twice. */
static bool wait_for(struct child *asker, struct row *row, const int *have,
	size_t have_count)
{
	for (size_t i = 0; i < WAITING_MOST; i++)
		if (state.waiting[i].asker == asker &&
			state.waiting[i].row == row)
			return true;
	for (size_t i = 0; i < WAITING_MOST; i++) {
		struct waiting *w = &state.waiting[i];

		if (w->asker)
			continue;
		*w = (struct waiting){ .asker = asker, .row = row,
			.until = moment_after(span_s(WAIT_S)),
			.have_count = have_count };
		snprintf(w->service, sizeof(w->service), "%s", row->name);
		memcpy(w->have, have, have_count * sizeof(*have));
		return true;
	}
	return false;
}

static size_t read_have(const struct msg_introduce *m, int *have)
{
	struct msg_list list = m->have;
	struct str item;
	size_t count = 0;
	uint64_t pid;

	while (count < HAVE_MOST && msg_list_take(&list, &item))
		if (str_parse_u64(item, INT32_MAX, &pid))
			have[count++] = (int)pid;
	return count;
}

/* Of some there is one at a time: its successor will come. */
static bool is_sure_to_come(const struct row *row)
{
	return row->path && row->program &&
		(row->program->flags & PROGRAM_SOLE) &&
		state.stage <= STAGE_RUNNING &&
		moment_left(row->throttled_until).us == 0;
}

void introduce_ask(struct child *asker, const struct msg_introduce *m)
{
	struct row *row = row_find(m->service);
	int have[HAVE_MOST];
	size_t have_count = read_have(m, have);
	struct child *callee;
	bool coming;

	if (!row) {
		refuse(asker, m->service, ENOENT);
		return;
	}
	if (!program_may_call(str_from(asker->program),
		    str_from(row->command))) {
		log_warning("%s may not call %s (service %s)", asker->program,
			row->command, row->name);
		refuse(asker, m->service, EACCES);
		return;
	}
	callee = choose(row, have, have_count, &coming);
	if (callee) {
		introduce(asker, callee, row);
		return;
	}
	coming = state.stage < STAGE_ROOMS &&
		(coming || (!have_count && is_sure_to_come(row)));
	if (!child_start(row) && !coming) {
		refuse(asker, m->service, have_count ? EBUSY : EAGAIN);
		return;
	}
	if (!wait_for(asker, row, have, have_count))
		refuse(asker, m->service, EAGAIN);
}

void introduce_ready(struct row *row)
{
	for (size_t i = 0; i < WAITING_MOST; i++) {
		struct waiting *w = &state.waiting[i];
		struct child *callee;
		bool coming;

		if (!w->asker || w->row != row)
			continue;
		callee = choose(row, w->have, w->have_count, &coming);
		if (!callee)
			continue;
		introduce(w->asker, callee, row);
		w->asker = NULL;
	}
}

static void give_up(struct waiting *w)
{
	refuse(w->asker, str_from(w->service), w->row ? EAGAIN : ENOENT);
	w->asker = NULL;
}

void introduce_fail(struct row *row)
{
	for (size_t i = 0; i < WAITING_MOST; i++)
		if (state.waiting[i].asker && state.waiting[i].row == row)
			give_up(&state.waiting[i]);
}

void introduce_fail_all(void)
{
	for (size_t i = 0; i < WAITING_MOST; i++)
		if (state.waiting[i].asker)
			give_up(&state.waiting[i]);
}

void introduce_forget(struct child *asker)
{
	for (size_t i = 0; i < WAITING_MOST; i++)
		if (state.waiting[i].asker == asker)
			state.waiting[i].asker = NULL;
}

void introduce_tick(void)
{
	for (size_t i = 0; i < WAITING_MOST; i++) {
		struct waiting *w = &state.waiting[i];

		if (w->asker && moment_left(w->until).us == 0)
			give_up(w);
	}
}

bool introduce_is_wanted(const struct row *row)
{
	for (size_t i = 0; i < WAITING_MOST; i++)
		if (state.waiting[i].asker && state.waiting[i].row == row)
			return true;
	return false;
}
