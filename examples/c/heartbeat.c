/*
 * Registers in a row and beats, for the monitor of `cargo run --example heartbeat`. It has never heard of shm-core: it knows a
 * struct, a key, and that a semaphore under the same key guards the rows.
 *
 *   cc -std=c11 -Wall -Wextra -Werror -pedantic -o heartbeat_c heartbeat.c
 *   ./heartbeat_c 0x5eed0003 alpha 2
 */
#define _XOPEN_SOURCE 700

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <time.h>
#include <unistd.h>

enum { ROWS = 16 };

struct beat {
	int pid;
	char name[51];
	int timeout;
	time_t atime;
};

static int failed(const char *call)
{
	fprintf(stderr, "heartbeat_c: %s: %s\n", call, strerror(errno));
	exit(1);
}

static void nap(long milliseconds)
{
	struct timespec time = { milliseconds / 1000, milliseconds % 1000 * 1000000 };

	nanosleep(&time, NULL);
}

static int change(int set, short by)
{
	struct sembuf op = { 0, by, SEM_UNDO };

	while (semop(set, &op, 1) != 0)
		if (errno != EINTR)
			failed("semop");
	return 1;
}

/* Who makes the set raises it; others wait until that was done. */
static int guard(key_t key)
{
	struct semid_ds facts = { 0 };
	union {
		int val;
		struct semid_ds *buf;
	} argument = { .buf = &facts };
	struct sembuf up = { 0, 1, 0 };
	int tries, set = semget(key, 1, IPC_CREAT | IPC_EXCL | 0600);

	if (set >= 0)
		return semop(set, &up, 1) == 0 ? set : failed("semop");
	set = semget(key, 1, 0);
	if (set < 0)
		failed("semget");
	for (tries = 0; tries < 5000; tries++) {
		if (semctl(set, 0, IPC_STAT, argument) != 0)
			failed("semctl");
		if (facts.sem_otime != 0)
			return set;
		nap(1);
	}
	errno = ETIMEDOUT;
	return failed("sem_otime");
}

int main(int argc, char **argv)
{
	struct beat *rows;
	key_t key;
	int set, id, row, ours = 1;

	if (argc != 4 || strlen(argv[2]) >= sizeof rows->name) {
		fprintf(stderr, "Usage: heartbeat_c KEY NAME SECONDS\n");
		return 2;
	}
	key = (key_t)strtoul(argv[1], NULL, 0);
	set = guard(key);
	id = shmget(key, ROWS * sizeof *rows, IPC_CREAT | 0600);
	rows = id < 0 ? (void *)-1 : shmat(id, NULL, 0);
	if (rows == (void *)-1)
		failed("shmget");
	change(set, -1);
	for (row = 0; row < ROWS && rows[row].pid != 0; row++)
		;
	if (row < ROWS) {
		rows[row].pid = (int)getpid();
		snprintf(rows[row].name, sizeof rows->name, "%s", argv[2]);
		rows[row].timeout = atoi(argv[3]);
		rows[row].atime = time(NULL);
	}
	change(set, 1);
	while (row < ROWS && ours) {
		nap(500);
		change(set, -1);
		ours = rows[row].pid == (int)getpid();
		if (ours)
			rows[row].atime = time(NULL);
		change(set, 1);
	}
	fprintf(stderr, "heartbeat_c: %s\n", ours ? "all rows are taken" : "the row was taken away");
	return 1;
}
