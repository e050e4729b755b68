"""Builds what is not Python: the fast paths of the batch engine and the probe, and the kernel engine's program.

All are optional. Without a C compiler engine and probe work in Python alone; without clang and libbpf's
headers there is no kernel engine. What was left out is said.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).resolve().parent
ECHO = Path("rawechod") / "echo"
PROGRAMS = {"reflect.bpf.o": (), "reflect-tags.bpf.o": ("-DRE_ASK_FOR_TAGS",)}
"""The kernel engine's objects: the second one asks the driver for VLAN tags, which takes Linux 6.8."""
BPF_FLAGS = ("-O2", "-g", "-Wall", "-target", "bpf", "-mcpu=v2", "-mllvm", "-no-stack-coloring")
"""Without CAP_PERFMON Linux 6.1 refuses 32-bit stores to where a pointer was kept on the stack."""


class BuildNative(build_ext):
    """Writes constants.h first and compiles the eBPF program last."""

    def run(self) -> None:
        """Build everything that can be built here."""
        include = Path(self.build_temp)
        include.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "rawechod.echo.constants"]
        (include / "constants.h").write_bytes(subprocess.run(command, cwd=HERE, check=True, stdout=-1).stdout)
        self.include_dirs.append(str(include))
        super().run()
        self._build_programs(include)

    def _build_programs(self, include: Path) -> None:
        clang = shutil.which("clang")
        if not clang:
            print("setup.py: no clang: built without the kernel engine", file=sys.stderr)
            return
        headers = f"/usr/include/{sysconfig.get_config_var('MULTIARCH') or ''}"
        flags = [*BPF_FLAGS, f"-I{include}", f"-I{headers}", f"-ffile-prefix-map={HERE}=."]
        source = str(HERE / ECHO / "reflect.bpf.c")
        for name, defines in PROGRAMS.items():
            target = (HERE if self.inplace else Path(self.build_lib)) / ECHO / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if subprocess.run([clang, *flags, *defines, "-c", source, "-o", str(target)], check=False).returncode:
                print(f"setup.py: clang failed: built without {name} (libbpf-dev?)", file=sys.stderr)
            elif strip := shutil.which("llvm-strip"):
                subprocess.run([strip, "-g", str(target)], check=True)


def extension(name: str, *parts: str) -> Extension:
    """A part in C that Python does without where it can't be compiled."""
    source, *depends = (str(Path("rawechod") / part) for part in parts)
    flags = ["-O2", "-Wall", "-Wextra"]
    return Extension(name, [source], depends=depends, extra_compile_args=flags, optional=True)


FRAMES = ("packet/batch.h", "packet/octets.h", "packet/ring.h")

setup(
    cmdclass={"build_ext": BuildNative},
    ext_modules=[
        extension("rawechod.echo._batch", "echo/batch.c", "echo/reflect.h", "echo/tables.h", *FRAMES),
        extension("rawechod.probe._exchange", "probe/exchange.c", *FRAMES),
    ],
)
