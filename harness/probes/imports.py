"""Probe: what does `import X` cost, and because of which module?

Every sample is a fresh interpreter, started by this process and timed from its start to the moment
at which it says that the import is done. Bare starts and imports take turns, and the caller
subtracts the bare median. What the measured code prints is drained and thrown away: a sample
counts only when its interpreter reads a nonce from a pipe *after* the import and sends it back, so
neither a printed document nor an early exit is taken for a result. Code that was written against this
very protocol could still read the nonce itself: it runs in the process that is timed.
"""

import argparse
import ctypes
import json
import mmap
import os
import re
import secrets
import selectors
import signal
import stat
import subprocess
import sys
import time

TAIL_BYTES = 65536
TRACE_BYTES = 16 * 2**20
PIPE_BYTES = 65536  # what a pipe holds, unless somebody made it larger
FORGED = "the import wrote a result of its own making"
LISTED_MODULES = 10
POLL_SECONDS = 0.05
CACHED_SHARE = 0.02  # more of the touched pages than this left in the file cache: not a cold start

# What the fresh interpreter runs. Only builtin modules (sys, time, posix) before the import: they cost
# the bare start the same.
CHILD = """
import sys, time, posix
package, source, sink = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
if package:
    __import__(package)
nonce = posix.read(source, 64)
with open("/proc/self/status") as status:
    peak = [line.split()[1] for line in status if line.startswith("VmHWM")] or ["0"]
posix.write(sink, nonce + b" %d %d %d\\n" % (time.process_time() * 1e9, len(sys.modules), int(peak[0])))
"""

# The same, but with every file that Python opens and every file that is mapped at the end told.
TRACE_CHILD = """
import sys, posix
package, source, sink = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
opened = set()
def hook(event, args):
    if event == "open" and args and isinstance(args[0], str):
        opened.add(args[0])
sys.addaudithook(hook)
__import__(package)
seen = sorted(opened)
import json
mapped, path = {}, None
with open("/proc/self/smaps") as maps:
    for line in maps:
        parts = line.split(None, 5)
        if "-" in parts[0] and not parts[0].endswith(":"):
            path = parts[5].rstrip("\\n") if len(parts) > 5 and parts[5].startswith("/") else None
            if path:
                mapped.setdefault(path, 0)
        elif path and parts[0] == "Rss:":
            mapped[path] += int(parts[1]) * 1024
nonce = posix.read(source, 64)
with open(sink, "wb", closefd=False) as out:
    out.write(nonce + b" " + json.dumps({"opened": seen, "mapped": mapped}).encode() + b"\\n")
"""


class Failure(Exception):
    """The measured code did not get through its import; the message is for the record."""

    def __init__(self, kind, detail):
        super().__init__(detail)
        self.kind, self.detail = kind, detail


def oom_kills():
    """How often the kernel has killed something in this sandbox for want of memory."""
    for path in ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"):
        try:
            with open(path) as file:
                for line in file:
                    if line.startswith("oom_kill "):
                        return int(line.split()[1])
        except OSError:
            continue
    return 0


def resident_bytes(pid):
    try:
        with open("/proc/%d/statm" % pid) as file:
            return int(file.read().split()[1]) * mmap.PAGESIZE
    except (OSError, IndexError):
        return 0


def last_exception(text):
    """The last line of a traceback; where that names only a class, the exception told before it as well."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("import time:")]
    if not lines:
        return ""
    told = [line for line in lines[:-1] if re.match(r"[\w.]+(Error|Exception): .", line)]
    if re.fullmatch(r"[\w.]+", lines[-1]) and told:
        return ("%s, after %s" % (lines[-1], told[-1]))[:500]
    return lines[-1][:500]


def signal_name(number):
    try:
        return signal.Signals(number).name
    except ValueError:  # most real-time signals have none
        return "signal %d" % number


class Interpreter:
    """Starts fresh interpreters of one environment, and waits for what they send."""

    def __init__(self, python, package, deadline, memory):
        self.python, self.package, self.deadline, self.memory = python, package, deadline, memory

    def start(self, program=CHILD, options=(), stderr_bytes=TAIL_BYTES):
        """Run once; returns (seconds, what was sent behind the nonce, standard error)."""
        nonce = secrets.token_hex(16).encode()
        source, give = os.pipe()
        take, sink = os.pipe()
        os.write(give, nonce)
        os.close(give)
        command = [self.python, "-I", "-B", *options, "-c", program, self.package, str(source), str(sink)]
        kills = oom_kills()
        started = time.monotonic()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(source, sink),
            start_new_session=True,
        )
        os.close(source)
        os.close(sink)
        streams = {take: bytearray(), process.stdout.fileno(): bytearray(), process.stderr.fileno(): bytearray()}
        limits = {take: TRACE_BYTES, process.stdout.fileno(): 0, process.stderr.fileno(): stderr_bytes}
        ended, reason = None, None
        with selectors.DefaultSelector() as selector:
            for stream in streams:
                selector.register(stream, selectors.EVENT_READ)
            last_round = False
            while True:
                for key, _ in selector.select(0 if last_round else POLL_SECONDS):
                    chunk = os.read(key.fd, PIPE_BYTES)
                    if key.fd == take and ended is None:
                        ended = time.monotonic()
                    if not chunk:
                        selector.unregister(key.fd)
                    elif limits[key.fd]:
                        streams[key.fd] += chunk
                        del streams[key.fd][: -limits[key.fd]]
                if last_round:
                    break
                # Once it has answered or ended, the pipes hold all that it had sent, and one more round reads
                # it: neither its threads nor a grandchild, which may hold the pipes for ever, is waited for.
                last_round = streams[take].endswith(b"\n") or process.poll() is not None
                if not last_round and time.monotonic() > self.deadline:
                    reason = "timeout"
                    break
                if not last_round and self.memory and resident_bytes(process.pid) > self.memory:
                    reason = "oom"
                    break
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        status = process.wait()
        errors = bytes(streams[process.stderr.fileno()])
        sent = bytes(streams[take])
        process.stdout.close()
        process.stderr.close()
        os.close(take)
        if reason == "timeout":
            raise Failure("timeout", "the import was still running at the time limit")
        if reason == "oom" or (status == -signal.SIGKILL and oom_kills() > kills):
            raise Failure("oom", "the import needed more memory than its limit")
        if sent.startswith(nonce + b" ") and sent.endswith(b"\n"):
            return ended - started, sent[len(nonce) + 1 :].decode("utf-8", "replace"), errors
        if sent:
            raise Failure("forged", FORGED)
        if status < 0:
            raise Failure("crash", "crash " + signal_name(-status))
        if status == 0:
            raise Failure("early-exit", "the interpreter exited 0 before the import was done")
        raise Failure(
            "error", last_exception(errors.decode("utf-8", "replace")) or "exit status %d and no message" % status
        )

    def sample(self):
        seconds, sent, _ = self.start()
        try:
            cpu, modules, peak = (int(word) for word in sent.split())
        except ValueError:
            raise Failure("forged", FORGED) from None
        return {"seconds": seconds, "cpu_seconds": cpu / 1e9, "modules": modules, "rss_bytes": peak * 1024}


def trace(interpreter, env):
    """One import under `-X importtime` and an audit hook.

    Returns its module times, and which installed files it opened or mapped: (paths, bytes, resident
    bytes of the mapped).
    """
    options = ("-X", "importtime")
    _, sent, errors = interpreter.start(TRACE_CHILD, options, stderr_bytes=TRACE_BYTES)
    try:
        told = json.loads(sent)
    except ValueError:
        raise Failure("forged", FORGED) from None
    top = os.path.realpath(env) + os.sep
    files, resident = {}, 0
    for path in set(told["opened"]) | set(told["mapped"]):
        real = os.path.realpath(path)
        if not real.startswith(top):
            continue
        try:
            info = os.stat(real)
        except OSError:
            continue
        if stat.S_ISREG(info.st_mode):
            files[(info.st_dev, info.st_ino)] = (real, info.st_size)
    for path, pages in told["mapped"].items():
        if os.path.realpath(path).startswith(top):
            resident += pages
    paths = [path for path, _ in files.values()]
    return import_times(errors.decode("utf-8", "replace")), paths, sum(size for _, size in files.values()), resident


def evict(paths):
    """Drop files from the file cache, without privileges; returns the share of their pages still there.

    Only clean pages can be dropped, so each file is written back first.
    """
    for path in paths:
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(fd)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    libc.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p]
    pages = cached = 0
    for path in paths:
        size = os.path.getsize(path)
        if not size:
            continue
        count = -(-size // mmap.PAGESIZE)
        fd = os.open(path, os.O_RDONLY)
        try:
            address = libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, fd, 0)
            if address in (None, ctypes.c_void_p(-1).value):
                continue
            vector = ctypes.create_string_buffer(count)
            if libc.mincore(address, size, vector) == 0:
                pages += count
                cached += count - vector.raw[:count].count(b"\0")
            libc.munmap(address, size)
        finally:
            os.close(fd)
    return cached / pages if pages else 0.0


def import_times(text):
    """The heaviest modules of `-X importtime`, by own and by cumulative microseconds.

    A module that its own parent imported is told twice: first when it was loaded, then by whoever had asked for
    it and waited for the parent meanwhile. The first counts.
    """
    told = {}
    for line in text.splitlines():
        match = re.match(r"import time:\s+(\d+) \|\s+(\d+) \|\s*(\S+)\s*$", line)
        if match:
            told.setdefault(match[3], (match[3], int(match[1]), int(match[2])))
    rows = list(told.values())
    return {
        "modules": len(rows),
        "by_own": [
            {"module": m, "microseconds": own} for m, own, _ in sorted(rows, key=lambda r: -r[1])[:LISTED_MODULES]
        ],
        "by_cumulative": [
            {"module": m, "microseconds": total} for m, _, total in sorted(rows, key=lambda r: -r[2])[:LISTED_MODULES]
        ],
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", required=True)
    parser.add_argument("--package", required=True)
    parser.add_argument("--first", action="store_true", help="one import, before any bytecode is on disk")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cold-repeats", type=int, default=3)
    parser.add_argument("--timeout", type=float, default=600.0, help="seconds for everything")
    parser.add_argument("--memory", type=int, default=0, help="bytes, where nothing outside limits it")
    args = parser.parse_args()
    env = os.path.join(args.root, "env")
    deadline = time.monotonic() + args.timeout
    bare = Interpreter(os.path.join(args.root, "bare", "bin", "python"), "", deadline, 0)
    full = Interpreter(os.path.join(env, "bin", "python"), args.package, deadline, args.memory)
    document = {"failure": None, "bare": [], "first": [], "warm": [], "cold": []}
    try:
        bare.sample()  # warm-up
        if args.first:
            document["bare"] = [bare.sample() for _ in range(3)]
            document["first"] = [full.sample()]
        else:
            document["importtime"], paths, size, resident = trace(full, env)
            document["touched"] = {"files": len(paths), "bytes": size, "resident_bytes": resident}
            for _ in range(args.repeats):
                document["bare"].append(bare.sample())
                document["warm"].append(full.sample())
            document["cached_share"] = 0.0
            for _ in range(args.cold_repeats):
                document["cached_share"] = max(document["cached_share"], evict(paths))
                if document["cached_share"] > CACHED_SHARE:
                    break
                document["cold"].append(full.sample())
    except Failure as failure:
        document["failure"] = {"kind": failure.kind, "detail": failure.detail}
    json.dump(document, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
