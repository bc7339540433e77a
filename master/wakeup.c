#include "master/state.h"

#include <errno.h>

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

/* To a process that is ready; one is started if there is none, and gets "W"
 * then, which makes it look at everything. */
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
	row->wakeup_due = true;
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
