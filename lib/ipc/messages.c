#include "ipc/messages.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * The wire form of a field: NUMBER and SIGNED eight octets in the machine's
 * order, FLAG and DESCRIPTOR one octet (0 or 1), STRING four octets of length
 * (WIRE_NONE: no value) and its octets, LIST four octets of count and that
 * many strings. Both ends are the same machine and the same release.
 */
#define WIRE_NONE UINT32_MAX

static void put_u32(struct buf *out, uint32_t value)
{
	buf_add(out, str_of(&value, sizeof(value)));
}

static void put_u64(struct buf *out, uint64_t value)
{
	buf_add(out, str_of(&value, sizeof(value)));
}

static void put_string(struct buf *out, struct str s)
{
	if (s.len >= WIRE_NONE)
		panic("a message with a string of %zu octets", s.len);
	put_u32(out, str_is_none(s) ? WIRE_NONE : (uint32_t)s.len);
	buf_add(out, s);
}

static void put_list(struct buf *out, struct msg_list list)
{
	struct str item;

	if (list.count > MSG_LIST_MOST)
		panic("a message with a list of %zu strings", list.count);
	put_u32(out, (uint32_t)list.count);
	while (msg_list_take(&list, &item))
		put_string(out, str_is_none(item) ? STR("") : item);
}

static bool get(struct str *in, void *value, size_t len)
{
	if (in->len < len)
		return false;
	memcpy(value, in->p, len);
	*in = str_skip(*in, len);
	return true;
}

static bool get_flag(struct str *in, bool *flag)
{
	unsigned char octet;

	if (!get(in, &octet, 1) || octet > 1)
		return false;
	*flag = octet;
	return true;
}

static bool get_string(struct str *in, struct str *s)
{
	uint32_t len;

	if (!get(in, &len, sizeof(len)))
		return false;
	if (len == WIRE_NONE) {
		*s = STR_NONE;
		return true;
	}
	if (len > in->len)
		return false;
	*s = str_of(in->p, len);
	*in = str_skip(*in, len);
	return true;
}

static bool get_list(struct str *in, struct msg_list *list)
{
	uint32_t count;
	struct str rest, item;

	if (!get(in, &count, sizeof(count)) || count > MSG_LIST_MOST)
		return false;
	rest = *in;
	for (uint32_t i = 0; i < count; i++)
		if (!get_string(&rest, &item) || str_is_none(item))
			return false;
	*list = (struct msg_list){ .count = count,
		.wire = str_first(*in, in->len - rest.len) };
	*in = rest;
	return true;
}

bool msg_list_take(struct msg_list *list, struct str *item)
{
	if (list->count == 0)
		return false;
	list->count--;
	if (!list->items)
		return get_string(&list->wire, item);
	*item = *list->items++;
	return true;
}

/* The C library's fstat asks by newfstatat, which takes a path as well: a
 * process that may not open anything has only the plain one. */
static bool look_at(int fd, struct stat *st)
{
	return syscall(SYS_fstat, fd, st) == 0;
}

/* A memfd that nobody can change any more is as good as a read-only file. */
static bool is_sealed(int fd)
{
	const int all = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW |
		F_SEAL_SEAL;
	int seals = fcntl(fd, F_GET_SEALS);

	return seals >= 0 && (seals & all) == all;
}

bool msg_file_is(int fd, enum msg_file type)
{
	struct stat st;
	int mode;

	if (!look_at(fd, &st))
		return false;
	if (!S_ISREG(st.st_mode))
		return type == MSG_FILE_ANY ||
			(type == MSG_FILE_SOCKET && S_ISSOCK(st.st_mode)) ||
			(type == MSG_FILE_PIPE && S_ISFIFO(st.st_mode));
	mode = fcntl(fd, F_GETFL);
	if (mode < 0)
		return false;
	mode &= O_ACCMODE | O_PATH;
	switch (type) {
	case MSG_FILE_ANY:
		return true;
	case MSG_FILE_READ:
		return mode == O_RDONLY || is_sealed(fd);
	case MSG_FILE_WRITE:
		return mode == O_WRONLY;
	case MSG_FILE_BOTH:
		return mode == O_RDWR;
	case MSG_FILE_SOCKET:
	case MSG_FILE_PIPE:
		break;
	}
	return false;
}

/* A message being read: what is left of it, and its descriptors. */
struct decoder {
	struct str in;
	const int *fds; /* NULL: parsed for itself, descriptors are not there */
	size_t used;
};

enum {
	/* names as in the rows of messages.def */
	FILE_TYPE_ANY = MSG_FILE_ANY,
	FILE_TYPE_SOCKET = MSG_FILE_SOCKET,
	FILE_TYPE_FILE_READ = MSG_FILE_READ,
	FILE_TYPE_FILE_WRITE = MSG_FILE_WRITE,
	FILE_TYPE_FILE_BOTH = MSG_FILE_BOTH,
	FILE_TYPE_PIPE = MSG_FILE_PIPE,
};

static bool get_descriptor(struct decoder *d, enum msg_file type, int *fd)
{
	bool is_there;

	*fd = -1;
	if (!get_flag(&d->in, &is_there))
		return false;
	if (!is_there || !d->fds)
		return true;
	if (d->used >= CALL_FDS_MOST || d->fds[d->used] < 0 ||
		!msg_file_is(d->fds[d->used], type))
		return false;
	*fd = d->fds[d->used++];
	return true;
}

/* Close what a message brought and its row does not declare. */
static void close_from(const int *fds, size_t first)
{
	for (size_t i = first; i < CALL_FDS_MOST; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static bool refuse(struct call *call, const int *fds)
{
	close_from(fds, 0);
	call_fail(call, EPROTO);
	errno = EPROTO;
	return false;
}

/* clang-format off */

/* msg_<name>_format */
#define MESSAGE(name, number, doc) \
	void msg_##name##_format(struct buf *out, const struct msg_##name *m) \
	{ \
		(void)out; \
		(void)m;
#define STRING(field, doc) put_string(out, m->field);
#define NUMBER(field, doc) put_u64(out, m->field);
#define SIGNED(field, doc) put_u64(out, (uint64_t)m->field);
#define FLAG(field, doc) buf_char(out, m->field ? 1 : 0);
#define LIST(field, doc) put_list(out, m->field);
#define DESCRIPTOR(field, type, doc) buf_char(out, m->field > 0 ? 1 : 0);
#define END }
#include "ipc/messages.def"
#undef MESSAGE
#undef STRING
#undef NUMBER
#undef SIGNED
#undef FLAG
#undef LIST
#undef DESCRIPTOR
#undef END

/* decode_<name> */
#define MESSAGE(name, number, doc) \
	static bool decode_##name(struct decoder *d, struct msg_##name *m) \
	{ \
		memset(m, 0, sizeof(*m));
#define TAKE(taken) if (!(taken)) return false;
#define STRING(field, doc) TAKE(get_string(&d->in, &m->field))
#define NUMBER(field, doc) TAKE(get(&d->in, &m->field, 8))
#define SIGNED(field, doc) TAKE(get(&d->in, &m->field, 8))
#define FLAG(field, doc) TAKE(get_flag(&d->in, &m->field))
#define LIST(field, doc) TAKE(get_list(&d->in, &m->field))
#define DESCRIPTOR(field, type, doc) \
	TAKE(get_descriptor(d, (enum msg_file)FILE_TYPE_##type, &m->field))
#define END \
		return d->in.len == 0; \
	}
#include "ipc/messages.def"
#undef MESSAGE
#undef STRING
#undef NUMBER
#undef SIGNED
#undef FLAG
#undef LIST
#undef DESCRIPTOR
#undef END

/* _parse and _recv */
#define MESSAGE(name, number, doc) \
	bool msg_##name##_parse(struct str in, struct msg_##name *m) \
	{ \
		struct decoder d = { .in = in }; \
\
		return decode_##name(&d, m); \
	} \
\
	bool msg_##name##_recv(struct call *call, struct msg_##name *m, \
		struct span timeout) \
	{ \
		int fds[CALL_FDS_MOST]; \
		struct decoder d = { .fds = fds }; \
\
		if (!call_recv(call, MSG_##name, &d.in, fds, CALL_FDS_MOST, \
			    timeout)) \
			return false; \
		if (!decode_##name(&d, m)) \
			return refuse(call, fds); \
		close_from(fds, d.used); \
		return true; \
	}
#define STRING(field, doc)
#define NUMBER(field, doc)
#define SIGNED(field, doc)
#define FLAG(field, doc)
#define LIST(field, doc)
#define DESCRIPTOR(field, type, doc)
#define END
#include "ipc/messages.def"
#undef MESSAGE
#undef STRING
#undef NUMBER
#undef SIGNED
#undef FLAG
#undef LIST
#undef DESCRIPTOR
#undef END

/* _send: the call's name stands once, the rest is from the rows */
#define MESSAGE(name, number, doc) \
	bool msg_##name##_send(struct call *call, const struct msg_##name *m) \
	{ \
		const enum msg_kind kind = MSG_##name; \
		auto_buf struct buf body = { .limit = CALL_MESSAGE_MOST }; \
		int fds[CALL_FDS_MOST] = { -1 }; \
		size_t fd_count = 0; \
\
		msg_##name##_format(&body, m);
#define STRING(field, doc)
#define NUMBER(field, doc)
#define SIGNED(field, doc)
#define FLAG(field, doc)
#define LIST(field, doc)
#define DESCRIPTOR(field, type, doc) \
		if (m->field > 0 && fd_count < CALL_FDS_MOST) \
			fds[fd_count++] = m->field;
#define END \
		if (body.failed) { \
			errno = EMSGSIZE; \
			return false; \
		} \
		return call_send(call, kind, buf_str(&body), fds, fd_count); \
	}
#include "ipc/messages.def"
/* clang-format on */
