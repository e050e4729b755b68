"""How the control tool ends when somebody ends it: Ctrl-C, a dying daemon, a reader that goes away."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from tests.control.tool import SILENT, TOOL
from tests.lab import REPOSITORY, Daemon, Host, StartDaemon, wait_for


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_probe(served: Daemon, number: int) -> None:
    """The summary comes at once, and the exit status is the probe's."""
    with served.ctl_popen("probe", "-c", "0", "-i", "0.02") as client:
        assert client.stdout is not None
        while not client.stdout.readline().startswith("reply from"):
            pass
        client.send_signal(number)
        rest, errors = client.communicate(timeout=30)
    assert (client.returncode, errors) == (0, "")
    assert "--- 00:00:00:00:00:00 on lo ---" in rest
    assert "0% lost" in rest


def test_interrupted_without_a_reply(served: Daemon) -> None:
    """The last replies are waited for, and none comes: 1."""
    with served.ctl_popen("probe", SILENT, "-c", "0", "-W", "0.5") as client:
        wait_for(lambda: served.status()["probes"], "the probe")
        client.send_signal(signal.SIGINT)
        rest, _ = client.communicate(timeout=30)
    assert client.returncode == 1
    assert "100% lost" in rest


def test_ended_by_the_daemon(lone_host: Host, daemon: StartDaemon) -> None:
    """Stopped: its summary says so, what was under way is not known, and that is no success."""
    ours = daemon(lone_host, "")
    with ours.ctl_popen("probe", SILENT, "-c", "0", "-i", "0.05", "-W", "60", "-q") as client:
        wait_for(lambda: ours.status()["probes"], "the probe")
        assert ours.stop() == 0
        output, errors = client.communicate(timeout=30)
    assert (client.returncode, errors) == (5, "")
    assert "the daemon ended the probe: it was stopped\n" in output
    assert "loss not known" in output


@pytest.mark.parametrize("quiet", [(), ("-q",)])
def test_daemon_that_dies_under_a_probe(
    lone_host: Host, daemon: StartDaemon, tmp_path: Path, quiet: tuple[str, ...]
) -> None:
    """Killed: the summary of what was seen, marked as cut off, in rows and page too; a sentence, exit status 5."""
    ours = daemon(lone_host, "")
    rows, page = tmp_path / "run.csv", tmp_path / "run.html"
    written = ("--csv", str(rows), "--report", str(page))
    with ours.ctl_popen("probe", "-c", "0", "-i", "0.02", *written, *quiet) as client:
        wait_for(lambda: rows.exists() and rows.read_text().count("reply") > 3, "a few rows")
        ours.kill()
        output, errors = client.communicate(timeout=30)
    assert client.returncode == 5
    assert errors.startswith("rawechoctl: ")
    assert "Traceback" not in errors
    assert "cut off: " in output
    assert "received, 0% lost" in output
    assert "The run was cut off." in page.read_text()
    assert rows.read_text().endswith("\n")


def test_interrupted_twice(served: Daemon) -> None:
    """The second Ctrl-C does not wait for replies: what was seen is told, and that it is not all."""
    with served.ctl_popen("probe", SILENT, "00:00:00:00:00:00", "-c", "0", "-i", "0.02", "-W", "60") as client:
        assert client.stdout is not None
        while "reply from" not in client.stdout.readline():
            pass
        client.send_signal(signal.SIGINT)
        wait_for(lambda: len(served.status()["probes"]) == 1, "the end of the probe without outstanding requests")
        client.send_signal(signal.SIGINT)
        rest, errors = client.communicate(timeout=30)
    assert (client.returncode, errors) == (130, "")
    assert rest.count("cut off: ") == 1
    assert "loss not known" in rest
    wait_for(lambda: not served.status()["probes"], "the end of the probes")


@pytest.mark.parametrize(("reports", "output"), [(False, ""), (True, "\n--- probe ---\ncut off: ")])
def test_daemon_that_dies_under_a_quiet_probe(
    lone_host: Host, daemon: StartDaemon, reports: bool, output: str
) -> None:
    """With --quiet nothing is known but what intervals said; the exit status is 5 all the same."""
    ours = daemon(lone_host, "")
    arguments = ("--report-every", "100ms") if reports else ()
    with ours.ctl_popen("probe", "-c", "0", "-i", "0.02", "-q", "-W", "0.1", *arguments) as client:
        wait_for(lambda: ours.status()["probes"], "the probe")
        if reports:
            assert client.stdout is not None
            client.stdout.readline()
        ours.kill()
        found, errors = client.communicate(timeout=30)
    assert client.returncode == 5
    assert errors.startswith("rawechoctl: ")
    assert output in found
    assert reports is (" sent, " in found.partition("cut off: ")[2])


def test_daemon_that_dies_under_several_probes(lone_host: Host, daemon: StartDaemon) -> None:
    """A summary for each target."""
    ours = daemon(lone_host, "")
    with ours.ctl_popen("probe", SILENT, "00:00:00:00:00:00", "-c", "0", "-i", "0.02") as client:
        assert client.stdout is not None
        while "reply from" not in client.stdout.readline():
            pass
        ours.kill()
        output, errors = client.communicate(timeout=30)
    assert client.returncode == 5
    assert errors.startswith("rawechoctl: ")
    assert output.count("cut off: ") == 2
    assert f"1 of 2 targets answered; no reply from {SILENT}" in output


def test_reader_that_goes_away(served: Daemon) -> None:
    """As any filter's: ended by SIGPIPE without a word, and the probe with it."""
    with served.ctl_popen("probe", "-c", "0", "-i", "0.01") as client:
        assert client.stdout is not None
        client.stdout.readline()
        client.stdout.close()
        assert client.wait(30) == -signal.SIGPIPE
        assert client.stderr is not None
        assert client.stderr.read() == ""
    wait_for(lambda: not served.status()["probes"], "the end of the probe")


def test_full_disk(served: Daemon) -> None:
    """Output that can't be written is no success."""
    with Path("/dev/full").open("w") as full:
        command = [*TOOL, "--socket", str(served.control), "status"]
        result = subprocess.run(
            command, cwd=REPOSITORY, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert result.returncode == 2, result
    assert "can't write the output: No space left on device" in result.stderr


@pytest.mark.parametrize("arguments", ["--nonsense", "probe nobody", "probe nobody -c x"])
def test_closed_standard_error(served: Daemon, arguments: str) -> None:
    """What is for it is not written elsewhere, and the exit status is the same."""
    command = ["sh", "-c", f'exec "{TOOL[0]}" -m rawechoctl --socket "$0" {arguments} 2>&-', str(served.control)]
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stdout) == (2, "")


def test_closed_standard_output(served: Daemon) -> None:
    """Nowhere to write to: said, as for a full disk."""
    command = ["sh", "-c", f'exec "{TOOL[0]}" -m rawechoctl --socket "$0" status >&-', str(served.control)]
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "rawechoctl: can't write the output: Bad file descriptor\n"
