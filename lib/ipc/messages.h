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
 * NUMBER -> uint64_t, SIGNED -> int64_t, FLAG -> bool; DESCRIPTOR -> int (-1:
 * none; sent: stays the sender's; received: the receiver's to close; the type
 * of file declared in the row is checked); LIST -> struct msg_list of strings.
 *
 * Memory   received strings live in the call's arena
 * Errors   see ipc/peer.h; a decoder checks every length, and that nothing
 *          stands after the last field
 */
#ifndef IPC_MESSAGES_H
#define IPC_MESSAGES_H

#endif
