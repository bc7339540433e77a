/*
 * ipc/kinds - the numbers of the messages of ipc/messages.def.
 */
#ifndef IPC_KINDS_H
#define IPC_KINDS_H

enum msg_kind {
	MSG_NONE,
#define MESSAGE(name, number, doc) MSG_##name = (number),
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
};

#endif
