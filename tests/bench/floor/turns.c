// turns ROUNDS FIFO { NAME EVERY COMMAND... ; }: runs launchers in turns, each in every EVERYth round, and measures them.
// The order moves on by one in each round. What a launcher launches is payload.c with FIFO as its /stamp. Prints, in
// nanoseconds since right before the launcher was spawned: `ROUND NAME started exited gone`: the payload's first statement, the
// payload's end as seen here (the FIFO's end), the end of every process that the launcher has left. Round 0 is not
// printed; who fails in it is left out, with a line `0 NAME failed`.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LIMIT_MS 5000
#define PAUSE_NS 3000000
#define MOST 16

extern char **environ;

struct launcher {
	const char *name;
	int every, failed;
	char **command;
};

struct times {
	long long started, exited, gone;
};

static long long now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static pid_t spawn(char **command)
{
	posix_spawnattr_t attributes;
	posix_spawn_file_actions_t files;
	pid_t child;
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
	int error = posix_spawnp(&child, command[0], &files, &attributes, command, environ);
	posix_spawn_file_actions_destroy(&files);
	return error ? -1 : child;
}

/* Whether the payload said when it ran, and ended, within the limit. */
static int hear(int fifo, struct times *times)
{
	long long until = now() + LIMIT_MS * 1000000LL;
	times->started = 0;
	for (;;) {
		struct pollfd fd = {.fd = fifo, .events = POLLIN};
		long long left = (until - now()) / 1000000;
		if (left <= 0 || poll(&fd, 1, (int)left) < 1)
			return 0;
		if (fd.revents & POLLIN) {
			if (read(fifo, &times->started, sizeof times->started) != sizeof times->started)
				return 0;
		} else if (fd.revents & POLLHUP) {
			times->exited = now();
			return times->started != 0;
		}
	}
}

/* One turn; what is left of a launcher that failed is killed. */
static int run(char **command, const char *path, struct times *times)
{
	// Opened anew: then there is no end of it before somebody has written (pipe(7), poll(2)).
	int fifo = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fifo < 0)
		return 0;
	long long begun = now();
	pid_t child = spawn(command);
	int heard = child > 0 && hear(fifo, times);
	if (child > 0 && !heard)
		kill(-child, SIGKILL);
	while (waitpid(-1, 0, 0) > 0 || errno == EINTR)
		;
	times->gone = now() - begun;
	times->started -= begun;
	times->exited -= begun;
	close(fifo);
	struct timespec pause = {0, PAUSE_NS};
	nanosleep(&pause, 0);
	return heard;
}

static int parse(char **words, struct launcher *launchers)
{
	int count = 0;
	while (*words && count < MOST) {
		launchers[count] = (struct launcher){.name = words[0], .every = atoi(words[1]), .command = words + 2};
		for (words += 2; *words && strcmp(*words, ";"); words++)
			;
		if (*words)
			*words++ = 0;
		count++;
	}
	return count;
}

int main(int count, char **arguments)
{
	struct launcher launchers[MOST];
	if (count < 6)
		return 64;
	int rounds = atoi(arguments[1]), number = parse(arguments + 3, launchers);
	// Who is left alone by a launcher becomes a child of this process: "gone" means everybody.
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (int round = 0; round <= rounds; round++)
		for (int turn = 0; turn < number; turn++) {
			struct launcher *launcher = &launchers[(round + turn) % number];
			struct times times;
			if (launcher->failed || round % launcher->every)
				continue;
			int heard = run(launcher->command, arguments[2], &times);
			if (!heard && round)
				return 1;
			launcher->failed = !heard;
			if (!heard)
				printf("0 %s failed\n", launcher->name);
			else if (round)
				printf("%d %s %lld %lld %lld\n", round, launcher->name, times.started, times.exited, times.gone);
		}
	return 0;
}
