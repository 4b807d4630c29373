#include "poison.h"

#include "landlock.h"

#include <stdint.h>
#include <sys/syscall.h>

/* The kernel's structure as of ABI 6.  An older kernel takes a longer structure if what it does not know is
 * 0. */
struct ruleset {
	uint64_t fs, net, scope;
};
enum { VERSION_FLAG = 1, ABI_REFER = 2, ABI_TRUNCATE = 3, ABI_NET = 4, ABI_IOCTL = 5, ABI_SCOPE = 6 };

int landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, VERSION_FLAG);
	return abi > 0 ? (int)abi : 0;
}

/* Handles all that this ABI can handle: what is handled and not allowed by a rule is refused, and there is
 * no rule. */
static struct ruleset everything(int abi)
{
	struct ruleset all = { .fs = (1u << 13) - 1 };
	all.fs |= abi >= ABI_REFER ? 1u << 13 : 0;
	all.fs |= abi >= ABI_TRUNCATE ? 1u << 14 : 0;
	all.fs |= abi >= ABI_IOCTL ? 1u << 15 : 0;
	all.net = abi >= ABI_NET ? 3 : 0;
	all.scope = abi >= ABI_SCOPE ? 3 : 0;
	return all;
}

enum status landlock_forbid_all(void)
{
	int abi = landlock_abi();
	if (abi == 0) {
		return ST_OK;
	}
	struct ruleset all = everything(abi);
	long fd = syscall(SYS_landlock_create_ruleset, &all, sizeof all, 0);
	if (fd < 0) {
		return ST_IO;
	}
	long refused = syscall(SYS_landlock_restrict_self, (int)fd, 0);
	(void)close((int)fd);
	return refused ? ST_IO : ST_OK;
}
