/* Opens the segment of a key whose id is given to another segment as soon as it was asked about: reused KEY SIZE. Ends by
 * a signal where bytes beyond a mapping are read. The kernel's calls are its own, so it decides what happens between two. */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE
#endif
#include <stdio.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/shm.h>

static key_t key;
static int watched = -1;

/* Gives the id to a segment of one page, unless an attachment keeps it. */
static void swap(int id)
{
	FILE *next;
	int made;

	if (id != watched)
		return;
	watched = -1;
	shmctl(id, IPC_RMID, NULL);
	next = fopen("/proc/sys/kernel/shm_next_id", "w");
	if (next == NULL)
		exit(3);
	fprintf(next, "%d", id);
	fclose(next);
	made = shmget(key, 64, IPC_CREAT | 0600);
	if (made != id)
		shmctl(made, IPC_RMID, NULL);
}

static int own_shmctl(int id, int command, struct shmid_ds *facts)
{
	int const code = shmctl(id, command, facts);

	if (command == IPC_STAT)
		swap(id);
	return code;
}

#define shmctl own_shmctl
#include "st_pid.h"
#undef shmctl

int main(int argc, char **argv)
{
	shmbox_options options = { 0, 0, SHMBOX_TRUST_SELF, 0, 0 };
	shmbox box;
	int code;

	if (argc != 3)
		return 2;
	options.read_only = 1;
	options.limit_ms = 100;
	key = (key_t)strtoul(argv[1], NULL, 0);
	watched = shmget(key, strtoul(argv[2], NULL, 10), IPC_CREAT | 0600);
	code = st_pid_open_with(&box, key, &options);
	shmctl(shmget(key, 0, 0), IPC_RMID, NULL);
	puts(shmbox_strerror(code));
	return 0;
}
