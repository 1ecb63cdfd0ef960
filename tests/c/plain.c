/* Makes the segment of a key as a program does that knows the struct and the size, and no more:
 * plain KEY SIZE PID NAME. Prints what stands in it when a line comes, until its input ends. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>

struct st_pid {
    int pid;
    char names[51];
};

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    key_t key = (key_t)strtoul(argv[1], NULL, 0);
    int id = shmget(key, strtoul(argv[2], NULL, 10), IPC_CREAT | 0640);
    if (id < 0) {
        perror("shmget");
        return 1;
    }
    struct st_pid *shared = shmat(id, NULL, 0);
    if (shared == (void *)-1) {
        perror("shmat");
        return 1;
    }
    shared->pid = atoi(argv[3]);
    strncpy(shared->names, argv[4], sizeof shared->names - 1);
    puts("made");
    fflush(stdout);
    int c;
    while ((c = getchar()) != EOF)
        if (c == '\n') {
            printf("pid=%d,name=%s\n", shared->pid, shared->names);
            fflush(stdout);
        }
    return 0;
}
