#include "ipc/frame.h"
#include "ipc/messages.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

/* Parse the body as this kind; what parses must format and parse again. */
#define MESSAGE(name, number, doc)                                             \
	static void try_##name(struct str body)                                \
	{                                                                      \
		struct msg_##name m, again;                                    \
		auto_buf struct buf out = { 0 };                               \
                                                                               \
		if (!msg_##name##_parse(body, &m))                             \
			return;                                                \
		msg_##name##_format(&out, &m);                                 \
		if (!msg_##name##_parse(buf_str(&out), &again))                \
			__builtin_trap();                                      \
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

static const struct {
	enum msg_kind kind;
	void (*run)(struct str body);
} tries[] = {
#define MESSAGE(name, number, doc) { MSG_##name, try_##name },
#include "ipc/messages.def"
};

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct str packet = str_of(octets, len);
	struct frame frame;

	while (frame_take(&packet, &frame))
		for (size_t i = 0; i < COUNT(tries); i++)
			if (tries[i].kind == frame.kind)
				tries[i].run(frame.body);
	/* and without a header, as the kind of the first octet */
	if (len > 0)
		tries[octets[0] % COUNT(tries)].run(
			str_of(octets + 1, len - 1));
	return 0;
}
