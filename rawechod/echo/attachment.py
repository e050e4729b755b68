"""The XDP program on its interface: in native mode where that is wanted and proves itself, else in generic mode.

Its link is a descriptor of ours, so the kernel removes it when we die, however we die. Native mode begins on
trial: the program wakes us at its first answer, and then the driver's counters decide. They are asked again at
each sweep, for what proved itself may end: native answers on veth leave while the peer has a native program.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable

from rawechod import driver, events, journal
from rawechod.driver import Driver
from rawechod.echo import native
from rawechod.echo.bpf import Native, Program, RefusedError, UnavailableError
from rawechod.echo.trial import TELLS_TAGS, UNDISTURBED, Counts, Period, Verdict, judge, refusal, refused
from rawechod.errors import InterfaceError
from rawechod.reactor import Deadline, Reactor

PATH = native.HERE / "reflect.bpf.o"
ASKS_FOR_TAGS = native.HERE / "reflect-tags.bpf.o"
"""The same, but that its native program asks the driver for a frame's tag."""
NATIVE, ON_TRIAL, GENERIC = "native", "native (on trial)", "generic"
NEVER_RUN = "its driver has stopped running the program"
NEVER_LEFT = "the driver's counters tell that its answers never left"
KERNEL = tuple(int(number) for number in re.findall(r"\d+", os.uname().release)[:2])
LOOK_AGAIN = 50_000_000
"""Nanoseconds to the next look at the counters, while it is not decided."""

_VERDICT = struct.Struct("=I")


class Attachment:
    """Loads the program, hangs it on an interface, and watches what becomes of its answers."""

    def __init__(
        self,
        reactor: Reactor,
        ifindex: int,
        wanted: str,
        never_left: Callable[[int], None],
        given_up: Callable[[], None],
    ) -> None:
        """`never_left` hears how many answers were claimed in vain, `given_up` that no mode is left.

        Raises InterfaceError.
        """
        self.mode: str | None = None
        """None = it is not attached."""
        self.problem = ""
        """Why not native, where that was wanted or tried."""
        self._reactor, self._ifindex, self._wanted, self._never_left = reactor, ifindex, wanted, never_left
        self._given_up = given_up
        self._next: Deadline | None = None
        self._doubted_since: int | None = None
        self._bell: int | None = None
        """What the program rings at its first answer, while we wait for that."""
        self._link = -1
        self._before = Counts(0, 0, 0, 0)
        self._decided_before = 0
        self._asks_for_tags = self._native_refused = self._alone = False
        self._driver = Driver(ifindex)
        try:
            self.program = self._load()
        except InterfaceError:
            self._driver.close()
            raise

    def attach(self) -> None:
        """Begin, once the program's settings are written; raises InterfaceError where no mode is possible."""
        if self.program.native_fd is None or not self._attach_native():
            self._attach_generic()

    def check(self) -> None:
        """Compare what is claimed with what has left."""
        if self.mode in (NATIVE, ON_TRIAL):
            try:
                self._look()
            except OSError:
                pass  # It is gone: rtnetlink is about to tell.

    def passed_by(self, frames: int) -> None:
        """So many were answered by the socket since the last call, and not by the program.

        In native mode it leaves none that it could answer to the socket, but on veth. So where the socket alone
        answers, twice in a row, the driver has stopped running it.
        """
        decided = self._decided()
        alone = frames > 0 and decided == self._decided_before
        self._decided_before, before, self._alone = decided, self._alone, alone
        if self.mode in (NATIVE, ON_TRIAL) and alone and before and not self._asks_for_tags:
            self._fall_back(NEVER_RUN)

    def renew(self) -> None:
        """The MTU has changed: drivers give up a program that they took before, or take one now.

        Raises InterfaceError where no mode is possible.
        """
        if self.program.native_fd is not None and (self.mode != GENERIC or self._native_refused):
            self.detach()
            self.problem = ""
            self.attach()

    def close(self) -> None:
        """Take the program away."""
        self.detach()
        self.program.close()
        self._driver.close()

    def _load(self) -> Program:
        if self._may_be_native():
            try:
                self._asks_for_tags = self._driver.name == TELLS_TAGS
                return self._load_native()
            except UnavailableError:
                raise
            except InterfaceError as error:
                self._refuse(str(error))
        return Program(PATH, "reflect")

    def _load_native(self) -> Program:
        path, bound_to = (ASKS_FOR_TAGS, self._ifindex) if self._asks_for_tags else (PATH, None)
        return Program(path, "reflect", Native("reflect_native", bound_to))

    def _may_be_native(self) -> bool:
        if self._wanted == GENERIC:
            return False
        try:
            name, reason = self._driver.name, self._danger()
        except OSError as error:
            name, reason = "", f"its driver does not say what becomes of VLAN tags ({error.strerror})"
        if reason:
            self._refuse(reason)
            return False
        return self._wanted == NATIVE or name in UNDISTURBED

    def _danger(self) -> str:
        return refusal(self._driver.name, self._driver.takes_tags, KERNEL)

    def _refuse(self, reason: str) -> None:
        """Tell why it is generic mode, if somebody asked for the other one by name."""
        if self._wanted == NATIVE:
            self.problem = reason

    def _attach_native(self) -> bool:
        """Whether the driver takes it."""
        self._native_refused = True
        try:
            self._link = self.program.attach(self._ifindex, native=True)
            self._before = self._count()  # Behind it: attaching makes some drivers count anew.
        except RefusedError as error:
            self._refuse(self._refused(error.code))
            return False
        except OSError as error:
            os.close(self._link)
            self._refuse(f"its driver can't be asked ({error.strerror})")
            return False
        self._native_refused = False
        self._decided_before = self._decided()
        self.mode, self._bell = ON_TRIAL, self.program.map("answered").fd
        self._reactor.register(self._bell, self._answered)
        journal.emit(events.XDP_ON_TRIAL, interface=self._name())
        return True

    def _refused(self, code: int) -> str:
        try:
            return refused(self._driver.name, code, self._driver.mtu)
        except OSError as error:
            return str(error.strerror)

    def _attach_generic(self) -> None:
        self._link = self.program.attach(self._ifindex)
        self.mode = GENERIC
        if self.problem:
            journal.emit(events.XDP_FALLBACK, interface=self._name(), problem=self.problem)

    def detach(self) -> None:
        """Take the program off the interface; it keeps what it remembers."""
        if self._next:
            self._next.cancel()
        self._stop_waiting()
        if self.mode:
            os.close(self._link)
        self.mode = self._next = None

    def _answered(self, _events: int) -> None:
        """The first answer of all: the driver's counters are worth a look soon."""
        self._stop_waiting()
        self._look_again()

    def _stop_waiting(self) -> None:
        if self._bell is not None:
            self._reactor.unregister(self._bell)
        self._bell = None

    def _look_again(self) -> None:
        if self._next:
            self._next.cancel()
        self._next = self._reactor.call_at(self._reactor.now() + LOOK_AGAIN, self.check)

    def _look(self) -> None:
        if danger := self._danger():
            self._fall_back(danger)
            return
        counts, now = self._count(), self._reactor.now()
        period = counts.since(self._before)
        if period is None:
            self._before, self._doubted_since = counts, None
            return
        verdict = judge(period, 0 if self._doubted_since is None else now - self._doubted_since)
        if verdict is Verdict.DISPROVED:
            self._fall_back(NEVER_LEFT)
        elif verdict is Verdict.DOUBTED:
            self._doubted_since = now if self._doubted_since is None else self._doubted_since
            self._look_again()
        else:
            self._believe(period)
            self._before, self._doubted_since = counts, None

    def _count(self) -> Counts:
        verdicts = self.program.map("verdicts")
        claimed = sum(verdicts.lookup_sum(_VERDICT.pack(kind)) for kind in (native.REPLY, native.RETURN))
        counters = self._driver.counters()
        apart, failed = driver.sent_apart(counters), driver.failed(counters)
        return Counts(claimed, self._driver.tx_packets(), apart, failed)

    def _decided(self) -> int:
        """Frames that the program has decided on."""
        verdicts = self.program.map("verdicts")
        return sum(verdicts.lookup_sum(_VERDICT.pack(kind)) for kind in range(len(native.VERDICTS)))

    def _believe(self, period: Period) -> None:
        if self.mode == ON_TRIAL and period.claimed:
            self.mode = NATIVE
            journal.emit(events.XDP_PROVED, interface=self._name())
        if period.failed:
            self._never_left(min(period.failed, period.claimed))

    def _fall_back(self, problem: str) -> None:
        """The kernel refuses mixed modes, so one goes before the other comes; the socket answers in between."""
        self.detach()
        self._tell_lost()
        self.problem = problem
        try:
            self._attach_generic()
        except InterfaceError as error:
            self.problem = f"{self.problem}; {error}"
            where = {"interface": self._name(), "engine": "epoll"}
            journal.emit(events.ENGINE_FALLBACK, **where, problem=self.problem)
            self._given_up()

    def _tell_lost(self) -> None:
        try:
            period = self._count().since(self._before)
        except OSError:
            return  # The driver does not say: they stay counted as transmitted.
        if period and period.lost:
            self._never_left(period.lost)

    def _name(self) -> str:
        """The interface's, or its number once it is gone."""
        try:
            return self._driver.interface
        except OSError:
            return str(self._ifindex)
