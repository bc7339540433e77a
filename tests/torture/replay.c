/*
 * replay - every state that a power cut may leave of a recorded run, and
 * whether all that was promised is there.
 *
 *	replay [-m MOST] [-s SITES] [-i SITE] [-nq] FOLDER SCRATCH
 *
 * At each moment of the log at which something changed that a power cut may
 * undo, or at which something was promised, states are built (cuts.h), at most
 * MOST of each sort, recovered and checked.
 *
 * -s: lines "PLACE SITE": which call site made the flush that began there;
 * -i: the flushes of that site do nothing, and only states that come from that
 * are tried, all of them, or (-n) those at promises and right after the
 * flushes; -q: stops at the first trouble.
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
#include "cuts.h"

enum {
	SHOWN_MOST = 10,
	NEAR = 3, /* -n: moments after an ignored flush */
};

struct replay {
	const char *folder, *scratch;
	const char *map; /* the log */
	uint64_t end;
	struct model *model;
	struct ledger *ledger;
	struct arena *arena; /* of a state */
	struct cuts cuts;
	struct table *seen;     /* mail stores that were checked */
	struct table *troubles; /* that were shown: each once */
	uint64_t states, moments, stores, wrong;
	bool quick, is_proof, near, is_warned;
	unsigned since_flush; /* moments since an ignored one */
	struct now now;
	struct model_tree state;
};

static struct replay *running;

static void show(struct replay *r, const char *trouble)
{
	auto_buf struct buf out = { 0 };
	unsigned shown = 0;

	r->wrong++;
	if (table_put(r->troubles, str_from(trouble), r) ||
		table_count(r->troubles) > SHOWN_MOST)
		return;
	for (size_t i = 0; i < r->cuts.count; i++) {
		if (!r->cuts.choice[i] || shown++ > 8)
			continue;
		buf_text(&out, "\n    ");
		model_describe(
			r->model, &out, &r->cuts.items[i], r->cuts.choice[i]);
	}
	printf("at %lld of the log: %s; of %zu unflushed things lost:%.*s%s\n",
		(long long)r->now.place, trouble, r->cuts.count,
		STR_ARG(buf_str(&out)), shown > 9 ? "\n    ..." : "");
}

/* What the mail stores look like: each file and name below mail/. */
static uint32_t stores_mark(const struct model_tree *state, uint32_t node)
{
	const struct model_node *n = state->nodes[node];
	uint32_t mark =
		crc32c(0, str_of((const char *)&n->size, sizeof(n->size)));

	mark = crc32c(mark,
		str_of((const char *)&n->modified_s, sizeof(n->modified_s)));
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

static void try(void *context)
{
	struct replay *r = context;
	const char *trouble;

	if (r->quick && r->wrong)
		return;
	r->states++;
	arena_reset(r->arena);
	r->now.arena = r->arena;
	model_state(r->model, r->arena, r->cuts.items, r->cuts.count,
		r->cuts.choice, &r->state);
	/* before the queue's recovery changes the tree */
	trouble = check_unseen_stores(r);
	r->is_warned = false;
	if (!trouble)
		trouble = check_mail(&r->now, &r->state);
	if (!trouble && r->is_warned)
		trouble = "a segment that cannot be used";
	if (trouble)
		show(r, trouble);
}

static void power_cut(struct replay *r, const struct record *record)
{
	r->now.place = (const char *)record - r->map;
	r->now.when_us = record->when_us;
	r->moments++;
	if (r->is_proof)
		cuts_try_owed(&r->cuts);
	else
		cuts_try(&r->cuts);
}

/* Does something depend on this moment? */
static bool is_promise(const struct replay *r, uint64_t place)
{
	for (size_t i = 0; i < r->ledger->count; i++)
		if (r->ledger->promises[i].place == (int64_t)place)
			return true;
	return false;
}

/* Is something tried at this moment? */
static bool is_wanted(struct replay *r, uint64_t at, bool changed, bool ignored)
{
	bool promise = is_promise(r, at);

	r->since_flush = ignored ? 0 : r->since_flush + changed;
	if (r->quick && r->wrong)
		return false;
	if (!r->near)
		return changed || promise || (ignored && r->is_proof);
	return ignored || promise || (changed && r->since_flush <= NEAR);
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
		bool changed, ignored;

		record = record_at(r, at);
		changed = model_apply(r->model, at, record);
		ignored = record->op == OP_FLUSHED &&
			  model_is_ignored(r->model, record->a);
		if (is_wanted(r, at, changed, ignored))
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

/* A segment that nobody can use any more stays for good. */
static void hear(enum log_level level, struct str line)
{
	if (str_ends(line, STR(": not used")) ||
		str_ends(line, STR(": not read")))
		running->is_warned = true;
	if (level == LOG_LEVEL_PANIC || level == LOG_LEVEL_FATAL)
		fprintf(stderr, "%.*s\n", STR_ARG(line));
}

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

	while ((option = getopt(argc, argv, "m:s:i:nq")) != -1)
		if (option == 'm')
			r->cuts.most = strtoull(optarg, NULL, 10);
		else if (option == 's')
			sites = optarg;
		else if (option == 'i')
			ignored = strtol(optarg, NULL, 10);
		else if (option == 'n')
			r->near = true;
		else if (option == 'q')
			r->quick = true;
		else
			return false;
	if (argc - optind != 2)
		return false;
	r->folder = argv[optind];
	r->scratch = argv[optind + 1];
	r->model = model_new(arena_fmt(r->arena, "%s/base", r->folder).p);
	r->cuts.model = r->model;
	r->cuts.try = try;
	r->cuts.context = r;
	r->is_proof = sites && ignored >= 0;
	if (r->is_proof)
		read_sites(r, sites, ignored);
	return true;
}

int main(int argc, char **argv)
{
	struct replay *r = mem_new(1, sizeof(*r));

	log_sink(hear);
	running = r;
	signal(SIGSEGV, crashed);
	signal(SIGBUS, crashed);
	signal(SIGABRT, crashed);
	signal(SIGTERM, interrupted);
	r->arena = arena_new(0);
	r->cuts.most = 200;
	r->cuts.random = 1;
	r->seen = table_new();
	r->troubles = table_new();
	if (!take_options(r, argc, argv)) {
		fprintf(stderr, "usage: replay [-m MOST] [-s SITES] [-i SITE] "
				"[-nq] FOLDER SCRATCH\n");
		return 2;
	}
	r->ledger = ledger_read(r->folder);
	r->now.ledger = r->ledger;
	open_log(r);
	run(r);
	for (size_t i = 0; i < r->ledger->count; i++)
		if (r->ledger->promises[i].place == NEVER)
			printf("promise %zu of the ledger is not in the "
			       "log\n",
				++r->wrong);
	print_numbers(r);
	return r->wrong ? 1 : 0;
}
