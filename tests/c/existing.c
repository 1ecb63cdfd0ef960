/* Makes a segment as programs did before they knew of anything else, and says where its fields lie. */
#include "existing.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>

#define FIELD(name) printf("%s %d\n", #name, (int)offsetof(struct station, name))

int main(int argc, char **argv)
{
	struct station *shared;
	int id;

	if (argc != 2)
		return 2;
	id = shmget((key_t)strtoul(argv[1], NULL, 0), sizeof(struct station), IPC_CREAT | IPC_EXCL | 0600);
	if (id == -1)
		return 1;
	shared = (struct station *)shmat(id, NULL, 0);
	if (shared == (void *)-1)
		return 1;
	shared->pid = 7;
	strcpy(shared->name, "alice");
	shared->flags = 3;
	shared->mode = STATION_ON;
	shared->where.longitude = 1.5;
	shared->visible = true;
	shared->grid[1][2] = 9;
	shared->seen = -1;
	FIELD(pid);
	FIELD(name);
	FIELD(flags);
	FIELD(mode);
	FIELD(where);
	FIELD(visible);
	FIELD(grid);
	FIELD(seen);
	printf("size %d\n", (int)sizeof(struct station));
	return 0;
}
