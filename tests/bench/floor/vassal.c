// vassal ID READY LIFE ARCHIVE MOUNTPOINT: the least that a service with a FUSE filesystem of its own can do: namespaces,
// fuse-zip as user ID, the app (app.c), READY=1; and when fuse-zip dies, kill the app and fail, so that systemd starts it
// again. The floor of what a restart of a vassal is compared with. Type=notify, NotifyAccess=all.
#define _GNU_SOURCE
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define APP "/usr/local/bin/floor-app"

static void must(long result, const char *step)
{
	if (result < 0) {
		perror(step);
		_exit(126);
	}
}

static void say_ready(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (!path || strlen(path) >= sizeof address.sun_path)
		return;
	memcpy(address.sun_path, path, strlen(path));
	if (*path == '@')
		address.sun_path[0] = 0;
	socklen_t length = offsetof(struct sockaddr_un, sun_path) + strlen(path);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	must(sendto(fd, "READY=1", 7, 0, (void *)&address, length), "notify");
	close(fd);
}

static pid_t run(unsigned id, char **program)
{
	pid_t child = fork();
	must(child, "fork");
	if (child)
		return child;
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, 0);
	must(setgroups(1, &id), "setgroups");
	must(setresgid(id, id, id), "setresgid");
	must(setresuid(id, id, id), "setresuid");
	execvp(program[0], program);
	must(-1, program[0]);
	return 0;
}

static void inside(char **arguments)
{
	unsigned id = (unsigned)atoi(arguments[1]);
	must(mount(0, "/", 0, MS_REC | MS_SLAVE, 0), "slave");
	must(mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, 0), "proc");
	sigset_t awaited;
	sigemptyset(&awaited);
	sigaddset(&awaited, SIGCHLD);
	sigaddset(&awaited, SIGTERM);
	sigprocmask(SIG_BLOCK, &awaited, 0);
	char *daemon[] = {"fuse-zip", "-r", arguments[4], arguments[5], 0};
	char *app[] = {APP, arguments[2], arguments[3], arguments[5], 0};
	int status;
	// It goes to the background when it has mounted.
	pid_t mounting = run(id, daemon);
	must(waitpid(mounting, &status, 0), "wait");
	if (status)
		_exit(125);
	pid_t payload = run(id, app);
	say_ready();
	for (;;) {
		if (sigwaitinfo(&awaited, 0) == SIGTERM)
			_exit(0);
		if (waitpid(-1, &status, WNOHANG) > 0) {
			kill(payload, SIGKILL);
			_exit(1);
		}
	}
}

int main(int count, char **arguments)
{
	if (count != 6)
		return 64;
	long child = syscall(SYS_clone, SIGCHLD | CLONE_NEWNS | CLONE_NEWPID, 0, 0, 0, 0);
	must(child, "clone");
	if (child == 0)
		inside(arguments);
	int status;
	must(waitpid((pid_t)child, &status, 0), "wait");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
