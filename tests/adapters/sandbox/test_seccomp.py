"""The filters of system calls, read as the kernel reads them: for machines that we cannot run on as well."""

import struct

import pytest

from equitr_coder.adapters.sandbox.seccomp import filter_program

ALLOWED, KILLED, REFUSED = 0x7FFF0000, 0x80000000, 0x00050000
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
SOCKET = {"x86_64": 41, "aarch64": 198}
SOCKETPAIR = {"x86_64": 53, "aarch64": 199}
SENDTO = {"x86_64": 44, "aarch64": 206}
CLONE = {"x86_64": 56, "aarch64": 220}
IOCTL = {"x86_64": 16, "aarch64": 29}
PTRACE = {"x86_64": 101, "aarch64": 117}
KEYCTL = {"x86_64": 250, "aarch64": 219}
READ = {"x86_64": 0, "aarch64": 63}
UNIX, INET, INET6, NETLINK, VSOCK, PACKET = 1, 2, 10, 16, 40, 17
STREAM, DATAGRAM, CLOSE_ON_EXEC = 1, 2, 0o2000000


def verdict(program: bytes, number: int, *arguments: int, architecture: int) -> int:
    """What the kernel does with a call: classic BPF over `struct seccomp_data`."""
    data = struct.pack("<iIQ6Q", number, architecture, 0, *(*arguments, 0, 0, 0, 0, 0, 0)[:6])
    steps = [struct.unpack_from("<HBBI", program, at) for at in range(0, len(program), 8)]
    accumulator, at = 0, 0
    while True:
        code, if_true, if_false, value = steps[at]
        at += 1
        match code:
            case 0x20:
                (accumulator,) = struct.unpack_from("<I", data, value)
            case 0x54:
                accumulator &= value
            case 0x15:
                at += if_true if accumulator == value else if_false
            case 0x35:
                at += if_true if accumulator >= value else if_false
            case 0x45:
                at += if_true if accumulator & value else if_false
            case 0x06:
                return int(value)
            case _:
                raise AssertionError(f"no such instruction: {code:#x}")


class Filter:
    def __init__(self, machine: str, *, has_network_namespace: bool) -> None:
        self._program = filter_program(has_network_namespace=has_network_namespace, machine=machine)
        self._architecture = ARCHITECTURES[machine]

    def lets(self, number: int, *arguments: int) -> bool:
        found = verdict(self._program, number, *arguments, architecture=self._architecture)
        assert found == ALLOWED or found & 0xFFFF0000 == REFUSED
        return found == ALLOWED


@pytest.fixture(params=sorted(ARCHITECTURES))
def machine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("has_network_namespace", [True, False])
def test_what_no_command_needs_is_refused(machine: str, has_network_namespace: bool) -> None:
    held = Filter(machine, has_network_namespace=has_network_namespace)

    assert held.lets(READ[machine])
    assert not held.lets(KEYCTL[machine], 0)
    assert not held.lets(425)  # io_uring_setup
    assert not held.lets(435)  # clone3: libraries then use clone
    assert held.lets(IOCTL[machine], 0, 0x5401)
    assert not held.lets(IOCTL[machine], 0, 0x5412)
    assert held.lets(CLONE[machine], 0x00010F00)
    assert not held.lets(CLONE[machine], 0x10000000 | 17)  # a user namespace


def test_with_a_network_of_its_own_only_what_that_holds_may_be_made(machine: str) -> None:
    held = Filter(machine, has_network_namespace=True)

    assert [held.lets(SOCKET[machine], family) for family in (UNIX, INET, INET6, NETLINK)] == [True] * 4
    assert [held.lets(SOCKET[machine], family) for family in (VSOCK, PACKET, 38, 31)] == [False] * 4
    assert held.lets(PTRACE[machine])


def test_without_one_there_are_pairs_of_streams_and_no_other_socket(machine: str) -> None:
    held = Filter(machine, has_network_namespace=False)

    assert [held.lets(SOCKET[machine], family) for family in (UNIX, INET, INET6, NETLINK, VSOCK)] == [False] * 5
    assert held.lets(SOCKETPAIR[machine], UNIX, STREAM | CLOSE_ON_EXEC)
    assert not held.lets(SOCKETPAIR[machine], UNIX, DATAGRAM | CLOSE_ON_EXEC)
    assert held.lets(SENDTO[machine], 3, 4, 5, 0, 0)
    assert not held.lets(SENDTO[machine], 3, 4, 5, 0, 0x7FFF00000000)
    assert not held.lets(SENDTO[machine], 3, 4, 5, 0, 0x1000)
    assert not held.lets(PTRACE[machine])


@pytest.mark.parametrize("has_network_namespace", [True, False])
def test_calls_of_another_machine_end_the_process(machine: str, has_network_namespace: bool) -> None:
    program = filter_program(has_network_namespace=has_network_namespace, machine=machine)

    assert verdict(program, 102, architecture=0x40000003) == KILLED  # i386 on x86_64: other numbers


def test_the_third_way_to_call_x86_is_shut() -> None:
    assert not Filter("x86_64", has_network_namespace=True).lets(0x40000000 + 41, VSOCK)
