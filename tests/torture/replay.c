/*
 * replay - every state that a power cut may leave of a recorded run, and
 * whether all that was promised is there.
 *
 *	replay [-m MOST] [-s SITES] [-i SITE] [-q] FOLDER SCRATCH
 *
 * At each moment of the log at which something changed that a power cut may
 * undo, or at which something was promised, states are built: nothing lost,
 * all that is not flushed lost, each single loss and each pair of losses,
 * each single survivor and each pair of survivors, and random ones. More than
 * MOST a moment: that many of them, evenly. Each is recovered and checked.
 *
 * -s: lines "PLACE SITE": which call site made the flush that began there;
 * -i: the flushes of that site do nothing; stops at the first trouble (-q).
 *
 * Prints the numbers; exit status 1: something was lost.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/log.h"
#include "base/table.h"
#include "check.h"

enum {
	SHOWN_MOST = 10,
	RANDOM = 20, /* states with random losses, at each moment */
	SMALL_MOST = 24, /* whole: all pairs, however many are asked for */
};

struct replay {
	const char *folder, *scratch;
	const char *map; /* the log */
	uint64_t end;
	struct model *model;
	struct ledger *ledger;
	struct arena *arena; /* of a state */
	struct model_item items[MODEL_ITEMS_MOST];
	size_t item_count;
	uint8_t choice[MODEL_ITEMS_MOST];
	struct table *seen; /* mail stores that were checked */
	struct table *troubles; /* that were shown: each once */
	uint64_t most, states, moments, stores, random, mark;
	uint64_t wrong;
	bool quick;
	struct now now;
	struct model_tree state;
};

static unsigned pick(struct replay *r, unsigned below)
{
	r->random = r->random * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(r->random >> 33) % below;
}

static void show(struct replay *r, const char *trouble)
{
	auto_buf struct buf out = { 0 };
	unsigned shown = 0;

	r->wrong++;
	if (table_put(r->troubles, str_from(trouble), r) ||
		table_count(r->troubles) > SHOWN_MOST)
		return;
	for (size_t i = 0; i < r->item_count; i++) {
		if (!r->choice[i] || shown++ > 8)
			continue;
		buf_text(&out, "\n    ");
		model_describe(r->model, &out, &r->items[i], r->choice[i]);
	}
	printf("at %lld of the log: %s; of %zu unflushed things lost:%.*s%s\n",
		(long long)r->now.place, trouble, r->item_count,
		STR_ARG(buf_str(&out)), shown > 9 ? "\n    ..." : "");
}

/* What the mail stores look like: each file and name below mail/. */
static uint32_t stores_mark(const struct model_tree *state, uint32_t node)
{
	const struct model_node *n = state->nodes[node];
	uint32_t mark = crc32c(0, str_of((const char *)&n->size,
		sizeof(n->size)));

	mark = crc32c(mark, str_of((const char *)&n->modified_s,
		sizeof(n->modified_s)));
	for (size_t i = 0; i < n->block_count; i++)
		mark = crc32c(mark, str_of((const char *)&n->blocks[i],
			sizeof(n->blocks[i])));
	for (size_t i = 0; i < n->entry_count; i++) {
		uint32_t below = stores_mark(state, n->entries[i].node);

		below = crc32c(below, str_from(n->entries[i].name));
		mark ^= below * 2654435761u; /* in any order */
	}
	return mark;
}

static size_t promises_made(const struct replay *r)
{
	size_t made = 0;

	for (size_t i = 0; i < r->ledger->count; i++)
		made += r->ledger->promises[i].place != NEVER &&
			r->ledger->promises[i].place <= r->now.place;
	return made;
}

static const char *check_unseen_stores(struct replay *r)
{
	uint32_t top = tree_find(&r->state, "mail");
	struct str key = arena_fmt(r->arena, "%zu %llu %08x %zu",
		promises_made(r), (unsigned long long)r->now.when_us / 1000000,
		top ? stores_mark(&r->state, top) : 0, r->state.count);

	if (table_put(r->seen, key, r))
		return NULL;
	r->stores++;
	return check_stores(&r->now, &r->state, r->scratch);
}

static void try(struct replay *r)
{
	const char *trouble;

	if (r->quick && r->wrong)
		return;
	r->states++;
	arena_reset(r->arena);
	r->now.arena = r->arena;
	model_state(r->model, r->arena, r->items, r->item_count, r->choice,
		&r->state);
	/* before the queue's recovery changes the tree */
	trouble = check_unseen_stores(r);
	if (!trouble)
		trouble = check_mail(&r->now, &r->state);
	if (trouble)
		show(r, trouble);
}

static void choose_all(struct replay *r, bool lost)
{
	for (size_t i = 0; i < r->item_count; i++)
		r->choice[i] = lost ? r->items[i].others -
				(r->items[i].can_be_zero ||
					(r->items[i].others == 2)) :
				      0;
	for (size_t i = 0; lost && i < r->item_count; i++)
		if (r->choice[i] == 0)
			r->choice[i] = 1;
}

/* The n-th single deviation: its item and choice. */
struct single {
	size_t item;
	uint8_t choice;
};

static size_t singles_of(struct replay *r, struct single *singles,
	bool lost)
{
	size_t count = 0;

	for (size_t i = 0; i < r->item_count; i++)
		for (uint8_t c = 0; c <= r->items[i].others; c++)
			if (c != r->choice[i] &&
				(!lost || c == 0 || r->items[i].others > 1))
				singles[count++] = (struct single){ i, c };
	return count;
}

/* All of one base: singles, then pairs; at most `most`, evenly. */
static void try_around(struct replay *r, bool lost, uint64_t most)
{
	static struct single singles[MODEL_ITEMS_MOST * 6];
	uint64_t count, pairs, step, at = 0;

	choose_all(r, lost);
	try(r);
	count = singles_of(r, singles, lost);
	pairs = count * (count ? count - 1 : 0) / 2;
	if (count <= SMALL_MOST && most < pairs)
		most = most > pairs / 2 ? pairs : most;
	step = count > most ? (count + most - 1) / most : 1;
	for (uint64_t i = pick(r, (unsigned)step); i < count; i += step) {
		choose_all(r, lost);
		r->choice[singles[i].item] = singles[i].choice;
		try(r);
	}
	if (count >= most || pairs == 0)
		return;
	step = pairs > most - count ? (pairs + most - count - 1) /
			(most - count) : 1;
	at = pick(r, (unsigned)step);
	for (uint64_t i = 0, number = 0; i < count; i++)
		for (uint64_t k = i + 1; k < count; k++, number++) {
			if (number != at)
				continue;
			at += step;
			choose_all(r, lost);
			r->choice[singles[i].item] = singles[i].choice;
			r->choice[singles[k].item] = singles[k].choice;
			try(r);
		}
}

static void try_random(struct replay *r)
{
	for (unsigned i = 0; i < RANDOM && i < r->most; i++) {
		unsigned rate = 1 + pick(r, 9);

		for (size_t k = 0; k < r->item_count; k++)
			r->choice[k] = pick(r, 10) < rate ?
				(uint8_t)pick(r, r->items[k].others + 1u) : 0;
		try(r);
	}
}

static void power_cut(struct replay *r, const struct record *record)
{
	r->now.place = (const char *)record - r->map;
	r->now.when_us = record->when_us;
	r->moments++;
	r->item_count = model_items(r->model, r->items);
	try_around(r, false, r->most);
	if (r->item_count < 2)
		return;
	try_around(r, true, r->most);
	if (r->item_count > 2)
		try_random(r);
}

/* Does something depend on this moment? */
static bool is_promise(const struct replay *r, uint64_t place)
{
	for (size_t i = 0; i < r->ledger->count; i++)
		if (r->ledger->promises[i].place == (int64_t)place)
			return true;
	return false;
}

static const struct record *record_at(const struct replay *r, uint64_t at)
{
	const struct record *record = (const struct record *)(r->map + at);

	if (record->size < sizeof(*record) || at + record->size > r->end)
		panic("the log is damaged at %llu", (unsigned long long)at);
	return record;
}

static void run(struct replay *r)
{
	const struct record *record;

	for (uint64_t at = RECORD_HEAD; at < r->end; at += record->size) {
		record = record_at(r, at);
		ledger_moment(r->ledger, at, record);
	}
	for (uint64_t at = RECORD_HEAD; at < r->end; at += record->size) {
		bool changed;

		record = record_at(r, at);
		changed = model_apply(r->model, at, record);
		if ((changed || is_promise(r, at)) && !(r->quick && r->wrong))
			power_cut(r, record);
	}
}

static void read_sites(struct replay *r, const char *path, long ignored)
{
	FILE *sites = fopen(path, "re");
	unsigned long long place;
	long site;

	if (!sites)
		panic("%s: %m", path);
	while (fscanf(sites, "%llu %ld", &place, &site) == 2)
		if (site == ignored)
			model_ignore(r->model, place);
	fclose(sites);
}

static void open_log(struct replay *r)
{
	const char *path = arena_fmt(r->arena, "%s/log", r->folder).p;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		panic("%s: %m", path);
	r->map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (r->map == MAP_FAILED)
		panic("%s: %m", path);
	close(fd);
	memcpy(&r->end, r->map, sizeof(r->end));
}

static void quiet(enum log_level level, struct str line)
{
	if (level == LOG_LEVEL_PANIC || level == LOG_LEVEL_FATAL)
		fprintf(stderr, "%.*s\n", STR_ARG(line));
}

static struct replay *running;

/* Recovery must not crash, whatever it finds. */
static void crashed(int signal)
{
	show(running, "recovery crashed");
	fflush(stdout);
	_exit(128 + signal);
}

static void print_numbers(const struct replay *r)
{
	printf("%llu moments, %llu states, %llu mail stores, %llu wrong\n",
		(unsigned long long)r->moments, (unsigned long long)r->states,
		(unsigned long long)r->stores, (unsigned long long)r->wrong);
	fflush(stdout);
}

/* Asked to end before all was tried. */
static void interrupted(int signal)
{
	(void)signal;
	printf("not all of the log: ");
	print_numbers(running);
	_exit(running->wrong ? 1 : 3);
}

static bool take_options(struct replay *r, int argc, char **argv)
{
	const char *sites = NULL;
	long ignored = -1;
	int option;

	while ((option = getopt(argc, argv, "m:s:i:q")) != -1)
		if (option == 'm')
			r->most = strtoull(optarg, NULL, 10);
		else if (option == 's')
			sites = optarg;
		else if (option == 'i')
			ignored = strtol(optarg, NULL, 10);
		else if (option == 'q')
			r->quick = true;
		else
			return false;
	if (argc - optind != 2)
		return false;
	r->folder = argv[optind];
	r->scratch = argv[optind + 1];
	r->model = model_new(arena_fmt(r->arena, "%s/base", r->folder).p);
	if (sites && ignored >= 0)
		read_sites(r, sites, ignored);
	return true;
}

int main(int argc, char **argv)
{
	struct replay *r = mem_new(1, sizeof(*r));

	log_sink(quiet);
	running = r;
	signal(SIGSEGV, crashed);
	signal(SIGBUS, crashed);
	signal(SIGABRT, crashed);
	signal(SIGTERM, interrupted);
	r->arena = arena_new(0);
	r->most = 200;
	r->random = 1;
	r->seen = table_new();
	r->troubles = table_new();
	if (!take_options(r, argc, argv)) {
		fprintf(stderr, "usage: replay [-m MOST] [-s SITES] [-i SITE] "
				"[-q] FOLDER SCRATCH\n");
		return 2;
	}
	r->ledger = ledger_read(r->folder);
	r->now.ledger = r->ledger;
	open_log(r);
	run(r);
	for (size_t i = 0; i < r->ledger->count; i++)
		if (r->ledger->promises[i].place == NEVER)
			printf("promise %zu of the ledger is not in the "
			       "log\n", ++r->wrong);
	print_numbers(r);
	return r->wrong ? 1 : 0;
}
