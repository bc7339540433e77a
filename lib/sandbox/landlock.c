/*
 * sandbox/landlock - which files, ports and processes remain in reach.
 */
#include "sandbox/profile.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Rights and scopes newer than the oldest headers we build with. */
#define RIGHT_REFER (1ULL << 13)     /* level 2 */
#define RIGHT_TRUNCATE (1ULL << 14)  /* level 3 */
#define RIGHT_IOCTL_DEV (1ULL << 15) /* level 5 */
#define NET_BIND_TCP (1ULL << 0)     /* level 4 */
#define NET_CONNECT_TCP (1ULL << 1)
#define SCOPE_ABSTRACT (1ULL << 0)   /* level 6 */
#define SCOPE_SIGNAL (1ULL << 1)

/* The attribute as of level 6; older kernels take a prefix. */
struct ruleset_attr {
	uint64_t files, network, scopes;
};

static const uint64_t file_rights = LANDLOCK_ACCESS_FS_EXECUTE |
	LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE |
	RIGHT_TRUNCATE | RIGHT_IOCTL_DEV;
static const uint64_t read_rights =
	LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
static const uint64_t write_rights = LANDLOCK_ACCESS_FS_WRITE_FILE |
	LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
	LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
	LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_SYM |
	RIGHT_REFER | RIGHT_TRUNCATE;

int sandbox_landlock_level(void)
{
	long level = syscall(SYS_landlock_create_ruleset, NULL, 0,
		LANDLOCK_CREATE_RULESET_VERSION);

	return level < 0 ? 0 : (int)level;
}

/* All file rights that a level knows. */
static uint64_t known_rights(int level)
{
	static const int bits[] = { [1] = 13, [2] = 14, [3] = 15, [4] = 15,
		[5] = 16 };
	int at = level < 5 ? level : 5;

	return (1ULL << bits[at]) - 1;
}

static size_t attr_size(int level)
{
	return level >= 6 ? 24 : level >= 4 ? 16 : 8;
}

/*
 * Linking and renaming between directories is denied by every rule set that
 * does not grant it, even by one that has no other file rights, as soon as a
 * later one (of a child that works for one user) has some.
 */
static void allow_refer(const struct landlock *landlock)
{
	struct landlock_path_beneath_attr beneath = {
		.allowed_access = RIGHT_REFER,
	};
	auto_close int fd = open("/", O_PATH | O_CLOEXEC);

	beneath.parent_fd = fd;
	if (fd < 0 || syscall(SYS_landlock_add_rule, landlock->fd,
			      LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) < 0)
		log_fatal("sandbox: landlock rule for /: %m");
}

struct landlock landlock_begin(bool files, bool network)
{
	struct landlock landlock = {
		.fd = -1,
		.level = sandbox_landlock_level(),
		.files = files,
	};
	struct ruleset_attr attr = { 0 };

	if (landlock.level == 0)
		return landlock;
	if (files)
		attr.files = known_rights(landlock.level);
	else if (landlock.level >= 2)
		attr.files = RIGHT_REFER;
	if (landlock.level >= 4 && !network)
		attr.network = NET_BIND_TCP | NET_CONNECT_TCP;
	if (landlock.level >= 6)
		attr.scopes = SCOPE_ABSTRACT | SCOPE_SIGNAL;
	if (!attr.files && !attr.network && !attr.scopes)
		return landlock;
	landlock.fd = (int)syscall(SYS_landlock_create_ruleset, &attr,
		attr_size(landlock.level), 0);
	if (landlock.fd < 0)
		log_fatal("sandbox: landlock_create_ruleset: %m");
	if (attr.files == RIGHT_REFER)
		allow_refer(&landlock);
	return landlock;
}

static uint64_t rights_of(char letter)
{
	if (letter == 'w')
		return read_rights | write_rights;
	if (letter == 'x')
		return read_rights | LANDLOCK_ACCESS_FS_EXECUTE;
	return read_rights;
}

void landlock_allow(struct landlock *landlock, const struct path_rule *rule)
{
	struct landlock_path_beneath_attr beneath = {
		.allowed_access =
			rights_of(rule->rights) & known_rights(landlock->level),
	};
	auto_close int fd = -1;
	struct stat st;

	if (landlock->fd < 0 || !landlock->files)
		return;
	fd = open(rule->path, O_PATH | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		if (errno != ENOENT)
			log_fatal("sandbox: open %s: %m", rule->path);
		return;
	}
	if (!S_ISDIR(st.st_mode))
		beneath.allowed_access &= file_rights;
	beneath.parent_fd = fd;
	if (syscall(SYS_landlock_add_rule, landlock->fd,
		    LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) < 0)
		log_fatal("sandbox: landlock rule for %s: %m", rule->path);
}

void landlock_close(struct landlock *landlock)
{
	if (landlock->fd < 0)
		return;
	if (syscall(SYS_landlock_restrict_self, landlock->fd, 0) < 0)
		log_fatal("sandbox: landlock_restrict_self: %m");
	close(landlock->fd);
	landlock->fd = -1;
}
