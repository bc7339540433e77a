/*
 * queue/ask - how commands ask the running suite.
 */
#include "queue/ask.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "service/programs.h"

FILE *ask_open(const struct conf *conf, const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct str row = service_named(conf, str_from(name));
	int len = snprintf(address.sun_path, sizeof(address.sun_path),
		"%.*s/public/%.*s", STR_ARG(conf->queue_directory),
		STR_ARG(row));
	FILE *ask;

	if (fd < 0)
		return NULL;
	if (len < 0 || (size_t)len >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return NULL;
	ask = fdopen(fd, "r+");
	if (ask)
		fd_keep(&fd);
	return ask;
}

bool ask_send(FILE *ask, struct str request)
{
	return fprintf(ask, "%.*s\n", STR_ARG(request)) > 0 &&
		fflush(ask) == 0;
}

bool ask_line(FILE *ask, struct arena *arena, struct str *line)
{
	char *text = NULL;
	size_t capacity = 0;
	ssize_t len = getline(&text, &capacity, ask);

	if (len > 0 && text[len - 1] == '\n') {
		*line = arena_copy(arena, str_of(text, (size_t)len - 1));
		free(text);
		return true;
	}
	free(text);
	return false;
}
