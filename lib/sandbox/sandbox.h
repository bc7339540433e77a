/*
 * sandbox/sandbox - the privilege profile of a daemon, and taking it.
 *
 * sandbox/profiles.def has a row per profile: user, root directory, seccomp
 * rule set, Landlock rights, capabilities kept, resource limits. sandbox_close
 * applies all of it, in order, and ends the process if any part is refused
 * that this kernel offers.
 */
#ifndef SANDBOX_SANDBOX_H
#define SANDBOX_SANDBOX_H

#include "base/base.h"
#include "config/config.h"

enum profile {
#define PROFILE(name, ...) PROFILE_##name,
#include "sandbox/profiles.def"
#undef PROFILE
	PROFILES_END
};

#endif
