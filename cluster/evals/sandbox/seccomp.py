"""The system calls that a sandboxed script may make, as a classic BPF program (``linux/seccomp.h``, ``linux/filter.h``).

Allowed is what a single-threaded Python needs to compute and to use files; the rest fails with EPERM: processes and threads,
signals, sockets, namespaces, mounts, tracing, io_uring, BPF, keys, shared memory, memory files. So one process is all there ever
is, which makes its address-space limit a limit of the whole sandbox.
"""

from __future__ import annotations

import platform
import struct
from collections.abc import Mapping
from typing import Final

from cluster.evals.sandbox.contract import SandboxUnavailable

_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_EQUALS: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_RETURN: Final = 0x06  # BPF_RET | BPF_K
_ALLOW: Final = 0x7FFF0000
_KILL_PROCESS: Final = 0x80000000
_EPERM: Final = 0x00050000 | 1  # SECCOMP_RET_ERRNO

# struct seccomp_data: int nr; __u32 arch; __u64 instruction_pointer; __u64 args[6]
_NUMBER_OFFSET: Final = 0
_ARCHITECTURE_OFFSET: Final = 4
_SECOND_ARGUMENT_OFFSET: Final = 24

_IOCTLS: Final = (0x5401, 0x5413, 0x5450, 0x5451)
"""TCGETS, TIOCGWINSZ, FIONCLEX, FIOCLEX: what opening a file in Python asks. No other ioctl, above all none of a terminal's."""

_X86_64: Final = """
read 0, write 1, open 2, close 3, stat 4, fstat 5, lstat 6, poll 7, lseek 8, mmap 9, mprotect 10, munmap 11, brk 12,
rt_sigaction 13, rt_sigprocmask 14, rt_sigreturn 15, ioctl 16, pread64 17, pwrite64 18, readv 19, writev 20, access 21, select
23, sched_yield 24, mremap 25, madvise 28, dup 32, dup2 33, nanosleep 35, getpid 39, execve 59, exit 60, wait4 61, uname 63,
fcntl 72, fsync 74, fdatasync 75, ftruncate 77, getcwd 79, chdir 80, rename 82, mkdir 83, rmdir 84, unlink 87, readlink 89,
chmod 90, fchmod 91, umask 95, gettimeofday 96, getrlimit 97, getrusage 98, sysinfo 99, times 100, getuid 102, getgid 104,
geteuid 107, getegid 108, getppid 110, getpgrp 111, getgroups 115, sigaltstack 131, statfs 137, fstatfs 138, arch_prctl 158,
gettid 186, time 201, futex 202, sched_getaffinity 204, getdents64 217, set_tid_address 218, restart_syscall 219,
clock_gettime 228, clock_getres 229, clock_nanosleep 230, exit_group 231, openat 257, mkdirat 258, newfstatat 262, unlinkat
263, renameat 264, readlinkat 267, fchmodat 268, faccessat 269, pselect6 270, ppoll 271, set_robust_list 273, utimensat 280,
dup3 292, pipe2 293, prlimit64 302, renameat2 316, getrandom 318, statx 332, rseq 334, faccessat2 439
"""
_AARCH64: Final = """
getcwd 17, dup 23, dup3 24, fcntl 25, ioctl 29, mkdirat 34, unlinkat 35, renameat 38, statfs 43, fstatfs 44, ftruncate 46,
faccessat 48, chdir 49, fchmod 52, fchmodat 53, openat 56, close 57, pipe2 59, getdents64 61, lseek 62, read 63, write 64,
readv 65, writev 66, pread64 67, pwrite64 68, pselect6 72, ppoll 73, readlinkat 78, newfstatat 79, fstat 80, fsync 82,
fdatasync 83, utimensat 88, exit 93, exit_group 94, set_tid_address 96, futex 98, set_robust_list 99, nanosleep 101,
clock_gettime 113, clock_getres 114, clock_nanosleep 115, sched_getaffinity 123, sched_yield 124, restart_syscall 128,
sigaltstack 132, rt_sigaction 134, rt_sigprocmask 135, rt_sigreturn 139, times 153, getgroups 158, uname 160, getrlimit 163,
getrusage 165, umask 166, gettimeofday 169, getpid 172, getppid 173, getuid 174, geteuid 175, getgid 176, getegid 177, gettid
178, sysinfo 179, brk 214, munmap 215, mremap 216, execve 221, mmap 222, mprotect 226, madvise 233, wait4 260, prlimit64 261,
renameat2 276, getrandom 278, statx 291, rseq 293, faccessat2 439
"""


def _table(text: str) -> dict[str, int]:
    return {name: int(number) for name, number in (entry.split() for entry in text.split(","))}


ARCHITECTURES: Final[Mapping[str, tuple[int, Mapping[str, int]]]] = {
    "x86_64": (0xC000003E, _table(_X86_64)),
    "aarch64": (0xC00000B7, _table(_AARCH64)),
}
"""By the kernel's name: ``AUDIT_ARCH_*`` and the allowed system calls with their numbers."""


def program(machine: str | None = None) -> bytes:
    """The filter for this machine, as ``struct sock_filter[]``.

    Raises:
        SandboxUnavailable: there is no table for its architecture.
    """
    machine = machine or platform.machine()
    if machine not in ARCHITECTURES:
        raise SandboxUnavailable(f"there is no system-call filter for {machine}, only for {' and '.join(ARCHITECTURES)}")
    architecture, calls = ARCHITECTURES[machine]
    plain = sorted(number for name, number in calls.items() if name != "ioctl")
    instructions = [
        (_LOAD, 0, 0, _ARCHITECTURE_OFFSET),
        (_EQUALS, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD, 0, 0, _NUMBER_OFFSET),
    ]
    # Jumps count from the next instruction. After the numbers: ioctl's own checks, then EPERM, then ALLOW.
    after_numbers = 2 + len(_IOCTLS)
    for index, number in enumerate(plain):
        instructions.append((_EQUALS, len(plain) - index - 1 + after_numbers + 1, 0, number))
    instructions.append((_EQUALS, 0, len(_IOCTLS) + 1, calls["ioctl"]))
    instructions.append((_LOAD, 0, 0, _SECOND_ARGUMENT_OFFSET))
    for index, request in enumerate(_IOCTLS):
        instructions.append((_EQUALS, len(_IOCTLS) - index, 0, request))
    instructions.append((_RETURN, 0, 0, _EPERM))
    instructions.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)
