# SPDX-License-Identifier: GPL-2.0-only
"""Starts QEMU and passes its console on. Each boot's script, which is kept, contains it.

QEMU writes the console of an emulated serial port byte by byte, and kunit.py is woken for each: a
traced boot of half a megabyte takes 1.9 s of CPU time for 1.2 s. This program stands between them
and looks 100 times a second.

For a traced boot the console goes to a ring buffer in QEMU, and is read from there with QEMU's
machine protocol, on a pair of sockets: half of the CPU time of such a boot were 527,000 write(2).
QEMU then stops the guest at its end instead of ending itself (-no-shutdown), so that the last lines
can be read. Otherwise it goes to a pipe. QEMU drops what a full pipe does not take after four tries
(hw/char/serial.c), as was seen on a busy machine: so the pipe is large, and nothing here waits for
kunit.py. What was lost nevertheless, or is more than can wait for kunit.py, is named by a line in
its place, in the words of `mermapctl.system.bounded`: no suite passes with a part unread.

kunit.py takes this process for QEMU: it passes a TERM on, and writes down how QEMU ended, which
kunit.py does not print. It runs isolated, with the standard library alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import socket
import sys
import time

BEGUN = "begun"
"""Written while QEMU runs; afterwards its exit code, negative for the signal that ended it.

After the exit code follows the signal on which QEMU says that it ends, with a space between.
"""
TERMINATING = b": terminating on signal "
"""QEMU's message on TERM, INT and HUP (softmmu/runstate.c); it then exits with 0."""
STDIO = ["-serial", "stdio"]
RING = 1 << 26
"""Bytes of the ring buffer: more than a guest prints in a minute in which nobody reads."""
MOST = 1 << 26
"""Bytes that wait for kunit.py; of more, the first and the last are kept."""
LEFT_OUT = (
    b"\n** %d printk messages dropped ** mermapctl: "
    b"%d bytes or more of this file are left out here\n"
)
PAGE, FIFO = 4096, 16
"""Bytes of a page of a pipe, and of a write by QEMU: where one does not fit, it begins a page."""
CHUNK = 1 << 20
LAST = 1 << 12
"""Bytes at the end of QEMU's output in which that message is looked for."""
PERIOD = 0.01


def in_ring(arguments: list[str], monitor: int) -> list[str] | None:
    """Return QEMU's arguments with the console in a ring buffer; None if it is not on stdio.

    `monitor` is the descriptor of QEMU's end of the pair of sockets.
    """
    places = [at for at in range(len(arguments)) if arguments[at : at + 2] == STDIO]
    if len(places) != 1:
        return None
    (at,) = places
    ring = ["-chardev", f"ringbuf,id=ring,size={RING}", "-serial", "chardev:ring"]
    reader = ["-chardev", f"socket,id=reader,fd={monitor}", "-mon", "chardev=reader,mode=control"]
    return [*arguments[:at], *ring, *reader, "-no-shutdown", *arguments[at + 2 :]]


class Ring:
    """Reads the ring buffer of a QEMU: asks again and again, ends QEMU when the guest has ended."""

    def __init__(self, connection: socket.socket) -> None:
        import base64  # noqa: PLC0415 - QEMU starts meanwhile
        import json  # noqa: PLC0415

        self._bytes, self._json = base64.b64decode, json
        self.connection = connection
        self.gone = False
        self._rest = b""
        self._held = bytearray()
        self._asked = 0
        self._next = 0.0
        self._ended = self._quit = False
        self._ask("qmp_capabilities")

    def ask(self) -> None:
        """Ask for what is in the buffer, unless an answer is awaited or the last one is recent."""
        if not (self.gone or self._asked or self._quit) and time.monotonic() >= self._next:
            self._next = time.monotonic() + PERIOD
            self._ask("ringbuf-read", device="ring", size=CHUNK, format="base64")

    def take(self, backlog: Backlog) -> None:
        """Add the console's bytes in what QEMU has sent.

        The ring overwrites its oldest bytes without a word. Then it is full, and its bytes arrive
        in full answers: they are held back until it is known whether there are as many.
        """
        try:
            sent = self.connection.recv(CHUNK)
        except OSError:
            sent = b""
        self.gone = not sent
        *lines, self._rest = (self._rest + sent).split(b"\n")
        for line in lines:
            read = self._read(line)
            self._held += read
            if len(self._held) >= RING:
                backlog.gap()
            if len(self._held) >= RING or len(read) < CHUNK:
                self._pass_on(backlog)
        if self.gone:
            self._pass_on(backlog)

    def _pass_on(self, backlog: Backlog) -> None:
        backlog.add(bytes(self._held))
        self._held.clear()

    def _read(self, line: bytes) -> bytes:
        said = self._json.loads(line)
        if said.get("event") == "SHUTDOWN":
            self._ended, self._next = True, 0.0
        if "error" in said:
            os.write(2, b"QEMU's monitor: " + line + b"\n")
        if not {"return", "error"} & said.keys():
            return b""
        self._asked -= 1
        console = said.get("return")
        read = self._bytes(console) if isinstance(console, str) else b""
        if len(read) >= CHUNK:
            self._next = 0.0
        elif self._ended and not read and isinstance(console, str):
            self._quit = True
            self._ask("quit")
        return read

    def _ask(self, what: str, **arguments: object) -> None:
        question = {"execute": what, "arguments": arguments}
        self._asked += 1
        try:
            # SIGPIPE ends this program where kunit.py is gone, but not where QEMU is.
            self.connection.sendall(
                self._json.dumps(question).encode() + b"\n", socket.MSG_NOSIGNAL
            )
        except OSError:
            self.gone = True


class Backlog:
    """The console that waits for kunit.py. Of more than MOST bytes it keeps the first and the last.

    A line in place of the others counts them.
    """

    def __init__(self) -> None:
        self.first = bytearray()
        self._rest = bytearray()
        self._lost = self._lines = 0
        self._torn = False

    def add(self, data: bytes) -> None:
        """Add bytes of the console; after a gap, from the next line on."""
        if self._torn:
            _, end, data = data.partition(b"\n")
            self._torn = not end
        room = 0 if self._rest else max(MOST // 2 - len(self.first), 0)
        self.first += data[:room]
        self._rest += data[room:]
        if len(self._rest) > MOST // 2:
            most = len(self._rest) - MOST // 4
            cut = self._rest.find(b"\n", most) + 1 or most
            self._lost += cut
            self._lines += self._rest.count(b"\n", 0, cut)
            del self._rest[:cut]
        if not self.first:
            self._join()

    def gap(self) -> None:
        """Name a loss of unknown size at the end; the rest of its last line is dropped."""
        self.add(LEFT_OUT % (1, 1))
        self._torn = True

    def write(self, most: int) -> None:
        """Write at most so many bytes to stdout."""
        del self.first[: os.write(1, self.first[:most])]
        if not self.first:
            self._join()

    def _join(self) -> None:
        if self._lost:
            self.first += LEFT_OUT % (max(self._lines, 1), self._lost)
        self.first += self._rest
        self._rest.clear()
        self._lost = self._lines = 0


def note(path: str, text: str) -> None:
    """Write down how QEMU is doing; an error does not end the boot."""
    with contextlib.suppress(OSError), open(path, "w", encoding="ascii") as file:  # noqa: PTH123
        file.write(text)


def start(argv: list[str], output: int) -> int:
    """Start QEMU with its output on a pipe; return its process."""
    qemu = os.fork()
    if not qemu:
        both = os.path.sameopenfile(1, 2)
        os.dup2(output, 1)
        if both:
            os.dup2(1, 2)
        os.execvp(argv[0], argv)  # noqa: S606
    return qemu


def reported(said: bytes) -> str:
    """Return the signal on which QEMU says that it ends, as digits; empty if it does not."""
    before, found, after = said.rpartition(TERMINATING)
    number = after.split()[0] if found and after.split() else b""
    named = b"qemu-system-" in before.rpartition(b"\n")[2]
    return number.decode("ascii") if named and number.isdigit() and len(number) < 3 else ""


def pump(output: int, ring: Ring | None, room: int) -> tuple[Backlog, bytes]:
    """Pass on all that QEMU prints until it has ended.

    Return what kunit.py has not taken yet, and the last bytes of QEMU's output. With a ring the
    guest cannot write these. A read of `room` bytes finds a full pipe.
    """
    backlog = Backlog()
    said = b""
    is_open = True
    while is_open or (ring and not ring.gone):
        wanted = [output] if is_open else []
        if ring and not ring.gone:
            ring.ask()
            wanted.append(ring.connection.fileno())
        late = PERIOD if ring else None
        ready, _, _ = select.select(wanted, [1] if backlog.first else [], [], late)
        if output in ready:
            chunk = os.read(output, CHUNK)
            is_open = bool(chunk)
            backlog.add(chunk)
            if len(chunk) >= room:
                backlog.gap()
            said = (said + chunk)[-LAST:]
        if ring and ring.connection.fileno() in ready:
            ring.take(backlog)
        while backlog.first and select.select([], [1], [], 0)[1]:
            backlog.write(PAGE)
        if not ring:
            time.sleep(PERIOD)
    return backlog, said


def room_of(pipe: int) -> int:
    """Return how many bytes a full pipe has at least; more than is read at once if unknown."""
    try:
        size = fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ)
    except OSError:
        return CHUNK + 1
    return size - size // PAGE * FIFO


def main(ended: str, how: str, argv: list[str]) -> int:
    """Run QEMU, with the console in a ring buffer if `how` is ``ring``; return the exit code."""
    output, inner = os.pipe()
    with contextlib.suppress(OSError):  # this user may have many pipes
        fcntl.fcntl(output, fcntl.F_SETPIPE_SZ, CHUNK)
    ours, theirs = socket.socketpair()
    os.set_inheritable(theirs.fileno(), True)  # noqa: FBT003
    ringed = in_ring(argv, theirs.fileno()) if how == "ring" else None
    note(ended, BEGUN)
    qemu = start(ringed or argv, inner)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(qemu, signal.SIGTERM))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # QEMU ends, and its last lines are passed on
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.close(inner)
    theirs.close()
    backlog, said = pump(output, Ring(ours) if ringed else None, room_of(output))
    code = os.waitstatus_to_exitcode(os.waitpid(qemu, 0)[1])
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    note(ended, f"{code} {reported(said)}".rstrip())
    while backlog.first:
        backlog.write(CHUNK)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
