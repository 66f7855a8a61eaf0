"""What an app of a tenant's finds around itself, and what it can do to its supervisor and its neighbours: `NAME VALUE`.

`ok` is an attack that worked; an errno's name is one that did not."""

import ctypes
import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys

libc = ctypes.CDLL(None, use_errno=True)
seen = {}


def tried(name, what):
    try:
        what()
        seen[name] = "ok"
    except OSError as error:
        seen[name] = errno.errorcode.get(error.errno, str(error.errno))


def call(function, *arguments):
    ctypes.set_errno(0)
    if function(*arguments) < 0:
        raise OSError(ctypes.get_errno(), "")


def read(path):
    with open(path, "rb") as file:
        file.read(1)


def write(path, what=b"0"):
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, what)
    finally:
        os.close(descriptor)


def status(name):
    with open("/proc/self/status", encoding="ascii") as file:
        return next(line.split(":", 1)[1].strip() for line in file if line.startswith(name + ":"))


def surroundings():
    inherited = [fd for fd in os.listdir("/proc/self/fd") if int(fd) > 2 and os.path.exists(f"/proc/self/fd/{fd}")]
    seen["inherited-descriptors"] = ",".join(inherited) or "none"
    seen["cwd"] = os.getcwd()
    for name in ["SigBlk", "SigIgn", "Groups", "Uid", "Gid"]:
        seen[name] = status(name).replace("\t", " ")
    old = os.umask(0o22)
    os.umask(old)
    seen["umask"] = oct(old)
    seen["nice"] = str(os.nice(0))
    seen["oom_score_adj"] = open("/proc/self/oom_score_adj").read().strip()
    seen["personality"] = open("/proc/self/personality").read().strip()
    seen["leads-session"] = str(os.getsid(0) != 0 and os.getsid(0) != os.getsid(1))
    seen["tty"] = open("/proc/self/stat").read().rsplit(")", 1)[1].split()[4]
    seen["stdin"] = os.readlink("/proc/self/fd/0")
    tried("tiocsti", lambda: fcntl.ioctl(0, 0x5412, b"x"))
    tried("tiocsti-with-high-bits", lambda: call(libc.syscall, 16, 0, ctypes.c_ulong(0x5412 + (1 << 32)), b"x"))
    tried("tioclinux", lambda: fcntl.ioctl(0, 0x541C, b"\x03"))


def supervisor():
    one = 1
    tried("ptrace-supervisor", lambda: call(libc.ptrace, 16, one, 0, 0))
    tried("read-supervisors-memory", lambda: read("/proc/1/mem"))
    buffer = ctypes.create_string_buffer(16)
    vector = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 8)
    tried("process-vm-readv", lambda: call(libc.process_vm_readv, one, vector, 1, vector, 1, 0))
    for name in ["environ", "maps", "exe", "auxv"]:
        tried(f"supervisors-{name}", lambda: read(f"/proc/1/{name}"))
    tried("write-supervisors-exe", lambda: write("/proc/1/exe"))
    tried("supervisors-descriptors", lambda: os.listdir("/proc/1/fd"))
    tried("supervisors-root", lambda: os.listdir("/proc/1/root/"))
    tried("supervisors-cwd", lambda: os.chdir("/proc/1/cwd"))
    for name in ["SIGKILL", "SIGSTOP", "SIGTERM"]:
        tried(f"kill-supervisor-{name}", lambda: os.kill(1, getattr(signal, name)))


def privileges():
    for name in ["suid", "fcap"]:
        try:
            shown = subprocess.run([f"/srv/attacks/{name}", "/etc/shadow"], capture_output=True).stdout
        except PermissionError:
            # The kernel does not execute a file whose capabilities it cannot give.
            shown = b""
        seen[f"shadow-by-{name}"] = "ok" if shown else "denied"
    seen["id-by-suid"] = subprocess.check_output(["/srv/attacks/suid-id", "-u"]).decode().strip()
    own = open("/proc/self/cgroup").read().strip().split("::", 1)[1]
    for name, path in [("own", own), ("others", "/system.slice")]:
        tried(f"cgroup-{name}", lambda: write(f"/sys/fs/cgroup{path}/cgroup.procs", str(os.getpid()).encode()))
    tried("cgroup-release-agent", lambda: write("/sys/fs/cgroup/release_agent"))
    tried("cgroup-kill", lambda: write(f"/sys/fs/cgroup{own}/cgroup.kill", b"1"))
    tried("core-pattern", lambda: write("/proc/sys/kernel/core_pattern"))
    tried("sysrq", lambda: write("/proc/sysrq-trigger", b"h"))


def neighbours():
    tried("records", lambda: os.listdir("/run/vassal"))
    numbers = open("/srv/attacks/connections").read().split()
    assert numbers
    tried("fuse-connections", lambda: [write(f"/sys/fs/fuse/connections/{number}/abort", b"") for number in numbers])
    seen["processes-of-others"] = ",".join(
        pid for pid in os.listdir("/proc") if pid.isdigit() and b"neighbour" in command_line(pid)) or "none"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        try:
            notify.connect("/run/systemd/notify")
            for message in [b"STATUS=evil", b"WATCHDOG=trigger", b"STOPPING=1", b"MAINPID=%d" % os.getpid(),
                            b"FDSTORE=1\nFDNAME=evil", b"RELOADING=1", b"WATCHDOG_USEC=1", b"EXTEND_TIMEOUT_USEC=1",
                            b"READY=1\nSTATUS=evil", b"BUSERROR=evil", b"ERRNO=5"]:
                if message.startswith(b"FDSTORE"):
                    socket.send_fds(notify, [message], [0])
                else:
                    notify.send(message)
            seen["notify"] = "sent"
        except OSError as error:
            seen["notify"] = errno.errorcode[error.errno]


def command_line(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read()
    except OSError:
        return b""


surroundings()
supervisor()
privileges()
neighbours()
lines = [f"{name} {value}\n" for name, value in seen.items()]
with open(sys.argv[1] + ".part", "w", encoding="utf-8") as output:
    output.writelines(lines)
os.rename(sys.argv[1] + ".part", sys.argv[1])
signal.pause()
