/* A wall clock that may be wrong, put before the C library's own by LD_PRELOAD.

   The file that LOADLAB_WALL_CLOCK names holds eight bytes: by how many nanoseconds the clock is ahead. All processes map
   it, so all of them jump at once. What is told by the wall clock jumps: CLOCK_REALTIME, CLOCK_REALTIME_COARSE and
   CLOCK_TAI, time(), gettimeofday() and timespec_get(). A wait until an instant of it ends then too, if it begins after
   the jump. Nothing else does: no monotonic clock, no timer, no time of a file, and no system call that is made past the
   C library. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S INT64_C(1000000000)
/* Of a deadline: no machine has been running for so long, and no wall clock is so far back. */
#define LATEST_UPTIME_S 500000000

static const volatile int64_t right = 0;
static const volatile int64_t *ahead_ns = &right;

__attribute__((constructor)) static void begin(void)
{
    const char *name = getenv("LOADLAB_WALL_CLOCK");
    int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    void *cells = file < 0 ? MAP_FAILED : mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);

    if (cells != MAP_FAILED)
        ahead_ns = cells;
    if (file >= 0)
        close(file);
}

static int is_wall(clockid_t clock)
{
    return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI;
}

static struct timespec moved(struct timespec at, int64_t by_ns)
{
    int64_t ns = at.tv_nsec + by_ns % NS_PER_S;
    int64_t carried = ns < 0 ? -1 : ns >= NS_PER_S;

    at.tv_sec += by_ns / NS_PER_S + carried;
    at.tv_nsec = ns - carried * NS_PER_S;
    return at;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    static int (*library)(clockid_t, struct timespec *);
    int failed;

    if (library == NULL)
        library = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    failed = library(clock, now);
    if (!failed && is_wall(clock))
        *now = moved(*now, *ahead_ns);
    return failed;
}

time_t time(time_t *told)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (told)
        *told = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *restrict told, void *restrict zone)
{
    struct timespec now;

    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    told->tv_sec = now.tv_sec;
    told->tv_usec = now.tv_nsec / 1000;
    return 0;
}

int timespec_get(struct timespec *told, int base)
{
    return base == TIME_UTC && !clock_gettime(CLOCK_REALTIME, told) ? base : 0;
}

/* When the kernel's own clock says what ours says at a deadline; one of a monotonic clock stays. */
static struct timespec by_kernel(const struct timespec *deadline)
{
    return deadline->tv_sec > LATEST_UPTIME_S ? moved(*deadline, -*ahead_ns) : *deadline;
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict deadline)
{
    int (*library)(sem_t *, const struct timespec *) =
        (int (*)(sem_t *, const struct timespec *))dlsym(RTLD_NEXT, "sem_timedwait");
    struct timespec at = by_kernel(deadline);

    return library(semaphore, &at);
}

int pthread_cond_timedwait(
    pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex, const struct timespec *restrict deadline)
{
    /* On x86-64 there is an earlier one of the same name, for conditions of another size. */
    void *found = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    int (*library)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *) =
        (int (*)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *))(
            found ? found : dlsym(RTLD_NEXT, "pthread_cond_timedwait"));
    struct timespec at = by_kernel(deadline);

    return library(condition, mutex, &at);
}
