"""What the inference probes share: start the process that does the work, hear its reports, end it in every case.

The worker reports in steps, so that a crash in the first run leaves what loading took. Each report is one line
behind a nonce of its own, which the worker reads from a pipe just before it reports; what the measured code prints is
drained and never taken for a report. Code that was written against this very protocol could still read the nonces
itself: it runs in the process that is timed.
"""

import json
import os
import re
import secrets
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.append(os.path.dirname(os.path.abspath(__file__)))  # -I leaves the probes' own folder out

from imports import PIPE_BYTES, Failure, last_exception, oom_kills, resident_bytes, signal_name

NONCE_BYTES = 32
REPORTS = 16  # more than any worker sends
REPORT_BYTES = 48 * 2**20
TAIL_BYTES = 65536
POLL_SECONDS = 0.2  # seldom: the worker may share its core with this process
WORKER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "worker.py")
FORGED = "it wrote a report of its own making"
STYLE = re.compile(r"\x1b\[[0-9;]*m")
NO_MEMORY = re.compile(r"bad_alloc|bad allocation|out of memory|failed to allocate memory|can't allocate memory", re.I)


class Worker:
    """One fresh process, from its start to its last report or its end."""

    def __init__(self, python, arguments, deadline, memory, environment=None):
        """`memory` in bytes is for where nothing outside limits it; 0: no limit."""
        self.command = [python, "-I", "-B", WORKER]
        self.arguments, self.deadline, self.memory = arguments, deadline, memory
        self.environment = {**os.environ, **(environment or {})}
        self.errors = ""  # the end of what it wrote on standard error

    def reports(self):
        """Give each report as it comes; the last one says `done`.

        Raises Failure where the process ended, was ended or lied before.
        """
        nonces = [secrets.token_hex(NONCE_BYTES // 2).encode() for _ in range(REPORTS)]
        source, give = os.pipe()
        take, sink = os.pipe()
        os.write(give, b"".join(nonces))
        os.close(give)
        kills = oom_kills()
        scratch = tempfile.mkdtemp(prefix="worker-")  # killed, it cannot tidy up after itself
        process = subprocess.Popen(
            [*self.command, str(source), str(sink), *self.arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(source, sink),
            start_new_session=True,
            env={**self.environment, "TMPDIR": scratch},
        )
        os.close(source)
        os.close(sink)
        sent, errors, reason, done = bytearray(), bytearray(), None, False
        printed, told = process.stdout.fileno(), process.stderr.fileno()
        try:
            with selectors.DefaultSelector() as selector:
                for stream in (take, printed, told):
                    selector.register(stream, selectors.EVENT_READ)
                last_round = False
                while not done:
                    for key, _ in selector.select(0 if last_round else POLL_SECONDS):
                        chunk = os.read(key.fd, PIPE_BYTES)
                        if not chunk:
                            selector.unregister(key.fd)
                        elif key.fd == take:
                            sent += chunk
                        elif key.fd == told:
                            errors += chunk
                            del errors[:-TAIL_BYTES]
                    while b"\n" in sent and not done:
                        line, _, rest = bytes(sent).partition(b"\n")
                        sent = bytearray(rest)
                        report = self.read(line, nonces)
                        yield report
                        done = bool(report.get("done"))
                    if done or last_round or len(sent) > REPORT_BYTES:
                        break
                    # Once it has ended, the pipes hold all that it had sent, and one more round reads it: a
                    # grandchild, which may hold the pipes for ever, is not waited for.
                    last_round = process.poll() is not None
                    if not last_round and time.monotonic() > self.deadline:
                        reason = "timeout"
                        break
                    if not last_round and self.memory and resident_bytes(process.pid) > self.memory:
                        reason = "oom"
                        break
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            status = process.wait()
            process.stdout.close()
            process.stderr.close()
            os.close(take)
            shutil.rmtree(scratch, ignore_errors=True)
            self.errors = STYLE.sub("", errors.decode("utf-8", "replace"))
        if done:
            return
        if reason == "timeout":
            raise Failure("timeout", "it was still running at the time limit")
        last = last_exception(self.errors)
        if reason == "oom" or (status == -signal.SIGKILL and oom_kills() > kills):
            raise Failure("oom", "it needed more memory than its limit")
        if status < 0 and NO_MEMORY.search(last):
            raise Failure("oom", last)
        if sent:
            raise Failure("forged", FORGED)
        if status < 0:
            raise Failure("crash " + signal_name(-status), last)
        if status == 0:
            raise Failure("early exit", "the process exited 0 before it was done")
        raise Failure("error", last or "exit status %d and no message" % status)

    @staticmethod
    def read(line, nonces):
        """The report in a line, which begins with the nonce whose turn it is."""
        if not nonces or not line.startswith(nonces[0] + b" "):
            raise Failure("forged", FORGED)
        del nonces[0]
        try:
            report = json.loads(line[NONCE_BYTES + 1 :])
        except ValueError:
            raise Failure("forged", FORGED) from None
        if not isinstance(report, dict):
            raise Failure("forged", FORGED)
        return report


def told_of(failure):
    """A failure's kind and detail; what its text says of memory decides the kind."""
    if failure.kind == "error" and NO_MEMORY.search(failure.detail):
        return "oom", failure.detail
    return failure.kind, failure.detail
