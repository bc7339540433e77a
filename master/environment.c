#include "master/state.h"

#include "config/list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { KEPT_MOST = 128 };

/* The environment of all children: what import_environment names. */
void environment_clean(const struct conf *conf, const char *directory)
{
	struct arena *arena = state.arena;
	struct str list = conf->import_environment, item;
	const char *names[KEPT_MOST], *values[KEPT_MOST];
	const char *notify = getenv("NOTIFY_SOCKET");
	size_t count = 0;

	while (count < KEPT_MOST && list_take(&list, &item)) {
		const char *name, *value;
		size_t at;

		list_unbrace(&item); /* { NAME = a value } */
		at = str_find_char(item, '=');
		name = arena_cstr(arena, str_trim(str_first(item,
			at == SIZE_MAX ? item.len : at)));
		value = at == SIZE_MAX ? getenv(name) : arena_cstr(arena,
			str_trim(str_skip(item, at + 1)));
		if (!value || !*name)
			continue;
		names[count] = name;
		values[count++] = arena_cstr(arena, str_from(value));
	}
	notify = notify ? arena_cstr(arena, str_from(notify)) : NULL;
	clearenv();
	setenv("PATH", "/usr/bin:/bin:/usr/sbin:/sbin", 1);
	for (size_t i = 0; i < count; i++)
		setenv(names[i], values[i], 1);
	setenv("MAIL_CONFIG", directory, 1);
	if (notify)
		setenv("NOTIFY_SOCKET", notify, 1);
}

/* A datagram to systemd, as sd_notify(3) describes it. */
void notify_systemd(const char *message)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	auto_close int fd = -1;
	char text[256];
	struct timespec now;
	socklen_t len;
	int text_len;

	if (!path || (path[0] != '/' && path[0] != '@') ||
		strlen(path) >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, path, strlen(path));
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
		strlen(path));
	clock_gettime(CLOCK_MONOTONIC, &now);
	text_len = snprintf(text, sizeof(text),
		"%s\nMAINPID=%d\nMONOTONIC_USEC=%lld\n", message,
		(int)getpid(), (long long)now.tv_sec * 1000000 +
			now.tv_nsec / 1000);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || sendto(fd, text, (size_t)text_len, MSG_NOSIGNAL,
			      (struct sockaddr *)&address, len) < 0)
		log_warning("notify %s: %m", path);
}
