/* Counts in a struct under a guard, as programs do that know nothing else of each other:
 * guarded KEY sem|robust|plain init, count ROW TIMES, or hold. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/shm.h>

struct guarded {
    union {
        pthread_mutex_t mutex;
        char room[48]; /* as many as the largest has, so that programs for all processors agree */
    } lock;
    int total;
    int rows[4];
    int spare;
};

static struct guarded *shared;
static int set, semaphore;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void change(short by)
{
    struct sembuf op = { 0, by, SEM_UNDO };
    while (semop(set, &op, 1) != 0)
        if (errno != EINTR)
            fail("semop");
}

static void lock(void)
{
    if (semaphore) {
        change(-1);
        return;
    }
    int code = pthread_mutex_lock(&shared->lock.mutex);
    if (code == EOWNERDEAD)
        code = pthread_mutex_consistent(&shared->lock.mutex);
    if (code != 0) {
        errno = code;
        fail("pthread_mutex_lock");
    }
}

static void unlock(void)
{
    if (semaphore)
        change(1);
    else
        pthread_mutex_unlock(&shared->lock.mutex);
}

static void init(int robust)
{
    if (semaphore) {
        /* SETVAL sets the value, and the first semop sem_otime: those who wait for that know that it is there. */
        union semun {
            int val;
            void *other;
        } one;
        one.val = 0;
        if (semctl(set, 0, SETVAL, one) != 0)
            fail("semctl");
        struct sembuf op = { 0, 1, 0 };
        if (semop(set, &op, 1) != 0)
            fail("semop");
        return;
    }
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    if (robust)
        pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&shared->lock.mutex, &attributes);
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    key_t key = (key_t)strtoul(argv[1], NULL, 0);
    semaphore = strcmp(argv[2], "sem") == 0;
    int id = shmget(key, sizeof *shared, IPC_CREAT | 0600);
    shared = (struct guarded *)(id < 0 ? (void *)-1 : shmat(id, NULL, 0));
    if (shared == (void *)-1)
        fail("shmat");
    if (semaphore && (set = semget(key, 1, IPC_CREAT | 0600)) < 0)
        fail("semget");
    if (strcmp(argv[3], "init") == 0) {
        init(strcmp(argv[2], "robust") == 0);
        puts("ready");
    } else if (strcmp(argv[3], "hold") == 0) {
        lock();
        puts("held");
        fflush(stdout);
        getchar();
        unlock();
        puts("free");
    } else {
        int row = atoi(argv[4]);
        for (long n = atol(argv[5]); n > 0; n--) {
            lock();
            int total = shared->total;
            ((volatile struct guarded *)shared)->rows[row]++;
            if (n % 64 == 0)
                sched_yield();
            ((volatile struct guarded *)shared)->total = total + 1;
            unlock();
        }
        puts("done");
    }
    return 0;
}
