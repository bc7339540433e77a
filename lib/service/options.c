#include "service/inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"

enum { OVERRIDES_MOST = 256 };

static _Noreturn void say_usage(FILE *to, int status)
{
	fprintf(to, "usage: %s [-sS] [-v] [-c DIRECTORY] [-o NAME=VALUE] ...\n"
		"%s is started by master(8); -s runs one session on standard "
		"input and output.\n",
		self.service->name, self.service->name);
	exit(status);
}

static unsigned parse_number(const char *text)
{
	uint64_t number;

	if (!str_parse_u64(str_from(text), 1000000, &number) || number == 0)
		log_fatal("-m %s: not a number of clients", text);
	return (unsigned)number;
}

/* --help and --version, and nothing else that is long. */
static void look_at_long(int argc, char **argv)
{
	if (argc < 2 || strncmp(argv[1], "--", 2) != 0)
		return;
	if (strcmp(argv[1], "--help") == 0)
		say_usage(stdout, 0);
	if (strcmp(argv[1], "--version") == 0) {
		printf("%s (posthorn) %s\n", self.service->name,
			PACKAGE_VERSION);
		exit(0);
	}
	say_usage(stderr, 1);
}

void options_read(int argc, char **argv)
{
	static const char *overrides[OVERRIDES_MOST];
	size_t count = 0;
	const char *directory = NULL;
	int option;

	look_at_long(argc, argv);
	while ((option = getopt(argc, argv, "+c:Dm:n:o:sSt:v")) != -1) {
		switch (option) {
		case 'c':
			directory = optarg;
			break;
		case 'D': /* a debugger is attached by hand here */
			break;
		case 'm':
			self.most = parse_number(optarg);
			break;
		case 'n':
			self.name = optarg;
			break;
		case 'o':
			if (count >= OVERRIDES_MOST)
				log_fatal("too many -o options");
			overrides[count++] = optarg;
			break;
		case 'S': /* sendmail -bs */
			self.is_local = true;
			self.alone = true;
			break;
		case 's':
			self.alone = true;
			break;
		case 't':
			self.type = optarg;
			break;
		case 'v':
			log_verbose(true);
			break;
		default:
			say_usage(stderr, 1);
		}
	}
	self.conf = conf_load(self.arena,
		&(struct conf_wanted){
			.directory = directory,
			.program = self.service->name,
			.service = self.name,
			.overrides = overrides,
			.override_count = count,
			.params = self.service->params,
		});
}
