/*
 * qshape - shows how old the mail in the queue is, by domain.
 *
 * Needs no privilege: showq knows who asks by the socket.
 */
#include "base/json.h"
#include "base/log.h"
#include "base/table.h"
#include "queue/look.h"
#include "service/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

static const struct command command = {
	"qshape",
	"[-slpj] [-m min_subdomains] [-b bucket_count] [-t bucket_time] "
	"[-w terminal_width] [-N batch_msg_count] [-n batch_top_domains] "
	"[-c config_directory] [queue_name ...]",
};

enum {
	BUCKETS_MOST = 64,
	WIDTH_LEAST = 3, /* of a column */
	NAME_LEAST = 18, /* of the column of domains */
	WIDTH = 80,
	MINUTE_US = 60 * 1000000,
};

/* The row of a domain. */
struct row {
	struct str domain;
	size_t total, buckets[BUCKETS_MOST];
	size_t subdomains; /* of a parent */
};

struct shape {
	struct arena *arena;
	struct str queues;
	bool by_sender, parents, linear, is_json;
	uint64_t subdomains, buckets, minutes, width, top;
	int64_t limits[BUCKETS_MOST]; /* minutes; the last bucket has none */
	int64_t now_us;
	struct row all;
	struct table *rows; /* by domain */
	struct row **sorted;
	size_t count;
};

/* ---- counting ---- */

static void set_limits(struct shape *shape)
{
	for (uint64_t i = 0; i < shape->buckets; i++)
		shape->limits[i] = shape->linear ?
			(int64_t)(shape->minutes * (i + 1)) :
			(int64_t)(shape->minutes << (i < 32 ? i : 32));
}

static size_t bucket_of(const struct shape *shape, int64_t arrival_us)
{
	int64_t age = (shape->now_us - arrival_us) / MINUTE_US;
	size_t at = 0;

	while (at + 1 < shape->buckets && age >= shape->limits[at])
		at++;
	return at;
}

static struct row *find_row(struct shape *shape, struct str domain)
{
	struct row *row = table_find(shape->rows, domain);

	if (!row) {
		row = arena_new_of(shape->arena, struct row);
		row->domain = arena_copy(shape->arena, domain);
		table_put(shape->rows, row->domain, row);
		shape->count++;
	}
	return row;
}

static void count_row(struct row *row, size_t bucket)
{
	row->total++;
	row->buckets[bucket]++;
}

/* ".example.org" and ".org" are not counted: only parents with a dot inside. */
static void count_parents(struct shape *shape, struct str domain, size_t bucket,
	bool is_new)
{
	for (;;) {
		size_t dot = str_find_char(domain, '.');
		struct str parent;

		if (dot == SIZE_MAX)
			return;
		parent = str_skip(domain, dot);
		domain = str_skip(parent, 1);
		if (str_find_char(domain, '.') == SIZE_MAX)
			return;
		count_row(find_row(shape, parent), bucket);
		find_row(shape, parent)->subdomains += is_new;
	}
}

static void count_address(struct shape *shape, struct str address,
	size_t bucket)
{
	size_t at = str_rfind_char(address, '@');
	struct str domain = at == SIZE_MAX ? address : str_skip(address, at + 1);
	bool is_new;

	if (address.len == 0)
		domain = STR("MAILER-DAEMON");
	else if (at != SIZE_MAX)
		domain = arena_lower(shape->arena, domain);
	is_new = !table_find(shape->rows, domain);
	count_row(find_row(shape, domain), bucket);
	count_row(&shape->all, bucket);
	if (shape->parents)
		count_parents(shape, domain, bucket, is_new);
}

static bool is_wanted(const struct shape *shape, struct str queue)
{
	struct str rest = shape->queues, item;

	while (str_take_item(&rest, " ", &item))
		if (str_eq(item, queue))
			return true;
	return false;
}

static void count_message(void *context, const struct listed_message *m)
{
	struct shape *shape = context;
	size_t bucket = bucket_of(shape, m->listed.arrival_us);

	if (!is_wanted(shape, m->listed.queue_name))
		return;
	if (shape->by_sender)
		count_address(shape, m->listed.sender, bucket);
	else
		for (size_t i = 0; i < m->recipient_count; i++)
			count_address(shape, m->recipients[i].address, bucket);
}

/* ---- showing ---- */

static int compare(const void *a, const void *b)
{
	const struct row *x = *(struct row *const *)a;
	const struct row *y = *(struct row *const *)b;

	if (x->total != y->total)
		return x->total < y->total ? 1 : -1;
	return str_cmp(x->domain, y->domain);
}

static void sort_rows(struct shape *shape)
{
	size_t count = 0;

	shape->sorted = arena_array(shape->arena, shape->count + 1,
		sizeof(*shape->sorted));
	for (struct table_walk w = { 0 }; table_next(shape->rows, &w);) {
		struct row *row = w.value;

		if (row->domain.len && row->domain.p[0] == '.' &&
			row->subdomains < shape->subdomains)
			continue;
		shape->sorted[count++] = row;
	}
	shape->count = count;
	qsort(shape->sorted, count, sizeof(*shape->sorted), compare);
}

static void format_limit(const struct shape *shape, size_t at, char text[32])
{
	bool is_last = at + 1 == shape->buckets;

	snprintf(text, 32, "%jd%s",
		(intmax_t)shape->limits[is_last && at ? at - 1 : at],
		is_last ? "+" : "");
}

static int column_width(const char *head, size_t most)
{
	char number[32];
	int width = snprintf(number, sizeof(number), "%zu", most) + 1;

	if (width < (int)strlen(head) + 1)
		width = (int)strlen(head) + 1;
	return width < WIDTH_LEAST ? WIDTH_LEAST : width;
}

struct layout {
	int name, total, buckets[BUCKETS_MOST];
};

static struct layout lay_out(const struct shape *shape)
{
	struct layout layout = { .total = column_width("T", shape->all.total) };
	int left = (int)shape->width - layout.total;
	char head[32];

	for (size_t i = 0; i < shape->buckets; i++) {
		format_limit(shape, i, head);
		layout.buckets[i] = column_width(head, shape->all.buckets[i]);
		left -= layout.buckets[i];
	}
	layout.name = left < NAME_LEAST ? NAME_LEAST : left;
	return layout;
}

/* A name that is too long keeps its end. */
static void print_name(const struct layout *layout, struct str name)
{
	const char *cut = "";

	if (name.len > (size_t)layout->name) {
		cut = name.p[0] == '.' ? ".+" : "+";
		name = str_skip(name,
			name.len - ((size_t)layout->name - strlen(cut)));
	}
	printf("%*s%s%.*s",
		layout->name - (int)(name.len + strlen(cut)), "", cut,
		STR_ARG(name));
}

static void print_row(const struct shape *shape, const struct layout *layout,
	const struct row *row)
{
	print_name(layout, row->domain);
	printf("%*zu", layout->total, row->total);
	for (size_t i = 0; i < shape->buckets; i++)
		printf("%*zu", layout->buckets[i], row->buckets[i]);
	putchar('\n');
}

static void print_text(const struct shape *shape)
{
	struct layout layout = lay_out(shape);
	char head[32];

	printf("%*s%*s", layout.name, "", layout.total, "T");
	for (size_t i = 0; i < shape->buckets; i++) {
		format_limit(shape, i, head);
		printf("%*s", layout.buckets[i], head);
	}
	putchar('\n');
	print_row(shape, &layout, &shape->all);
	for (size_t i = 0; i < shape->count; i++) {
		if (isatty(STDOUT_FILENO) && i >= shape->top)
			break;
		print_row(shape, &layout, shape->sorted[i]);
	}
}

static void print_json(const struct shape *shape)
{
	for (size_t i = 0; i < shape->count; i++) {
		const struct row *row = shape->sorted[i];
		auto_buf struct buf line = { 0 };

		buf_text(&line, "{\"domain\": ");
		json_format(&line, row->domain);
		buf_fmt(&line, ", \"total\": %zu, \"buckets\": [", row->total);
		for (size_t at = 0; at < shape->buckets; at++)
			buf_fmt(&line, "%s%zu", at ? ", " : "",
				row->buckets[at]);
		buf_text(&line, "]}\n");
		fwrite(line.p, 1, line.len, stdout);
	}
}

/* ---- the command line ---- */

static uint64_t number(uint64_t most)
{
	uint64_t value;

	if (!str_parse_u64(str_from(optarg), most, &value) || value == 0)
		command_usage(&command);
	return value;
}

static void name_queues(struct shape *shape, char **names)
{
	struct buf list = BUF_IN(shape->arena);

	for (; *names; names++) {
		const char *slash = strrchr(*names, '/');

		buf_fmt(&list, "%s ", slash ? slash + 1 : *names);
	}
	shape->queues = list.len ? buf_str(&list) : STR("incoming active");
}

static const char *set_options(struct shape *shape, int argc, char **argv)
{
	const char *directory = NULL;
	int letter;

	while ((letter = getopt(argc, argv, "b:c:jlm:n:N:pst:w:")) >= 0)
		switch (letter) {
		case 'b':
			shape->buckets = number(BUCKETS_MOST);
			break;
		case 'c':
			directory = optarg;
			break;
		case 'j':
			shape->is_json = true;
			break;
		case 'l':
			shape->linear = true;
			break;
		case 'm':
			shape->subdomains = number(UINT32_MAX);
			break;
		case 'n':
			shape->top = number(UINT32_MAX);
			break;
		case 'N':
			(void)number(UINT32_MAX); /* it never takes long */
			break;
		case 'p':
			shape->parents = true;
			break;
		case 's':
			shape->by_sender = true;
			break;
		case 't':
			shape->minutes = number(UINT32_MAX);
			break;
		case 'w':
			shape->width = number(1000);
			break;
		default:
			command_usage(&command);
		}
	name_queues(shape, argv + optind);
	return directory;
}

int main(int argc, char **argv)
{
	struct shape shape = { .arena = arena_new(0), .rows = table_new(),
		.subdomains = 5, .buckets = 10, .minutes = 5, .width = WIDTH,
		.top = 20, .now_us = wall_us(),
		.all = { .domain = STR("TOTAL") } };
	const char *directory;
	enum look_result result;

	command_begin(&command, argc, argv);
	directory = set_options(&shape, argc, argv);
	set_limits(&shape);
	result = look_each(shape.arena, command_conf(shape.arena, directory),
		count_message, &shape);
	if (result != LOOK_DONE) {
		log_error("%s", result == LOOK_DENIED ?
			"not allowed to view the mail queue" :
			"Queue report unavailable - mail system is down");
		return EX_UNAVAILABLE;
	}
	sort_rows(&shape);
	if (shape.is_json)
		print_json(&shape);
	else
		print_text(&shape);
	return 0;
}
