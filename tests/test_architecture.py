"""The house's rules, read from the source: who may import whom, what is pure, how long a thing may be."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
PROGRAMS = ("rawechod", "rawechoctl")
MOST_LINES_A_FUNCTION = 40

# From the ground up; a room may use what is in it and below it. A name stands for all modules in it that are
# not named themselves.
ROOMS = (
    ("rawechod", "rawechod.errors", "rawechod.reasons", "rawechod.durations", "rawechod.events"),
    ("rawechod.wire",),
    (
        "rawechod.echo.limiter",
        "rawechod.echo.counters",
        "rawechod.echo.trial",
        "rawechod.echo.breaker",
        "rawechod.echo.peers",
        "rawechod.probe.histogram",
        "rawechod.probe.statistics",
    ),
    (
        "rawechod.echo",
        "rawechod.echo.reflector",
        "rawechod.echo.hello",
        "rawechod.echo.loopback",
        "rawechod.probe",
        "rawechod.probe.session",
    ),
    ("rawechod.probe.losses", "rawechod.probe.pattern", "rawechod.probe.vlan"),
    (
        *("rawechod.probe.codec", "rawechod.probe.events", "rawechod.probe.timing", "rawechod.probe.record"),
        "rawechod.probe.early",
    ),
    ("rawechod.packet", "rawechod.reactor", "rawechod.journal", "rawechod.systemd", "rawechod.link"),
    ("rawechod.driver",),
    ("rawechod.config", "rawechod.config_problems"),
    ("rawechod.echo.constants", "rawechod.echo.native"),
    (
        "rawechod.echo.bpf",
        "rawechod.echo.attachment",
        "rawechod.echo.accelerator",
        "rawechod.echo.sweep",
        "rawechod.echo.kernel_peers",
        "rawechod.echo.kernel_engine",
        "rawechod.echo.engines",
        "rawechod.echo.arming",
        "rawechod.echo.storm",
        "rawechod.echo.modes",
        "rawechod.echo.epoll_engine",
        "rawechod.echo.listener",
    ),
    ("rawechod.probe.reporter", "rawechod.probe.hosts", "rawechod.probe.line", "rawechod.probe.exchange"),
    ("rawechod.probe.runner", "rawechod.probe.job", "rawechod.probe.prober"),
    ("rawechod.listeners",),
    ("rawechod.control",),
    ("rawechod.loading",),
    ("rawechod.reload",),
    ("rawechod.daemon",),
    ("rawechod.__main__",),
    (
        "rawechoctl.exits",
        "rawechoctl.options",
        "rawechoctl.render",
        "rawechoctl.output",
        "rawechoctl.cli",
        "rawechoctl.client",
    ),
    ("rawechoctl", "rawechoctl.commands"),
    ("rawechoctl.__main__",),
)

PURE = (
    *("rawechod.wire", "rawechod.wire.ethernet", "rawechod.wire.eapol", "rawechod.wire.echo"),
    *("rawechod.echo.reflector", "rawechod.echo.hello", "rawechod.echo.limiter", "rawechod.echo.counters"),
    *("rawechod.echo.loopback", "rawechod.echo.breaker", "rawechod.echo.peers", "rawechod.echo.trial"),
    *("rawechod.probe.session", "rawechod.probe.statistics", "rawechod.probe.histogram"),
    *("rawechod.probe.record", "rawechod.probe.codec", "rawechod.probe.events"),
    *("rawechod.probe.losses", "rawechod.probe.vlan", "rawechod.probe.timing", "rawechod.probe.early"),
    *("rawechod.control.varlink", "rawechod.durations", "rawechod.reasons", "rawechod.events"),
    *("rawechoctl.render", "rawechoctl.history", "rawechoctl.rates", "rawechoctl.tally"),
    *("rawechoctl.series", "rawechoctl.scale", "rawechoctl.charts"),
    *("rawechoctl.search", "rawechoctl.cells", "rawechoctl.findings", "rawechod.echo.tracer"),
)
SHARED = {"rawechod.control.varlink", "rawechod.probe.histogram", "rawechod.probe.statistics"}
SHARED |= {"rawechod.control.location", "rawechod.streams"}
IMPURE = {"socket", "time", "select", "logging", "structlog", "systemd", "os", "signal", "threading", "random"}
IMPURE |= {"rawechod.journal", "rawechod.reactor", "rawechod.systemd", "rawechod.link", "rawechod.packet"}
IMPURE |= {"rawechod.driver"}


def _module(path: Path) -> str:
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> dict[str, Path]:
    """Every module of the programs by its name."""
    paths = [path for program in PROGRAMS for path in sorted((REPOSITORY / program).rglob("*.py"))]
    return {_module(path): path for path in paths}


@cache
def imports(name: str) -> frozenset[str]:
    """What a module imports, wherever in it; of a package's parts the modules themselves."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(modules()[name].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: relative import"
            origin = node.module or ""
            parts = {f"{origin}.{alias.name}" for alias in node.names}
            found |= {part if part in modules() else origin for part in parts}
    return frozenset(found)


@cache
def closure(name: str) -> frozenset[str]:
    """What a module imports, itself or through others of ours."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for imported in imports(waiting.pop()) - found:
            found.add(imported)
            if imported in modules():
                waiting.append(imported)
    return frozenset(found)


def room(name: str) -> int:
    """The number of a module's room: that of the longest name which stands for it."""
    places = {part: number for number, parts in enumerate(ROOMS) for part in parts}
    while name and name not in places:
        name = name.rpartition(".")[0]
    return places[name]


def test_every_named_module_exists() -> None:
    """The tables above speak of what is there."""
    named = {name for parts in ROOMS for name in parts} | set(PURE)
    assert named <= set(modules())


@pytest.mark.parametrize("name", modules())
def test_imports_point_down(name: str) -> None:
    """Nothing imports from a room above its own."""
    ours = [imported for imported in imports(name) if imported.partition(".")[0] in PROGRAMS]
    assert [imported for imported in ours if room(imported) > room(name)] == []


def test_no_import_cycles() -> None:
    """No module imports itself by way of others."""
    graph = {name: imports(name) & set(modules()) for name in modules()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


@pytest.mark.parametrize("name", PURE)
def test_pure_modules_touch_nothing(name: str) -> None:
    """The pure ones reach no socket, clock, logger or thread, also not through others."""
    outside = {imported for imported in closure(name) if _impure(imported)}
    assert outside == set()


def _impure(imported: str) -> bool:
    return any(imported == name or imported.startswith(f"{name}.") for name in IMPURE)


def test_the_control_tool_shares_what_is_pure() -> None:
    """Of the daemon rawechoctl imports the protocol and the figures, and nothing else through them."""
    own = [name for name in modules() if name.partition(".")[0] == "rawechoctl"]
    reached = {imported for name in own for imported in closure(name) if imported.partition(".")[0] == "rawechod"}
    assert reached == SHARED


def _sources() -> Iterator[Path]:
    for folder in (*PROGRAMS, "tests", "bench"):
        yield from sorted((REPOSITORY / folder).rglob("*.py"))


def test_functions_fit_a_screen() -> None:
    """Statements alone: signatures and docstrings may take the room that they need."""
    assert [line for path in _sources() for line in _long_functions(path)] == []


def _long_functions(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
            length = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            if length >= MOST_LINES_A_FUNCTION:
                yield f"{path.relative_to(REPOSITORY)}:{node.lineno} {node.name}: {length} lines"
