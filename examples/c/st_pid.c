/*
 * The C twin of `cargo run --example st_pid`. It has never heard of shm-core: it knows a struct, a key, and the three
 * system calls. Let the Rust program run first, so that it can make the segment with room for what protects the struct;
 * this one finds the struct at the beginning, as always.
 *
 *   cc -std=c11 -Wall -Wextra -Werror -pedantic -o st_pid st_pid.c
 */
#define _XOPEN_SOURCE 700

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <unistd.h>

struct st_pid {
	int pid;
	char names[51];
};

static const char USAGE[] =
	"Usage: st_pid [--key KEY] [--sleep SECONDS] [--remove] NAME\n"
	"       st_pid [--key KEY] --remove\n"
	"\n"
	"Shares `struct st_pid { int pid; char names[51]; }` under a System V key: prints what is there, puts its own pid and NAME\n"
	"in, and prints again.\n"
	"\n"
	"  --key KEY        another key than 0x1234\n"
	"  --sleep SECONDS  stay attached for so long\n"
	"  --remove         remove the segment at the end\n"
	"  --help           print this\n";

static int misused(const char *what, const char *text)
{
	fprintf(stderr, "st_pid: %s%s\n\n%s", what, text, USAGE);
	return 2;
}

static int failed(const char *call, key_t key)
{
	fprintf(stderr, "st_pid: %s on segment 0x%08x: %s\n", call, (unsigned)key, strerror(errno));
	return 1;
}

/* The whole text is a number, in C's notation. */
static int number(const char *text, unsigned long max, unsigned long *value)
{
	char *end;

	errno = 0;
	*value = strtoul(text, &end, 0);
	return errno == 0 && *text >= '0' && *text <= '9' && *end == '\0' && *value <= max;
}

/* strcpy would write over whatever lies behind the array; this stops at its end, and says so before a byte is shared. */
static int copy_name(char *to, size_t size, const char *name)
{
	int length = snprintf(to, size, "%s", name);

	if (length >= 0 && (size_t)length < size)
		return 0;
	fprintf(stderr, "st_pid: a name of %d bytes does not fit: shorten it to %d\n", length, (int)size - 1);
	return -1;
}

static void print(const struct st_pid *shared)
{
	/* The precision is the end of the array: another program may have left no NUL in it. */
	printf("pid=%d,name=%.*s\n", shared->pid, (int)sizeof shared->names, shared->names);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	const char *name = NULL;
	unsigned long value, key_bits = 0x1234, seconds = 0;
	int removing = 0, options = 1, id, i;
	struct st_pid *shared;
	char names[sizeof shared->names] = { 0 };
	key_t key;

	for (i = 1; i < argc; i++) {
		if (options && strcmp(argv[i], "--") == 0) {
			options = 0;
		} else if (options && strcmp(argv[i], "--help") == 0) {
			fputs(USAGE, stdout);
			return 0;
		} else if (options && strcmp(argv[i], "--remove") == 0) {
			removing = 1;
		} else if (options && strcmp(argv[i], "--key") == 0) {
			if (++i == argc)
				return misused("--key needs a value", "");
			if (!number(argv[i], 0xffffffff, &value) || value == 0) {
				fprintf(stderr, "st_pid: \"%s\" is no key; write a number such as 0x1234\n", argv[i]);
				return 1;
			}
			key_bits = value;
		} else if (options && strcmp(argv[i], "--sleep") == 0) {
			if (++i == argc || !number(argv[i], 86400, &seconds))
				return misused("--sleep needs a number of seconds, at most a day", "");
		} else if (options && argv[i][0] == '-' && argv[i][1] != '\0') {
			return misused("unknown option ", argv[i]);
		} else if (name != NULL) {
			return misused("one name is enough: ", argv[i]);
		} else {
			name = argv[i];
		}
	}
	if (name == NULL && !removing)
		return misused("a NAME is missing", "");
	if (name != NULL && copy_name(names, sizeof names, name) == -1)
		return 1;

	key = (key_t)key_bits;
	id = shmget(key, sizeof(struct st_pid), 0640);
	if (id == -1 && errno == ENOENT && name != NULL)
		id = shmget(key, sizeof(struct st_pid), IPC_CREAT | 0640);
	if (id == -1)
		return failed("shmget", key);
	shared = shmat(id, NULL, 0);
	if (shared == (void *)-1)
		return failed("shmat", key);

	print(shared);
	if (name != NULL) {
		shared->pid = (int)getpid();
		memcpy(shared->names, names, sizeof names);
		print(shared);
	}
	sleep((unsigned)seconds);

	if (shmdt(shared) == -1)
		return failed("shmdt", key);
	if (removing && shmctl(id, IPC_RMID, NULL) == -1)
		return failed("shmctl(IPC_RMID)", key);
	return 0;
}
