#include "master/state.h"

#include <errno.h>
#include <string.h>

static bool send_to(struct child *child, struct str request)
{
	struct msg_wakeup m = { .request = request };
	char octets[512];
	struct buf body = { .p = octets, .cap = sizeof(octets),
		.limit = sizeof(octets) };

	msg_wakeup_format(&body, &m);
	return !body.failed &&
		child_send(child, MSG_wakeup, buf_str(&body), -1);
}

/* Requests are letters; a timer's "W" is sent anyway. */
static void remember(struct row *row, struct str request)
{
	size_t len = strlen(row->wakeup_text);

	row->wakeup_due = true;
	if (str_is(request, "W") ||
		request.len >= sizeof(row->wakeup_text) - len)
		return;
	memcpy(row->wakeup_text + len, request.p, request.len);
	row->wakeup_text[len + request.len] = '\0';
}

void wakeup_ready(struct row *row)
{
	char text[sizeof(row->wakeup_text)];

	if (!row->wakeup_due)
		return;
	memcpy(text, row->wakeup_text, sizeof(text));
	row->wakeup_text[0] = '\0';
	wakeup_send(row, STR("W"));
	if (text[0])
		wakeup_send(row, str_from(text));
}

/* To a process that is ready; one is started if there is none, and gets "W"
 * and the request then: the first makes it look at everything. */
void wakeup_send(struct row *row, struct str request)
{
	row->wakeup_due = false;
	for (size_t i = 0; i < CHILDREN_MOST; i++) {
		struct child *c = &state.children[i];

		if (c->row == row && c->state == CHILD_READY && !c->is_probe) {
			send_to(c, request);
			return;
		}
	}
	remember(row, request);
	if (children_of(row, false) == 0)
		child_start(row);
}

void wakeup_tick(void)
{
	for (size_t i = 0; i < state.row_count; i++) {
		struct row *row = &state.rows[i];

		if (moment_left(row->next_wakeup).us > 0 || !row->path ||
			state.stage > STAGE_RUNNING)
			continue;
		row->next_wakeup = moment_after(row->wakeup);
		if (row->is_used || !row->wakeup_lazy)
			wakeup_send(row, STR("W"));
	}
}

struct moment wakeup_next(void)
{
	struct moment next = MOMENT_NEVER;

	for (size_t i = 0; i < state.row_count; i++)
		if (state.rows[i].path &&
			state.rows[i].next_wakeup.us < next.us)
			next = state.rows[i].next_wakeup;
	return next;
}
