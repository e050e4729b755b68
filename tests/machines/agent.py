#!/usr/bin/python3
"""Inside a virtual machine: runs what the test sends, a JSON object a line, and answers with one.

{"command": "...", "timeout": 60} -> {"status": 0, "output": "..."}; status 124: not done in time.
"""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

PORT = Path("/dev/virtio-ports/agent")

os.environ |= {"LANG": "C.UTF-8", "HOME": "/root", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
while not PORT.exists():
    time.sleep(0.1)
with PORT.open("r+b", buffering=0) as port:
    port.write(json.dumps({"kernel": os.uname().release}).encode() + b"\n")
    unread = b""
    while True:
        data = port.read(65536)
        if not data:  # nobody is at the other end
            time.sleep(0.05)
            continue
        unread += data
        while b"\n" in unread:
            line, _, unread = unread.partition(b"\n")
            asked = json.loads(line)
            with subprocess.Popen(
                ["/bin/bash", "-c", asked["command"]],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            ) as process:
                try:
                    output, status = process.communicate(timeout=asked["timeout"])[0], process.returncode
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    output, status = process.communicate()[0], 124
            said = {"status": status, "output": output.decode("utf-8", "replace")}
            port.write(json.dumps(said).encode() + b"\n")
