// Executes PROGRAM, waits for its end and prints the microseconds that it took and the most memory that it had, in KiB.
// Usage: cost PROGRAM ARGUMENT...
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000LL + time.tv_nsec / 1000;
}

int main(int count, char **arguments)
{
	struct rusage used;
	int status;
	if (count < 2)
		return 64;
	long long begun = now();
	pid_t child = vfork();
	if (child < 0)
		return 1;
	if (child == 0) {
		execv(arguments[1], arguments + 1);
		_exit(127);
	}
	if (wait4(child, &status, 0, &used) != child || !WIFEXITED(status) || WEXITSTATUS(status))
		return 1;
	printf("%lld %ld\n", now() - begun, used.ru_maxrss);
	return 0;
}
