#include "queue/scratch.h"

#include <errno.h>
#include <unistd.h>

#include "ipc/messages.h"
#include "service/service.h"

enum {
	CONNECT_S = 60,
	ANSWER_S = 60,
};

struct scratch {
	struct arena *arena;
	struct str queue_id;
	struct buf held; /* while there is no file */
	int file;        /* -1: none */
	int error;       /* errno of what went wrong; 0: nothing */
	bool is_read;
	size_t taken;    /* of what is held */
	char *block;
};

static void end(void *context)
{
	struct scratch *scratch = context;

	base_close(&scratch->file);
}

struct scratch *scratch_new(struct arena *arena, struct str queue_id)
{
	struct scratch *scratch = arena_new_of(arena, struct scratch);

	scratch->arena = arena;
	scratch->queue_id = arena_copy(arena, queue_id);
	scratch->held = BUF_IN(arena);
	scratch->file = -1;
	arena_on_free(arena, end, scratch);
	return scratch;
}

static bool fail(struct scratch *scratch)
{
	scratch->error = errno ? errno : EIO;
	errno = scratch->error;
	return false;
}

static bool ask(struct scratch *scratch, struct call *call)
{
	struct msg_scratch_want want = { .queue_id = scratch->queue_id };
	struct msg_scratch_grant grant = { .file = -1 };

	if (!msg_scratch_want_send(call, &want) ||
		!msg_scratch_grant_recv(call, &grant, span_s(ANSWER_S)))
		return false;
	scratch->file = grant.file;
	errno = (int)grant.status;
	return grant.status == 0 && grant.file >= 0;
}

/* What was held goes first. */
static bool open_file(struct scratch *scratch)
{
	struct call *call = service_call(scratch->arena, "cleanup",
		span_s(CONNECT_S));
	bool done = call && ask(scratch, call);
	int error = errno;

	if (call)
		call_close(call);
	errno = error;
	return done && fd_write_all(scratch->file, scratch->held.p,
		scratch->held.len);
}

bool scratch_write(struct scratch *scratch, struct str octets)
{
	errno = scratch->error;
	if (scratch->error || scratch->is_read)
		return fail(scratch);
	if (scratch->file < 0 && scratch->held.len + octets.len <=
		SCRATCH_IN_MEMORY_MOST) {
		buf_add(&scratch->held, octets);
		return true;
	}
	if ((scratch->file < 0 && !open_file(scratch)) ||
		!fd_write_all(scratch->file, octets.p, octets.len))
		return fail(scratch);
	return true;
}

static bool begin_to_read(struct scratch *scratch)
{
	scratch->is_read = true;
	if (scratch->file < 0)
		return true;
	scratch->block = arena_alloc(scratch->arena, SCRATCH_BLOCK);
	return lseek(scratch->file, 0, SEEK_SET) == 0;
}

static bool read_file(struct scratch *scratch, struct str *octets)
{
	ssize_t len;

	do
		len = read(scratch->file, scratch->block, SCRATCH_BLOCK);
	while (len < 0 && errno == EINTR);
	*octets = str_of(scratch->block, len > 0 ? (size_t)len : 0);
	return len >= 0 || fail(scratch);
}

bool scratch_read(struct scratch *scratch, struct str *octets)
{
	*octets = STR("");
	errno = scratch->error;
	if (scratch->error ||
		(!scratch->is_read && !begin_to_read(scratch)))
		return fail(scratch);
	if (scratch->file >= 0)
		return read_file(scratch, octets);
	*octets = str_first(str_skip(buf_str(&scratch->held), scratch->taken),
		SCRATCH_BLOCK);
	scratch->taken += octets->len;
	return true;
}
