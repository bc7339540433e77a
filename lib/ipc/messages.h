/*
 * ipc/messages - structs, encoders and decoders of ipc/messages.def.
 *
 * For each MESSAGE(name, ...) there are
 *	struct msg_<name>       its fields
 *	enum: MSG_<name>        its kind
 *	bool msg_<name>_send(struct call *call, const struct msg_<name> *m);
 *	bool msg_<name>_recv(struct call *call, struct msg_<name> *m,
 *		struct span timeout);
 *	void msg_<name>_format(struct buf *out, const struct msg_<name> *m);
 *	bool msg_<name>_parse(struct str in, struct msg_<name> *m);
 * Field kinds: STRING -> struct str (NONE is kept apart from empty);
 * NUMBER -> uint64_t, SIGNED -> int64_t, FLAG -> bool; DESCRIPTOR -> int (less
 * than 1: none; sent: stays the sender's; received: the receiver's to close,
 * -1: none; the type of file declared in the row is checked); LIST -> struct
 * msg_list of strings.
 *
 * Memory   received strings live in the call's arena; those of _parse in `in`
 * Errors   see ipc/peer.h; a decoder checks every length, and that nothing
 *          stands after the last field
 */
#ifndef IPC_MESSAGES_H
#define IPC_MESSAGES_H

#include "base/buf.h"
#include "ipc/peer.h"

enum {
	MSG_LIST_MOST = 65536, /* strings in a LIST */
};

/* To send: set items and count. Received: take them with msg_list_take. */
struct msg_list {
	const struct str *items; /* NULL when received */
	size_t count;
	struct str wire;
};

/* The next string, in order, and one less in the list; false at the end. */
must_check bool msg_list_take(struct msg_list *list, struct str *item);

/* What a DESCRIPTOR may be. */
enum msg_file {
	MSG_FILE_ANY,
	MSG_FILE_SOCKET,
	MSG_FILE_READ,  /* regular file, opened read-only or sealed */
	MSG_FILE_WRITE, /* regular file, opened write-only */
	MSG_FILE_PIPE,
	MSG_FILE_BOTH,  /* regular file, opened to read and write */
};

/* True if `fd` is of that type by fstat(2) and fcntl(2). */
bool msg_file_is(int fd, enum msg_file type);

/* clang-format off */
#define MESSAGE(name, number, doc) struct msg_##name {
#define STRING(field, doc) struct str field;
#define NUMBER(field, doc) uint64_t field;
#define SIGNED(field, doc) int64_t field;
#define FLAG(field, doc) bool field;
#define LIST(field, doc) struct msg_list field;
#define DESCRIPTOR(field, type, doc) int field;
#define END char no_field; };
#include "ipc/messages.def"
#undef MESSAGE
#undef STRING
#undef NUMBER
#undef SIGNED
#undef FLAG
#undef LIST
#undef DESCRIPTOR
#undef END

#define MESSAGE(name, number, doc) \
	must_check bool msg_##name##_send(struct call *call, \
		const struct msg_##name *m); \
	must_check bool msg_##name##_recv(struct call *call, \
		struct msg_##name *m, struct span timeout); \
	void msg_##name##_format(struct buf *out, const struct msg_##name *m); \
	must_check bool msg_##name##_parse(struct str in, \
		struct msg_##name *m);
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
/* clang-format on */

#endif
