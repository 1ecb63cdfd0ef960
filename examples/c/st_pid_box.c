/*
 * Shares struct st_pid with Rust programs as one of them: with versions, whole values, and a lock that outlives its
 * owner's death. All of that is in the header, which `cargo run --example c_header` prints; there is nothing to link.
 *
 *   cc -std=c11 -Wall -Wextra -Werror -pedantic -o st_pid_box st_pid_box.c
 *   cargo run --example st_pid -- alice
 *   ./st_pid_box bob        prints what is there, and puts bob in its place
 *   ./st_pid_box            prints each value from now on
 */
#include "st_pid.h"

#include <stdio.h>

static int failed(const char *what, int code, const shmbox *box)
{
	fprintf(stderr, "st_pid_box: %s: %s\n", what, shmbox_strerror(code));
	if (code == SHMBOX_ESYSTEM)
		fprintf(stderr, "%s\n", strerror(box->error));
	return 1;
}

static void print(const struct st_pid *value, uint64_t version)
{
	/* The precision is the end of the array: another program may have left no NUL in it. */
	printf("version %llu: pid=%d,name=%.*s\n", (unsigned long long)version, (int)value->pid, (int)sizeof value->names,
	       value->names);
	fflush(stdout);
}

/* Nobody commits between what it loads and what it commits. */
static int put(shmbox *box, const char *name)
{
	struct st_pid value;
	uint64_t version;
	int code = st_pid_lock(box);

	if (code != 0)
		return code;
	code = st_pid_load(box, &value);
	if (code == 0) {
		value.pid = (int32_t)getpid();
		memset(value.names, 0, sizeof value.names);
		memcpy(value.names, name, strlen(name));
		code = st_pid_commit(box, &value, &version);
	}
	if (code == 0)
		print(&value, version);
	st_pid_unlock(box);
	return code;
}

int main(int argc, char **argv)
{
	struct st_pid value;
	uint64_t version;
	shmbox box;
	int code;

	if (argc > 2 || (argc == 2 && strlen(argv[1]) >= sizeof value.names)) {
		fprintf(stderr, "Usage: st_pid_box [NAME], of at most %d bytes\n", (int)sizeof value.names - 1);
		return 2;
	}
	/* Another key for the tests. */
	code = st_pid_open(&box, getenv("ST_PID_KEY") == NULL ? 0x1234 : (key_t)strtoul(getenv("ST_PID_KEY"), NULL, 0));
	if (code != 0)
		return failed("open", code, &box);
	code = st_pid_get(&box, &value, &version);
	if (code == 0)
		print(&value, version);
	if (code == 0 && argc == 2)
		code = put(&box, argv[1]);
	while (code == 0 && argc == 1) {
		code = st_pid_wait(&box, version, -1);
		if (code == 0)
			code = st_pid_get(&box, &value, &version);
		if (code == 0)
			print(&value, version);
	}
	st_pid_close(&box);
	return code == 0 || code == SHMBOX_EREMOVED ? 0 : failed("st_pid", code, &box);
}
