/* doctor.c - looks at the machine and the data directory; each finding says what to do. */
#include "poison.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <sys/vfs.h>

#include "commands.h"
#include "sandbox.h"

enum { FILES_WANTED = 4096 };

struct doctor {
	unsigned good, advice, bad;
};

static void tell_good(struct doctor *d, const char *what)
{
	d->good++;
	(void)printf("good    %s\n", what);
}

static void tell_advice(struct doctor *d, const char *what, const char *remedy)
{
	d->advice++;
	(void)printf("advice  %s: %s\n", what, remedy);
}

static void tell_bad(struct doctor *d, const char *what, const char *remedy)
{
	d->bad++;
	(void)printf("BAD     %s: %s\n", what, remedy);
}

static void check_directory(struct doctor *d, const struct config *c)
{
	struct stat info;
	if (stat(c->data, &info)) {
		tell_advice(d, "there is no data directory yet", "`darkroom serve` makes one");
		return;
	}
	if (info.st_mode & 077)
		tell_bad(d, "others may look into the data directory", "chmod 700 it");
	else
		tell_good(d, "the data directory is private");
}

static void check_root_key(struct doctor *d, const struct config *c)
{
	char path[CONFIG_TEXT_MAX];
	struct stat key, data;
	int n = c->root_key[0] ? snprintf(path, sizeof path, "%s", c->root_key)
			       : snprintf(path, sizeof path, "%s/root.key", c->data);
	if (n < 0 || (size_t)n >= sizeof path || stat(path, &key) || stat(c->data, &data))
		return;
	if (key.st_mode & 077)
		tell_bad(d, "the root key can be read by others", "chmod 600 it");
	else
		tell_good(d, "the root key is private");
	if (key.st_dev == data.st_dev)
		tell_advice(d, "the root key lies on the data disk",
			"in production give --root-key a path on another one");
	else
		tell_good(d, "the root key is off the data disk");
}

static void check_file_system(struct doctor *d, const struct config *c)
{
	/* statfs(2) */
	const uint32_t btrfs = 0x9123683E, zfs = 0x2FC12FC1, bcachefs = 0xCA451A4E, overlay = 0x794C7630,
		       nfs = 0x6969;
	struct statfs info;
	const char *place = c->keys[0] ? c->keys : c->data;
	if (statfs(place, &info))
		return;
	uint32_t kind = (uint32_t)info.f_type;
	if (kind == btrfs || kind == zfs || kind == bcachefs || kind == overlay)
		tell_bad(d, "the keyring lies on a copy-on-write file system",
			"keys cannot be overwritten in place there; give --keys a "
			"directory on ext4 or xfs");
	else if (kind == nfs)
		tell_bad(d, "the data directory lies on a network file system",
			"SQLite and the keyring need a local one");
	else
		tell_good(d, "the keyring's file system overwrites in place");
}

static void check_space(struct doctor *d, const struct config *c)
{
	struct statvfs info;
	if (statvfs(c->data, &info))
		return;
	uint64_t bytes = (uint64_t)info.f_bavail * info.f_frsize;
	(void)printf("        %llu MiB free, %llu inodes free\n", (unsigned long long)(bytes >> 20),
		(unsigned long long)info.f_favail);
	if (bytes < (uint64_t)c->disk_reserve * 4)
		tell_bad(d, "the disk is nearly full", "make room; uploads are refused below disk_reserve");
	else
		tell_good(d, "there is room on the disk");
}

static void check_clock(struct doctor *d)
{
	struct timex state = { .modes = 0 };
	if (adjtimex(&state) == TIME_ERROR || (state.status & STA_UNSYNC))
		tell_advice(d, "the kernel says that the clock is not synchronised",
			"run an NTP client; a leap of over an hour holds key "
			"destruction");
	else
		tell_good(d, "the clock is synchronised");
}

static void check_kernel(struct doctor *d)
{
	struct sandbox_features f = sandbox_probe();
	if (f.has_seccomp)
		tell_good(d, "seccomp confines the decoders");
	else
		tell_bad(d, "the kernel has no seccomp filters",
			"pictures are not decoded without them; use another kernel");
	if (f.landlock_abi > 0)
		tell_good(d, "Landlock confines the decoders as well");
	else
		tell_advice(d, "the kernel has no Landlock",
			"seccomp alone confines the decoders; Linux 5.13 or later adds it");
}

static void check_limits(struct doctor *d, const struct config *c)
{
	struct rlimit files, locked;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < FILES_WANTED)
		tell_advice(d, "few open files are allowed",
			"raise the limit to 4096 or more (ulimit -n, LimitNOFILE=)");
	else
		tell_good(d, "enough files may be open");
	if (getrlimit(RLIMIT_MEMLOCK, &locked) == 0 && locked.rlim_cur < 65536)
		tell_advice(d, "memory cannot be locked",
			"keys could be swapped out; raise the limit (ulimit -l) or switch swap off");
	else
		tell_good(d, "keys stay out of swap");
	if ((uint64_t)c->http_threads * 2 > files.rlim_cur)
		tell_bad(d, "http_threads is over half of the open files allowed",
			"lower it or raise the limit");
}

/* The host's addresses as a server would see them: /etc/hosts and DNS, without the host's modules. */
static int resolve(const char *name)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *all = NULL;
	int rc = getaddrinfo(name, NULL, &hints, &all);
	if (rc) {
		(void)fprintf(stderr, "darkroom: %s: %s\n", name, gai_strerror(rc));
		return EXIT_NO_INPUT;
	}
	for (struct addrinfo *a = all; a; a = a->ai_next) {
		char text[NI_MAXHOST];
		if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) == 0)
			(void)printf("%s\n", text);
	}
	freeaddrinfo(all);
	return EXIT_DONE;
}

int command_doctor(const struct config *config, int argc, char **argv)
{
	struct doctor d = { 0 };
	const char *name = command_take_value(&argc, argv, "--resolve");
	int code = command_no_words(argc, argv,
		"usage: darkroom doctor [--data DIR] [--resolve NAME]\n"
		"checks disk, permissions, clock, kernel, limits; --resolve also looks up a host name\n");
	if (code >= 0)
		return code;
	if (name)
		return resolve(name);
	check_directory(&d, config);
	check_root_key(&d, config);
	check_file_system(&d, config);
	check_space(&d, config);
	check_clock(&d);
	check_kernel(&d);
	check_limits(&d, config);
	(void)printf("%u good, %u advice, %u bad\n", d.good, d.advice, d.bad);
	return d.bad ? EXIT_SOME_FAILED : EXIT_DONE;
}
