#include "mailbox/stand.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[80];

static const struct {
	const char *path, *text;
} messages[] = {
	{ "new/1.a.x", "From: a@example.net\nTo: joe@example.org\n"
		"Subject: one\nDate: Sun, 29 Nov 2026 10:00:00 +0000\n\n"
		"body\n.dot\n" },
	{ "cur/2.b.x:2,S", "From: =?utf-8?q?J=C3=B6?= <j@example.net>\n"
		"Message-ID: <2@example.net>\nMIME-Version: 1.0\n"
		"Content-Type: multipart/mixed; boundary=b\n\npre\n--b\n"
		"Content-Type: text/plain; charset=utf-8\n\ntext\n--b\n"
		"Content-Type: message/rfc822\n\nSubject: inner\n\ninner\n"
		"--b--\n" },
};

static void must(bool good)
{
	if (!good)
		panic("%s: %m", folder);
}

static void put(const char *name, const char *text)
{
	char path[160];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "we");
	must(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void make(const char *name)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	must(mkdir(path, 0700) == 0);
}

struct mailbox_store *stand_store_open(const char *layout)
{
	char location[160];
	struct mailbox_store *store;

	snprintf(folder, sizeof(folder), "%s/posthorn-stand-XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	must(mkdtemp(folder) != NULL);
	make("cur");
	make("new");
	make("tmp");
	for (size_t i = 0; i < COUNT(messages); i++)
		put(messages[i].path, messages[i].text);
	snprintf(location, sizeof(location), "%s:LAYOUT=%s", folder, layout);
	store = mailbox_store_open(location);
	must(store && mailbox_store_create(store, STR("x")) == MAILBOX_OK);
	return store;
}

static int remove_one(const char *path, const struct stat *st, int type,
	struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

int stand_folder_make(char *dir)
{
	snprintf(dir, 64, "/tmp/posthorn-stand.XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

int stand_folder_remove(const char *dir)
{
	return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void stand_store_close(struct mailbox_store *store)
{
	mailbox_store_close(store);
	must(stand_folder_remove(folder) == 0);
}
