/*
 * fiber_bench - prints what a switch costs, and what 10,000 idle fibers take.
 *
 * Exit status 1 when a goal is missed: 200 ns, 200 MB.
 */
#include "io/fiber.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	SWITCHES = 2000000,
	IDLE = 10000,
	SWITCH_NS_MOST = 200,
	IDLE_MB_MOST = 200,
};

static struct io_event never;
static bool failed;

static void spin(void *context)
{
	(void)context;
	for (int i = 0; i < SWITCHES / 2; i++)
		io_yield();
}

static void idle(void *context)
{
	(void)context;
	if (io_event_wait(&never, span_s(3600)))
		failed = true;
}

/* Resident set, in KiB; page tables are not in it and added. */
static unsigned long kib_of(const char *field)
{
	FILE *status = fopen("/proc/self/status", "re");
	char line[256];
	unsigned long kib = 0;

	while (status && fgets(line, sizeof(line), status))
		if (strncmp(line, field, strlen(field)) == 0)
			sscanf(line + strlen(field), " %lu", &kib);
	if (status)
		fclose(status);
	return kib;
}

static void measure(void *context)
{
	unsigned long kib;

	(void)context;
	for (int i = 0; i < IDLE; i++)
		io_spawn("idle", idle, NULL);
	io_sleep(span_ms(1));
	kib = kib_of("VmRSS:") + kib_of("VmPTE:");
	printf("%zu idle fibers: %lu MB\n", io_fibers() - 1, kib / 1024);
	failed = failed || kib / 1024 > IDLE_MB_MOST;
	fflush(stdout);
	_exit(failed);
}

static void two(void *context)
{
	(void)context;
	io_spawn("spin", spin, NULL);
	io_spawn("spin", spin, NULL);
}

int main(void)
{
	struct moment start = moment_now();
	int64_t ns;

	io_run(two, NULL);
	ns = moment_between(start, moment_now()).us * 1000 / SWITCHES;
	printf("switch: %lld ns\n", (long long)ns);
	failed = ns > SWITCH_NS_MOST;
	io_event_init(&never);
	io_run(measure, NULL);
	return 1;
}
