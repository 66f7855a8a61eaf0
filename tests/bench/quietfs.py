#!/usr/bin/python3
"""quietfs DIRECTORY MOUNTPOINT: mounts the files of a directory, read-only, and goes to the background.

On SIGUSR1 it stops answering. Unlike SIGSTOP that is announced to nobody: the process just sleeps, as one does whose
disk or server is gone. It speaks the kernel's protocol itself (fuse(4), linux/fuse.h, version 7.19).
"""
import errno
import os
import signal
import socket
import stat
import struct
import subprocess
import sys

LOOKUP, FORGET, GETATTR, OPEN, READ, STATFS, RELEASE = 1, 2, 3, 14, 15, 17, 18
FLUSH, INIT, INTERRUPT, DESTROY, BATCH_FORGET = 25, 26, 36, 38, 42
UNANSWERED = {FORGET, BATCH_FORGET, INTERRUPT}
ROOT = 1


def sleep_for_ever(_signal, _frame):
    while True:
        signal.pause()


def mount(mountpoint):
    """The device's descriptor, from fusermount3: an ordinary user cannot mount by himself."""
    ours, theirs = socket.socketpair()
    command = ["fusermount3", "-o", "ro,subtype=quietfs,fsname=quietfs", "--", mountpoint]
    environment = dict(os.environ, _FUSE_COMMFD=str(theirs.fileno()))
    subprocess.run(command, check=True, pass_fds=[theirs.fileno()], env=environment)
    return socket.recv_fds(ours, 1, 1)[1][0]


def read_directory(directory):
    """Node number to name and bytes; the root has none."""
    files = {}
    for node, name in enumerate(sorted(os.listdir(directory)), ROOT + 1):
        with open(os.path.join(directory, name), "rb") as file:
            files[node] = (name.encode(), file.read())
    return files


def attributes(files, node):
    is_root = node == ROOT
    mode = stat.S_IFDIR | 0o555 if is_root else stat.S_IFREG | 0o444
    size = 0 if is_root else len(files[node][1])
    owner = (os.getuid(), os.getgid())
    return struct.pack("=6Q10I", node, size, 0, 0, 0, 0, 0, 0, 0, mode, 1, *owner, 0, 4096, 0)


def answer(files, opcode, node, body):
    """The payload of the reply. Nothing may be cached: every request of the app is to reach this process."""
    if opcode == INIT:
        return struct.pack("=4I2HI", 7, 19, 0, 0, 0, 0, 4096)
    if opcode == LOOKUP:
        name = body.rstrip(b"\0")
        found = next((node for node, (other, _) in files.items() if other == name), None)
        if found is None:
            raise OSError(errno.ENOENT, "no such file")
        return struct.pack("=4Q2I", found, 0, 0, 0, 0, 0) + attributes(files, found)
    if opcode == GETATTR:
        return struct.pack("=Q2I", 0, 0, 0) + attributes(files, node)
    if opcode == OPEN:
        return struct.pack("=Q2I", 0, 0, 0)
    if opcode == READ:
        _, offset, size = struct.unpack_from("=2QI", body)
        return files[node][1][offset:offset + size]
    if opcode == STATFS:
        return struct.pack("=5Q4I24x", 1, 0, 0, len(files), 0, 4096, 255, 4096, 0)
    if opcode in (RELEASE, FLUSH, DESTROY):
        return b""
    raise OSError(errno.ENOSYS, "not implemented")


def serve(device, files):
    while True:
        try:
            request = os.read(device, 1 << 17)
        except OSError as error:
            if error.errno == errno.ENODEV:  # unmounted
                return
            raise
        _, opcode, unique, node = struct.unpack_from("=2I2Q", request)
        if opcode in UNANSWERED:
            continue
        try:
            error, payload = 0, answer(files, opcode, node, request[40:])
        except OSError as failure:
            error, payload = -failure.errno, b""
        os.write(device, struct.pack("=IiQ", 16 + len(payload), error, unique) + payload)


def main():
    directory, mountpoint = sys.argv[1:]
    files = read_directory(directory)
    device = mount(mountpoint)
    if os.fork() == 0:
        signal.signal(signal.SIGUSR1, sleep_for_ever)
        serve(device, files)


main()
