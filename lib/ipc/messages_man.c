/*
 * ipc/messages_man - prints posthorn-messages(7) from messages.def.
 */
#include <stdio.h>

struct line {
	enum { HEAD, FIELD } what;
	const char *name, *type, *doc;
	int number;
};

/* clang-format off */
static const struct line lines[] = {
#define MESSAGE(name, number, doc) { HEAD, #name, "", doc, number },
#define STRING(field, doc) { FIELD, #field, "string", doc, 0 },
#define NUMBER(field, doc) { FIELD, #field, "number", doc, 0 },
#define SIGNED(field, doc) { FIELD, #field, "signed number", doc, 0 },
#define FLAG(field, doc) { FIELD, #field, "flag", doc, 0 },
#define LIST(field, doc) { FIELD, #field, "list of strings", doc, 0 },
#define DESCRIPTOR(field, type, doc) \
	{ FIELD, #field, "descriptor (" #type ")", doc, 0 },
#define END
#include "ipc/messages.def"
};
/* clang-format on */

static const char head[] =
	".Dd November 29, 2026\n"
	".Dt POSTHORN-MESSAGES 7\n"
	".Os posthorn\n"
	".Sh NAME\n"
	".Nm posthorn-messages\n"
	".Nd what the daemons of posthorn say to each other\n"
	".Sh DESCRIPTION\n"
	"Daemons talk over sockets that\n"
	".Xr master 8\n"
	"makes for pairs that may talk, in packets of frames:\n"
	"the number of a call, the kind of the message, flags, the length, "
	"the fields.\n"
	"A string has a length of four octets before it (all ones: no value), "
	"a number eight octets, a flag one, a list a count before its "
	"strings.\n"
	"Nothing outside the suite takes part; the form changes between "
	"releases.\n"
	".Bl -tag -width Ds\n";

static const char tail[] =
	".El\n"
	".Sh SEE ALSO\n"
	".Xr master 8\n";

/* Text that has no macro in it; a backslash and a quote would be special. */
static void print_text(const char *text)
{
	for (; *text; text++)
		if (*text == '\\')
			fputs("\\e", stdout);
		else
			putchar(*text);
}

int main(void)
{
	int in_list = 0;

	fputs(head, stdout);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		const struct line *line = &lines[i];

		if (line->what == HEAD) {
			if (in_list)
				puts(".El");
			in_list = 0;
			printf(".It Sy %s Pq %d\n\\&", line->name,
				line->number);
			print_text(line->doc);
			puts("");
			continue;
		}
		if (!in_list)
			puts(".Bl -tag -width \"sasl_usernameXX\" -compact");
		in_list = 1;
		printf(".It Va %s\n%s", line->name, line->type);
		if (line->doc[0]) {
			fputs(": ", stdout);
			print_text(line->doc);
		}
		puts("");
	}
	if (in_list)
		puts(".El");
	fputs(tail, stdout);
	return 0;
}
