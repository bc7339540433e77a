#include "commands/queue.h"

#include <stdio.h>

#include "base/span.h"
#include "mail/address.h"

/* No control octets to a terminal. */
static void put_clean(struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.p[i];

		putchar(c < 0x20 || c == 0x7f ? '?' : c);
	}
}

static void put_address(const char *before, struct str address)
{
	auto_arena struct arena *arena = arena_new(0);

	printf("%s<", before);
	if (address.len)
		put_clean(mail_address_external(arena, address));
	putchar('>');
}

static void print_size(char text[16], uint64_t octets)
{
	static const char units[] = { 'B', 'k', 'M', 'G', 'T' };
	double value = (double)octets;
	size_t unit = 0;

	while (value >= 1000 && unit + 1 < COUNT(units)) {
		value /= 1024;
		unit++;
	}
	snprintf(text, 16, unit && value < 10 ? "%.1f%c" : "%.0f%c", value,
		units[unit]);
}

/* The two largest units: "3d4h". */
static void print_age(char text[32], int64_t seconds)
{
	if (seconds < 0)
		seconds = 0;
	if (seconds < 60)
		snprintf(text, 32, "%ds", (int)seconds);
	else if (seconds < 3600)
		snprintf(text, 32, "%dm%02ds", (int)(seconds / 60),
			(int)(seconds % 60));
	else if (seconds < 86400)
		snprintf(text, 32, "%dh%02dm", (int)(seconds / 3600),
			(int)(seconds / 60 % 60));
	else
		snprintf(text, 32, "%dd%02dh", (int)(seconds / 86400),
			(int)(seconds / 3600 % 24));
}

void print_message(const struct listed_message *m)
{
	const struct listed *l = &m->listed;
	char size[16], age[32];
	struct str reason = STR("");

	print_size(size, l->size);
	print_age(age, (wall_us() - l->arrival_us) / 1000000);
	printf("%-17.*s %-8.*s %7s %6s ", STR_ARG(l->queue_id),
		STR_ARG(l->queue_name), age, size);
	put_address("from=", l->sender);
	printf("%s\n", l->forced_expire ? " (expires)" : "");
	for (size_t i = 0; i < m->recipient_count; i++) {
		const struct listed_recipient *r = &m->recipients[i];

		printf("    ");
		put_address("to=", r->address);
		if (r->orig.len && !str_eq(r->orig, r->address))
			put_address(" orig_to=", r->orig);
		putchar('\n');
		if (r->reason.len && !str_eq(r->reason, reason)) {
			printf("        ");
			put_clean(r->reason);
			putchar('\n');
		}
		reason = r->reason;
	}
}

void format_json(struct buf *out, const struct listed_message *m)
{
	struct listing list = { .out = out, .is_json = true };

	listing_begin(&list, &m->listed);
	for (size_t i = 0; i < m->recipient_count; i++)
		listing_recipient(&list, m->recipients[i].address,
			m->recipients[i].orig, m->recipients[i].reason);
	listing_end_message(&list);
}

void print_json(const struct listed_message *m)
{
	auto_buf struct buf out = { 0 };

	format_json(&out, m);
	fwrite(out.p, 1, out.len, stdout);
}

void print_total(size_t messages, size_t recipients, uint64_t octets)
{
	char size[16];

	print_size(size, octets);
	if (messages == 0)
		printf("no message\n");
	else
		printf("%zu message%s, %zu recipient%s, %s\n", messages,
			messages == 1 ? "" : "s", recipients,
			recipients == 1 ? "" : "s", size);
}
