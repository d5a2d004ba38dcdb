"""Filters of system calls (seccomp(2)), written as the kernel reads them: classic BPF over `struct seccomp_data`.

What a command in a tree never needs, and what passes by the other walls: the kernel's keyrings, tracing, mounting, new
namespaces, io_uring, loading code into the kernel, typing into a terminal. And sockets: all of them where nothing else
cuts the network, else those that no network namespace holds (the host of a virtual machine answers on AF_VSOCK).

Numbers: arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h (aarch64).
"""

import platform
import socket
import struct
from collections.abc import Iterable, Mapping, Sequence

from equitr_coder.domain.frozen import frozen

_ALLOW = 0x7FFF0000
_KILL = 0x80000000
_ERRNO = 0x00050000
_EPERM, _EACCES, _ENOSYS = 1, 13, 38

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN, _AND = 0x20, 0x15, 0x35, 0x45, 0x06, 0x54
"""BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_JMP|JGE|K, BPF_JMP|JSET|K, BPF_RET|K, BPF_ALU|AND|K."""
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
"""Offsets in `struct seccomp_data`."""
_X32 = 0x40000000
_NEW_NAMESPACES = 0x7E020080
"""CLONE_NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET."""
_TYPE_OF_SOCKET = 0xF

_REFUSED: Mapping[str, tuple[int, int]] = {
    # name: number on x86_64, on aarch64
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "unshare": (272, 97),
    "setns": (308, 268),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "userfaultfd": (323, 282),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "syslog": (103, 116),
    "vhangup": (153, 58),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
}
_FOR_DEBUGGERS = frozenset({"ptrace", "process_vm_readv", "process_vm_writev"})
"""Harmless where a command sees no processes but its own."""
_ONLY_ON_X86 = {"iopl": 172, "ioperm": 173, "create_module": 174, "ustat": 136, "uselib": 134, "nfsservctl": 180}
_TERMINAL_TRICKS = (0x5412, 0x541C)
"""TIOCSTI types into a terminal, TIOCLINUX pastes into one."""


@frozen
class _Machine:
    audit_name: int
    column: int
    socket: int
    socketpair: int
    connect: int
    bind: int
    sendto: int
    ioctl: int
    clone: int
    clone3: int = 435


_MACHINES: Mapping[str, _Machine] = {
    "x86_64": _Machine(0xC000003E, 0, socket=41, socketpair=53, connect=42, bind=49, sendto=44, ioctl=16, clone=56),
    "aarch64": _Machine(
        0xC00000B7, 1, socket=198, socketpair=199, connect=203, bind=200, sendto=206, ioctl=29, clone=220
    ),
}

Instruction = tuple[int, int, int, int]
"""code, jump when true, jump when false, value."""


def is_known_machine(machine: str | None = None) -> bool:
    return (machine or platform.machine()) in _MACHINES


def filter_program(*, has_network_namespace: bool, machine: str | None = None) -> bytes:
    """The filter for a command, as an array of `struct sock_filter`.

    Without a network namespace (and without a pid namespace) nothing may make a socket, but for pairs of connected
    streams, by which programs talk to their children; nor trace or look into a process.
    """
    known = _MACHINES[machine or platform.machine()]
    body: list[Instruction] = []
    if has_network_namespace:
        families = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK)
        body += _only(known.socket, families)
    else:
        body += _refuse([known.socket, known.connect, known.bind], _EACCES)
        # A pair of datagram sockets can be turned to any other address later on; one of streams cannot.
        body += _when(known.socketpair, 1, _AND, _TYPE_OF_SOCKET, (socket.SOCK_DGRAM, socket.SOCK_RAW), _EACCES)
        body += _when_any_bit(known.sendto, 4, 0xFFFFFFFF, _EACCES)
        body += _when_any_bit(known.sendto, 4, 0xFFFFFFFF, _EACCES, high=True)
    refused = [
        numbers[known.column]
        for name, numbers in _REFUSED.items()
        if not (has_network_namespace and name in _FOR_DEBUGGERS)
    ]
    body += _refuse([*refused, *(_ONLY_ON_X86.values() if known.column == 0 else ())], _EPERM)
    body += _when(known.ioctl, 1, None, 0, _TERMINAL_TRICKS, _EPERM)
    body += _when_any_bit(known.clone, 0, _NEW_NAMESPACES, _EPERM)
    # Its flags lie in memory, where no filter sees them; C libraries then use `clone`.
    body += _refuse([known.clone3], _ENOSYS)
    head: list[Instruction] = [(_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 1, 0, known.audit_name), (_RETURN, 0, 0, _KILL)]
    if known.column == 0:
        head += [(_LOAD, 0, 0, _NUMBER), (_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _ERRNO | _ENOSYS)]
    return b"".join(struct.pack("=HBBI", *one) for one in (*head, *body, (_RETURN, 0, 0, _ALLOW)))


def _refuse(numbers: Sequence[int], errno: int) -> Iterable[Instruction]:
    yield (_LOAD, 0, 0, _NUMBER)
    for number in numbers:
        yield (_EQUAL, 0, 1, number)
        yield (_RETURN, 0, 0, _ERRNO | errno)


def _only(number: int, first_arguments: Sequence[int]) -> list[Instruction]:
    """Other first arguments are refused as what the kernel does not have."""
    allowed: list[Instruction] = []
    for place, value in enumerate(first_arguments):
        allowed.append((_EQUAL, len(first_arguments) - place, 0, value))
    inner = [(_LOAD, 0, 0, _argument(0)), *allowed, (_RETURN, 0, 0, _ERRNO | _EACCES)]
    return [(_LOAD, 0, 0, _NUMBER), (_EQUAL, 0, len(inner), number), *inner]


def _when(
    number: int, argument: int, operation: int | None, operand: int, values: Sequence[int], errno: int
) -> list[Instruction]:
    """Refuse the call when the low half of an argument, after an operation, is one of the values."""
    inner: list[Instruction] = [(_LOAD, 0, 0, _argument(argument))]
    if operation is not None:
        inner.append((operation, 0, 0, operand))
    for value in values:
        inner += [(_EQUAL, 0, 1, value), (_RETURN, 0, 0, _ERRNO | errno)]
    return [(_LOAD, 0, 0, _NUMBER), (_EQUAL, 0, len(inner), number), *inner]


def _when_any_bit(number: int, argument: int, bits: int, errno: int, *, high: bool = False) -> list[Instruction]:
    inner: list[Instruction] = [
        (_LOAD, 0, 0, _argument(argument) + (4 if high else 0)),
        (_ANY_BIT, 0, 1, bits),
        (_RETURN, 0, 0, _ERRNO | errno),
    ]
    return [(_LOAD, 0, 0, _NUMBER), (_EQUAL, 0, len(inner), number), *inner]


def _argument(place: int) -> int:
    """Of its low half; both machines are little-endian."""
    return _ARGUMENTS + 8 * place
