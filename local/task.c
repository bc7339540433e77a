/*
 * local/task - one recipient: what became of its destinations so far.
 */
#include "local/local.h"

/* Doubt goes before failure, failure before success: with doubt all of it is
 * tried again, and no failure goes untold. */
static int weight(struct status status)
{
	return status_class(status) == 4 ? 3 : status_class(status) == 5 ? 2 : 1;
}

void task_add(struct task *task, struct status status)
{
	arena_grow(task->arena, &task->lines, &task->line_capacity,
		task->line_count + 1, sizeof(*task->lines));
	task->lines[task->line_count++] = (struct deliver_line){ task->at,
		status };
	if (task->status.code == 0 ||
		weight(status) > weight(task->status))
		task->status = status;
}

struct str task_sender(const struct task *task)
{
	return str_is_none(task->owner) ? task->delivery->m.sender :
					  task->owner;
}

static struct str key_of(struct arena *arena, char kind, struct str what)
{
	return arena_fmt(arena, "%c%.*s", kind, STR_ARG(what));
}

bool task_had(const struct task *task, char kind, struct str what)
{
	struct str key = key_of(task->arena, kind, what);

	for (size_t i = 0; i < task->seen_count; i++)
		if (str_eq(task->seen[i], key))
			return true;
	return false;
}

bool task_is_new(struct task *task, char kind, struct str what)
{
	if (task_had(task, kind, what))
		return false;
	arena_grow(task->arena, &task->seen, &task->seen_capacity,
		task->seen_count + 1, sizeof(*task->seen));
	task->seen[task->seen_count++] = key_of(task->arena, kind, what);
	return true;
}
