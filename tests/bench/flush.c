/*
 * tests/bench/flush - what it costs to make files durable on a file system.
 *
 *	flush [-n FILES] [-t THREADS] FOLDER
 *
 * Messages of 4 KB in a Maildir each, a batch at a time, in the ways that
 * lib/agent/maildir knows: their data is made durable, then they get their names
 * in new/, then these. A flush of both is by itself (each file, each folder),
 * the same by some threads at once, or one syncfs(2). Then a queue's slots of 8
 * KB, written anew in a file that was filled with zeros: by one writer, by ten
 * with a file each, by ten who share a flush; where the file system can leave
 * it out, also without copy-on-write.
 *
 * A row: how many a second, microseconds of each of both flushes, of CPU of this
 * process and of all threads of the kernel (in steps of 10 ms), how often it
 * waited, flushes of the device, its writes. All but the first are for a file (a
 * slot). The last two do not depend on what else a machine does.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/log.h"
#include "base/span.h"

enum {
	FILE_OCTETS = 4096,
	SLOT_OCTETS = 8192,
	SLOTS = 1024,
	WRITERS = 10,
	FOLDERS = 100,
	BATCH_MOST = 50,
	THREADS_MOST = WRITERS,
};

static struct {
	unsigned files, threads;
	int base;
	char octets[SLOT_OCTETS];
	/* of the batch under way */
	unsigned count, first;
	int fds[BATCH_MOST];
	/* some threads that wait for work */
	sem_t begin[THREADS_MOST], end;
	void (*work)(unsigned item);
	unsigned items, workers;
	char device[64]; /* what the kernel counts for it */
} bench = { .files = 300, .threads = 3 };

static void must(bool is_fine, const char *what)
{
	if (!is_fine)
		log_fatal("%s: %m", what);
}

/* ---- files ---- */

static const char *path_of(char *path, const char *sub, unsigned item)
{
	unsigned number = bench.first + item;

	snprintf(path, 64, "m%u/%s/%u", number % FOLDERS, sub, number);
	return path;
}

static const char *folder_of(char *path, unsigned item)
{
	snprintf(path, 64, "m%u/new", (bench.first + item) % FOLDERS);
	return path;
}

static void fill(unsigned item, int fd)
{
	must(fd >= 0, "open");
	must(write(fd, bench.octets, FILE_OCTETS) == FILE_OCTETS, "write");
	bench.fds[item] = fd;
}

static void open_named(unsigned item)
{
	char path[64];

	fill(item, openat(bench.base, path_of(path, "tmp", item),
		O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
}

static void open_unnamed(unsigned item)
{
	char path[64];

	fill(item, openat(bench.base, folder_of(path, item),
		O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600));
}

static void give_name(unsigned item)
{
	char from[64], to[64];

	must(renameat(bench.base, path_of(from, "tmp", item), bench.base,
		path_of(to, "new", item)) == 0, "rename");
}

static void link_name(unsigned item)
{
	char path[64];

	must(linkat(bench.fds[item], "", bench.base,
		path_of(path, "new", item), AT_EMPTY_PATH) == 0, "link");
}

static void flush_file(unsigned item)
{
	must(fsync(bench.fds[item]) == 0, "fsync");
}

static void flush_folder(unsigned item)
{
	char path[64];
	int fd = openat(bench.base, folder_of(path, item),
		O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	must(fd >= 0 && fsync(fd) == 0, "fsync of a folder");
	close(fd);
}

/* ---- by whom ---- */

static void each(void (*work)(unsigned item))
{
	for (unsigned i = 0; i < bench.count; i++)
		work(i);
}

static void *helper(void *own)
{
	sem_t *begin = own;

	for (;;) {
		sem_wait(begin);
		for (unsigned i = (unsigned)(begin - bench.begin);
			i < bench.items; i += bench.workers)
			bench.work(i);
		sem_post(&bench.end);
	}
	return NULL;
}

static void start_helpers(void)
{
	sem_init(&bench.end, 0, 0);
	for (unsigned i = 0; i < THREADS_MOST; i++) {
		pthread_t thread;

		sem_init(&bench.begin[i], 0, 0);
		errno = pthread_create(&thread, NULL, helper, &bench.begin[i]);
		must(errno == 0, "thread");
	}
}

static void by_threads(void (*work)(unsigned item), unsigned items,
	unsigned workers)
{
	bench.work = work;
	bench.items = items;
	bench.workers = workers < items ? workers : items;
	for (unsigned i = 0; i < bench.workers; i++)
		sem_post(&bench.begin[i]);
	for (unsigned i = 0; i < bench.workers; i++)
		sem_wait(&bench.end);
}

static void together(void (*work)(unsigned item))
{
	by_threads(work, bench.count, bench.threads);
}

static void all_at_once(void (*work)(unsigned item))
{
	(void)work;
	must(syncfs(bench.base) == 0, "syncfs");
}

/* ---- what is counted ---- */

struct costs {
	int64_t user_us, kernel_ms, waits, flushes, writes;
};

/* The device that is mounted nearest above; the numbers of stat(2) are not its
 * ones on btrfs. */
static void find_device(const char *folder)
{
	char line[1024], top[256], source[256], path[PATH_MAX];
	size_t longest = 0;
	FILE *mounts = fopen("/proc/self/mountinfo", "re");

	must(mounts && realpath(folder, path), folder);
	while (fgets(line, sizeof(line), mounts)) {
		const char *end = strstr(line, " - ");
		struct stat st;

		if (!end || sscanf(line, "%*s %*s %*s %*s %255s", top) != 1 ||
			sscanf(end, " - %*s %255s", source) != 1 ||
			strncmp(path, top, strlen(top)) != 0 ||
			strlen(top) < longest || stat(source, &st) < 0)
			continue;
		longest = strlen(top);
		snprintf(bench.device, sizeof(bench.device),
			"/sys/dev/block/%u:%u/stat", major(st.st_rdev),
			minor(st.st_rdev));
	}
	fclose(mounts);
}

/* Fields 5 and 16 of what the kernel counts; none: 0. */
static void count_of_device(struct costs *costs)
{
	unsigned long writes = 0, flushes = 0;
	FILE *file = fopen(bench.device, "re");

	if (!file)
		return;
	if (fscanf(file, "%*u %*u %*u %*u %lu %*u %*u %*u %*u %*u %*u %*u %*u "
			 "%*u %*u %lu", &writes, &flushes) == 2) {
		costs->writes = (int64_t)writes;
		costs->flushes = (int64_t)flushes;
	}
	fclose(file);
}

/* Field 14 and 15 of those whose parent is kthreadd. */
static int64_t kernel_thread_ms(const char *pid)
{
	char path[64], line[1024], *at;
	unsigned long user = 0, system = 0;
	int parent = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	at = fgets(line, sizeof(line), file) ? strrchr(line, ')') : NULL;
	fclose(file);
	if (!at || sscanf(at, ") %*c %d %*d %*d %*d %*d %*d %*d %*d %*d %*d "
			"%lu %lu", &parent, &user, &system) != 3 || parent != 2)
		return 0;
	return (int64_t)(user + system) * 1000 / sysconf(_SC_CLK_TCK);
}

static int64_t kernel_ms(void)
{
	DIR *all = opendir("/proc");
	struct dirent *entry;
	int64_t sum = 0;

	must(all, "/proc");
	while ((entry = readdir(all)))
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
			sum += kernel_thread_ms(entry->d_name);
	closedir(all);
	return sum;
}

static int64_t us_of(struct timeval time)
{
	return (int64_t)time.tv_sec * 1000000 + time.tv_usec;
}

static struct costs costs_now(void)
{
	struct costs costs = { .kernel_ms = kernel_ms() };
	struct rusage used;

	getrusage(RUSAGE_SELF, &used);
	costs.user_us = us_of(used.ru_utime) + us_of(used.ru_stime);
	costs.waits = used.ru_nvcsw;
	count_of_device(&costs);
	return costs;
}

static int64_t us_since(struct moment begin)
{
	return moment_between(begin, moment_now()).us;
}

static void print_row(const char *name, unsigned batch, unsigned files,
	struct costs before, int64_t all_us, int64_t data_us, int64_t names_us)
{
	struct costs now = costs_now();
	double n = files;

	printf("%-22s %3u  %7.0f  %6.0f %6.0f  %6.0f %6.0f  %5.1f  "
	       "%7.2f %6.2f\n", name,
		batch, n * 1e6 / (double)all_us, (double)data_us / n,
		(double)names_us / n, (double)(now.user_us - before.user_us) / n,
		(double)(now.kernel_ms - before.kernel_ms) * 1000 / n,
		(double)(now.waits - before.waits) / n,
		(double)(now.flushes - before.flushes) / n,
		(double)(now.writes - before.writes) / n);
	fflush(stdout);
}

/* ---- Maildirs ---- */

static const struct way {
	const char *name;
	void (*open)(unsigned item);
	void (*give_name)(unsigned item);
	void (*flush)(void (*work)(unsigned item));       /* data */
	void (*flush_names)(void (*work)(unsigned item));
} ways[] = {
	{ "one by one",         open_named,   give_name, each,        each },
	{ "threads",            open_named,   give_name, together,    together },
	{ "syncfs, names each", open_named,   give_name, all_at_once, each },
	{ "syncfs",             open_named,   give_name, all_at_once, all_at_once },
	{ "syncfs, unnamed",    open_unnamed, link_name, all_at_once, all_at_once },
};

static void run_way(const struct way *way, unsigned batch)
{
	unsigned files = bench.files / batch * batch;
	int64_t data_us = 0, names_us = 0;
	struct costs before;
	struct moment begin;

	must(syncfs(bench.base) == 0, "syncfs");
	before = costs_now();
	begin = moment_now();
	bench.count = batch;
	for (unsigned done = 0; done < files; done += batch) {
		struct moment then;

		each(way->open);
		then = moment_now();
		way->flush(flush_file);
		data_us += us_since(then);
		each(way->give_name);
		for (unsigned i = 0; i < batch; i++)
			close(bench.fds[i]);
		then = moment_now();
		way->flush_names(flush_folder);
		names_us += us_since(then);
		bench.first += batch;
	}
	print_row(way->name, batch, files, before, us_since(begin), data_us,
		names_us);
}

static void make_folders(void)
{
	static const char *const subs[] = { "", "/tmp", "/new", "/cur" };
	char path[64];

	for (unsigned i = 0; i < FOLDERS; i++)
		for (size_t k = 0; k < COUNT(subs); k++) {
			snprintf(path, sizeof(path), "m%u%s", i, subs[k]);
			must(mkdirat(bench.base, path, 0700) == 0, "mkdir");
		}
}

/* ---- slots ---- */

/* True: asked to be written in place, where that is not what is done anyway. */
static bool leave_out_copies(int fd)
{
	int flags;

	return ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 &&
		(flags |= FS_NOCOW_FL,
			ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0);
}

static bool open_segments(bool in_place)
{
	bool is_as_asked = true;

	for (unsigned i = 0; i < WRITERS; i++) {
		char name[64];
		int fd;

		snprintf(name, sizeof(name), "segment-%d-%u", in_place, i);
		fd = openat(bench.base, name,
			O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		must(fd >= 0, "open");
		if (in_place && !leave_out_copies(fd))
			is_as_asked = false;
		for (unsigned k = 0; is_as_asked && k < SLOTS; k++)
			must(write(fd, bench.octets, SLOT_OCTETS) ==
				SLOT_OCTETS, "write");
		must(fsync(fd) == 0, "fsync");
		bench.fds[i] = fd;
	}
	must(syncfs(bench.base) == 0, "syncfs");
	return is_as_asked;
}

static void write_slot(unsigned writer)
{
	must(pwrite(bench.fds[writer], bench.octets, SLOT_OCTETS,
		(off_t)(bench.first % SLOTS) * SLOT_OCTETS) == SLOT_OCTETS,
		"write");
}

static void commit(unsigned writer)
{
	write_slot(writer);
	must(fdatasync(bench.fds[writer]) == 0, "fdatasync");
}

static void commit_alone(void)
{
	bench.first++;
	commit(0);
}

static void commit_each(void)
{
	bench.first++;
	by_threads(commit, WRITERS, WRITERS);
}

static void commit_shared(void)
{
	for (unsigned i = 0; i < WRITERS; i++) {
		bench.first++;
		write_slot(0);
	}
	must(fdatasync(bench.fds[0]) == 0, "fdatasync");
}

static void run_slots(const char *what, const char *how, void (*work)(void),
	unsigned each_time)
{
	unsigned slots = bench.files * 3 / each_time * each_time;
	struct costs before = costs_now();
	struct moment begin = moment_now();
	char name[64];
	int64_t all_us;

	for (unsigned done = 0; done < slots; done += each_time)
		work();
	all_us = us_since(begin);
	snprintf(name, sizeof(name), "%s%s", what, how);
	print_row(name, each_time, slots, before, all_us, all_us, 0);
}

static void run_journal(bool in_place)
{
	const char *what = in_place ? "slots, no copies" : "slots";

	if (open_segments(in_place)) {
		run_slots(what, "", commit_alone, 1);
		run_slots(what, ", each", commit_each, WRITERS);
		run_slots(what, ", shared", commit_shared, WRITERS);
	}
	for (unsigned i = 0; i < WRITERS; i++)
		close(bench.fds[i]);
}

/* ---- */

static void options(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "n:t:")) != -1)
		if (option == 'n')
			bench.files = (unsigned)atoi(optarg);
		else if (option == 't')
			bench.threads = (unsigned)atoi(optarg);
		else
			exit(1);
	if (optind + 1 != argc || bench.files < BATCH_MOST ||
		bench.threads < 1 || bench.threads > THREADS_MOST)
		log_fatal("usage: flush [-n FILES] [-t THREADS] FOLDER");
	bench.base = open(argv[optind], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(bench.base >= 0, argv[optind]);
}

int main(int argc, char **argv)
{
	static const unsigned batches[] = { 1, 2, 3, 5, 10, 50 };

	options(argc, argv);
	find_device(argv[optind]);
	memset(bench.octets, 'x', sizeof(bench.octets));
	start_helpers();
	make_folders();
	printf("%-22s %3s  %7s  %6s %6s  %6s %6s  %5s  %7s %6s\n", "", "at",
		"a second", "data", "names", "CPU", "kernel", "waits",
		"flushes", "writes");
	for (size_t i = 0; i < COUNT(batches); i++)
		for (size_t k = 0; k < COUNT(ways); k++)
			run_way(&ways[k], batches[i]);
	run_journal(false);
	run_journal(true);
	return 0;
}
