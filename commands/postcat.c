/*
 * postcat - shows messages of the queue: files, or by ID wherever they are.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "queue/mark.h"
#include "queue/message.h"
#include "queue/store.h"
#include "service/command.h"

static const struct command command = {
	"postcat",
	"[-bdefhnoqrv] [-c dir] [-s offset] [file ...]",
	.says_path = true,
};

enum {
	ENVELOPE = 1,
	HEADER = 2,
	BODY = 4,
};

struct options {
	unsigned parts;     /* ENVELOPE and so on; 0: all */
	bool by_id;         /* -q */
	bool decimal;       /* -d: the tag before its record */
	bool offsets;       /* -o */
	bool names;         /* -f: the file before each line */
	int64_t skip;       /* -s: octets at the front */
};

/* What is shown: where it came from, and its octets. */
struct shown {
	const struct options *options;
	const char *name;
	struct str octets; /* from the header block on */
	uint64_t serial;
	struct disk *disk; /* for content in large/; NULL: a file by path */
	const char *directory; /* queue_directory */
};

static bool shows(const struct options *options, unsigned part)
{
	return options->parts == 0 || (options->parts & part);
}

static void prefix(const struct shown *shown, uint64_t offset, int tag)
{
	if (shown->options->names)
		printf("%s: ", shown->name);
	if (shown->options->offsets)
		printf("%9ju ", (uintmax_t)offset);
	if (shown->options->decimal)
		printf("%3d ", tag);
}

/* The line before a part; -o and -d have nothing before the first. */
static void title(const struct shown *shown, const char *what, uint64_t offset,
	int tag)
{
	if (!shows(shown->options, ENVELOPE))
		return;
	if (tag)
		prefix(shown, offset, tag);
	else if (shown->options->names)
		printf("%s: ", shown->name);
	printf("*** %s %s ***\n", what, shown->name);
}

static const char *time_text(int64_t us)
{
	time_t s = (time_t)(us / 1000000);
	static char text[64];
	struct tm tm;

	if (!localtime_r(&s, &tm) ||
		strftime(text, sizeof(text), "%a %b %e %H:%M:%S %Y", &tm) == 0)
		return "unknown";
	return text;
}

/* ---- the envelope ---- */

/* How records of queue/records.def are called here. */
/* clang-format off */
static const struct record {
	char tag;
	bool is_number;
	const char *field;
} records[] = {
#define MESSAGE_TEXT(field, tag, doc) { tag, false, #field },
#define MESSAGE_NUMBER(field, tag, doc) { tag, true, #field },
#define RECIPIENT_TEXT(field, tag, doc) { tag, false, #field },
#define RECIPIENT_NUMBER(field, tag, doc) { tag, true, #field },
#include "queue/records.def"
#undef MESSAGE_TEXT
#undef MESSAGE_NUMBER
#undef RECIPIENT_TEXT
#undef RECIPIENT_NUMBER
};
/* clang-format on */

static const struct record *find_record(char tag)
{
	for (size_t i = 0; i < COUNT(records); i++)
		if (records[i].tag == tag)
			return &records[i];
	return NULL;
}

static void show_number(const struct record *record, struct str value)
{
	uint64_t number = 0;

	if (!disk_take_u64(&value, &number))
		printf("%s: malformed\n", record->field);
	else
		printf("named_attribute: %s=%ju\n", record->field,
			(uintmax_t)number);
}

/* Recipients are shown when all about them is known. */
struct pending {
	struct str address, orig;
	uint64_t offset;
	uint32_t number;
	bool is_open;
};

static void show_recipient(const struct shown *shown, struct pending *p,
	const struct stored *stored)
{
	bool is_done = stored && p->number <
			stored->envelope.recipient_count &&
		stored->done[p->number];

	if (!p->is_open)
		return;
	prefix(shown, p->offset, 'o');
	printf("original_recipient: %.*s\n",
		STR_ARG(p->orig.len ? p->orig : p->address));
	prefix(shown, p->offset, 'R');
	printf("%s: %.*s\n", is_done ? "done_recipient" : "recipient",
		STR_ARG(p->address));
	p->is_open = false;
	p->number++;
}

static void show_text(struct pending *p, char tag, const char *field,
	struct str value)
{
	if (tag == 'o' && p->is_open)
		p->orig = value;
	else if (tag == 'S')
		printf("sender: %.*s\n", STR_ARG(value));
	else
		printf("named_attribute: %s=%.*s\n", field, STR_ARG(value));
}

/* The size, where what stands and how many recipients; the times. */
static void show_head(const struct shown *shown,
	const struct message_head *head, const struct envelope *envelope)
{
	uintmax_t octets = message_content_octets(head, envelope);

	title(shown, "ENVELOPE RECORDS", 0, 0);
	prefix(shown, 0, 'C');
	printf("message_size: %15ju %15d %15u %15d %15ju %15d\n", octets,
		MESSAGE_HEAD_OCTETS + (int)head->envelope_octets,
		(unsigned)head->recipients, 0, octets, 0);
	prefix(shown, 0, 'T');
	printf("message_arrival_time: %s\n", time_text((int64_t)envelope->arrival_us));
	prefix(shown, 0, 'c');
	printf("create_time: %s\n", time_text(head->commit_us));
}

static void show_envelope(const struct shown *shown,
	const struct message_head *head, const struct envelope *envelope,
	const struct stored *stored)
{
	struct str in = str_first(str_skip(shown->octets, MESSAGE_HEAD_OCTETS),
		head->envelope_octets);
	struct pending p = { 0 };
	struct str value;
	char tag;

	show_head(shown, head, envelope);
	while (in.len > 0) {
		uint64_t offset = (uint64_t)(in.p - shown->octets.p);
		const struct record *record;

		if (!envelope_take_record(&in, &tag, &value)) {
			log_warning("%s: malformed envelope", shown->name);
			break;
		}
		if (tag == 'R') {
			show_recipient(shown, &p, stored);
			p.address = value;
			p.orig = STR_NONE;
			p.offset = offset;
			p.is_open = true;
			continue;
		}
		if (tag == 'o' && p.is_open) {
			p.orig = value;
			continue;
		}
		if (tag == 'T')
			continue; /* shown with the head */
		record = find_record(tag);
		prefix(shown, offset, tag);
		if (record && record->is_number)
			show_number(record, value);
		else
			show_text(&p, tag, record ? record->field : "unknown",
				value);
	}
	show_recipient(shown, &p, stored);
}

/* ---- the content ---- */

struct printer {
	const struct shown *shown;
	bool in_body;
	bool at_line_start;
	uint64_t offset;
};

/* Line by line: the empty one ends the header. */
static void print_content(struct printer *printer, struct str octets)
{
	const struct options *options = printer->shown->options;

	while (octets.len > 0) {
		const char *end = memchr(octets.p, '\n', octets.len);
		size_t len = end ? (size_t)(end - octets.p) + 1 : octets.len;
		bool is_empty = printer->at_line_start && octets.p[0] == '\n';
		/* The empty line between the two belongs to the body. */
		bool shown = shows(options,
			printer->in_body || is_empty ? BODY : HEADER);

		if (shown && printer->at_line_start)
			prefix(printer->shown, printer->offset, 'N');
		if (shown)
			fwrite(octets.p, 1, len, stdout);
		if (is_empty)
			printer->in_body = true;
		printer->at_line_start = end != NULL;
		printer->offset += len;
		octets = str_skip(octets, len);
	}
}

static void print_large(struct printer *printer, uint64_t skip)
{
	const struct shown *shown = printer->shown;
	char path[4096], large[SPOOL_PATH_MOST], block[65536];
	off_t at = (off_t)skip;
	ssize_t got;
	auto_close int fd = -1;

	spool_large_path(large, shown->serial);
	snprintf(path, sizeof(path), "%s/%s", shown->directory, large);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		log_warning("%s: %m", path);
	while (fd >= 0 && (got = pread(fd, block, sizeof(block), at)) > 0) {
		print_content(printer, str_of(block, (size_t)got));
		at += got;
	}
}

static void show_content(const struct shown *shown,
	const struct message_head *head, const struct envelope *envelope)
{
	uint64_t at = MESSAGE_HEAD_OCTETS + (uint64_t)head->envelope_octets;
	struct printer printer = { .shown = shown, .at_line_start = true,
		.offset = at };

	title(shown, "MESSAGE CONTENTS", at, 'M');
	if (shows(shown->options, HEADER) || shows(shown->options, BODY)) {
		print_content(&printer,
			str_first(str_skip(shown->octets, (size_t)at),
				(size_t)head->content_octets));
		if (head->large_octets)
			print_large(&printer, envelope->skip);
	}
	if (!printer.at_line_start)
		putchar('\n');
	at += message_content_octets(head, envelope);
	title(shown, "HEADER EXTRACTED", at, 'X');
	title(shown, "MESSAGE FILE END", at, 'E');
}

static void show(struct shown *shown, const struct stored *stored)
{
	auto_arena struct arena *arena = arena_new(0);
	struct message_head head;
	struct envelope envelope;

	if (!message_head_parse(shown->octets, &head) ||
		message_octets(&head) > shown->octets.len ||
		!envelope_parse(arena,
			str_first(str_skip(shown->octets, MESSAGE_HEAD_OCTETS),
				head.envelope_octets),
			&envelope)) {
		log_warning("%s: input is not a valid queue file", shown->name);
		return;
	}
	shown->serial = head.serial;
	if (shows(shown->options, ENVELOPE))
		show_envelope(shown, &head, &envelope, stored);
	show_content(shown, &head, &envelope);
}

/* ---- where it is ---- */

/* Which recipients are done is said by marks behind the message. */
static void take_marks(struct arena *arena, struct str octets,
	struct stored *stored)
{
	struct str marks, envelope;
	struct mark mark;
	size_t count;

	if (!message_head_parse(octets, &stored->head))
		return;
	envelope = str_first(str_skip(octets, MESSAGE_HEAD_OCTETS),
		stored->head.envelope_octets);
	if (!envelope_parse(arena, envelope, &stored->envelope))
		return;
	count = stored->envelope.recipient_count;
	stored->done = arena_array(arena, count, sizeof(bool));
	marks = str_skip(octets, mark_align(message_octets(&stored->head)));
	while (mark_take(&marks, &mark, NULL))
		if (mark.kind == MARK_DONE && mark.recipient < count)
			stored->done[mark.recipient] = true;
}

/* `name`: what it is called in the output. */
static void show_file(const struct options *options, const char *directory,
	struct arena *arena, const char *path, const char *name)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stored stored = { 0 };
	struct shown shown = { .options = options, .name = name,
		.directory = directory };
	struct stat st;
	char *octets;
	ssize_t got = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		log_fatal("open %s: %m", name);
	if (!S_ISREG(st.st_mode) || st.st_size > SPOOL_FILE_MOST) {
		log_warning("%s: input is not a valid queue file", name);
		return;
	}
	octets = arena_alloc(arena, (size_t)st.st_size + 1);
	for (off_t at = 0; at < st.st_size; at += got) {
		got = pread(fd, octets + at, (size_t)(st.st_size - at), at);
		if (got <= 0)
			log_fatal("read %s: %m", path);
	}
	shown.octets = str_skip(str_of(octets, (size_t)st.st_size),
		(size_t)options->skip);
	take_marks(arena, shown.octets, &stored);
	show(&shown, stored.done ? &stored : NULL);
}

struct search {
	const struct options *options;
	const char *directory;
	struct store store;
	struct str id;
	uint64_t serial;
	bool found;
};

static void show_place(void *context, const struct place *place)
{
	struct search *search = context;
	auto_arena struct arena *arena = arena_new(0);
	struct shown shown = { .options = search->options,
		.directory = search->directory };
	struct buf octets = BUF_IN(arena);
	struct stored *stored;

	if (search->found || place->serial != search->serial ||
		store_load_slot(&search->store, arena, place, true, &stored) !=
			STORE_FOUND ||
		!str_eq(stored->envelope.queue_id, search->id))
		return;
	search->found = true;
	message_format(&octets, &stored->head, &stored->envelope,
		stored->content);
	shown.octets = buf_str(&octets);
	shown.name = arena_cstr(arena, arena_fmt(arena, "journal/%s/%u",
		place->segment, (unsigned)place->slot));
	show(&shown, stored);
}

static void nobody(void *context, const struct place *place)
{
	(void)context;
	(void)place;
}

/* False: there is none. */
static bool show_spooled(const struct search *search, struct disk *disk,
	struct arena *arena)
{
	static const enum queue_name queues[] = { QUEUE_DEFERRED, QUEUE_HOLD,
		QUEUE_CORRUPT };

	for (size_t i = 0; i < COUNT(queues); i++) {
		char path[SPOOL_PATH_MOST];

		if (!spool_has(disk, queues[i], search->id))
			continue;
		spool_path(path, queues[i], search->id);
		show_file(search->options, search->directory, arena,
			arena_cstr(arena, arena_fmt(arena, "%s/%s",
				search->directory, path)), path);
		return true;
	}
	return false;
}

/* What could be a queue ID, also one of another form. */
static bool is_word(struct str text)
{
	return str_take_while(&text, ascii_is_alnum).len > 0 && text.len == 0;
}

static _Noreturn void no_such_message(const char *id)
{
	log_fatal("open queue file %s: No such file or directory", id);
}

static void show_id(const struct options *options, const char *directory,
	struct arena *arena, const char *text)
{
	struct search search = { .options = options, .directory = directory,
		.id = str_from(text) };
	struct disk *disk;

	if (!is_word(search.id))
		log_fatal("bad mail queue ID: %s", text);
	if (!queue_id_parse(search.id, &search.serial))
		no_such_message(text);
	if (!disk_open(&disk, directory) ||
		!store_open(&search.store, disk, true, nobody, NULL))
		log_fatal("queue_directory %s: %m", directory);
	if (show_spooled(&search, disk, arena))
		return;
	(void)!store_scan(&search.store, true, show_place, &search);
	/* It may have gone from its slot into a file just then. */
	if (!search.found && !show_spooled(&search, disk, arena))
		no_such_message(text);
}

static int64_t parse_offset(const char *text)
{
	int64_t offset;

	if (!str_parse_i64(str_from(text), 0, INT64_MAX, &offset))
		log_fatal("bad offset: %s", text);
	return offset;
}

static bool set_option(struct options *options, int option)
{
	switch (option) {
	case 'b':
		options->parts |= BODY;
		return true;
	case 'e':
		options->parts |= ENVELOPE;
		return true;
	case 'h':
		options->parts |= HEADER;
		return true;
	case 'd':
		options->decimal = true;
		return true;
	case 'f':
		options->names = true;
		return true;
	case 'o':
		options->offsets = true;
		return true;
	case 'q':
		options->by_id = true;
		return true;
	case 'n': /* what these choose, our files do not know */
	case 'r':
		return true;
	case 'v':
		log_verbose(true);
		return true;
	default:
		return false;
	}
}

int main(int argc, char **argv)
{
	struct arena *arena = arena_new(0);
	struct options options = { 0 };
	const char *directory = NULL, *queue;
	const struct conf *conf;
	int option;

	command_begin(&command, argc, argv);
	while ((option = getopt(argc, argv, "bc:defhnoqrs:v")) > 0) {
		if (option == 'c')
			directory = optarg;
		else if (option == 's')
			options.skip = parse_offset(optarg);
		else if (!set_option(&options, option))
			command_usage(&command);
	}
	conf = command_conf(arena, directory);
	queue = arena_cstr(arena, conf->queue_directory);
	if (optind == argc)
		show_file(&options, queue, arena, "/dev/stdin", "stdin");
	for (; optind < argc; optind++) {
		if (options.by_id)
			show_id(&options, queue, arena, argv[optind]);
		else
			show_file(&options, queue, arena, argv[optind],
				argv[optind]);
	}
	if (fflush(stdout) != 0 || ferror(stdout))
		log_fatal("write: %m");
	return 0;
}
