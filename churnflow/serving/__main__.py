"""The command `python -m churnflow.serving`: start the API, say where it listens, end at a signal with 0."""

import argparse
import contextlib
import errno
import os
import resource
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from prometheus_client.multiprocess import mark_process_dead
from uvicorn import Config, Server
from uvicorn.supervisors import Multiprocess

from churnflow.domain.failures import keep_messages_out_of_logs
from churnflow.errors import ChurnflowError, ConflictError, RefusedError, UsageError
from churnflow.serving.app import create_app
from churnflow.serving.current import Current, Source
from churnflow.serving.guard import has_keys
from churnflow.serving.logs import LOGGING
from churnflow.serving.measures import MULTIPROCESS
from churnflow.serving.settings import LOG_VARIABLE, Settings, is_loopback
from churnflow.serving.wire import DeadlineProtocol

STOP_SECONDS = 10
START_SECONDS = 60.0
MAX_WORKERS = 64
MAX_PORT = 65535


class OneProcess(Server):
    """A server in this process that says where it listens, and ends without an error at SIGTERM or SIGINT."""

    def __init__(self, config: Config, greeting: str) -> None:
        """Take the configuration and what to say once it listens."""
        super().__init__(config)
        self._greeting = greeting

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets)
        if self.started:
            announce(self._greeting)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Begin to stop; a second Ctrl-C waits for no client.

        A graceful stop is a success, so the signal is not raised again when it is done.
        """
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True


class SeveralProcesses(Multiprocess):
    """Workers on one socket that are announced once all of them answer."""

    def __init__(self, config: Config, sockets: list[socket.socket], greeting: str) -> None:
        """Take the configuration, the shared socket and what to say once all listen."""
        super().__init__(config, sockets)
        self._greeting = greeting
        self.stopped = False

    def init_processes(self) -> None:
        """Start the workers, and say so when they are ready."""
        super().init_processes()
        if all(process.wait_until_ready(START_SECONDS, self.should_exit) for process in self.processes):
            announce(self._greeting)
        elif not self.signal_queue:
            self.should_exit.set()

    def keep_subprocess_alive(self) -> None:
        """Replace workers that died, and take what they said of themselves out of the metrics; counts stay."""
        before = {process.pid for process in self.processes}
        super().keep_subprocess_alive()
        for pid in before - {process.pid for process in self.processes}:
            mark_process_dead(pid)  # type: ignore[no-untyped-call]

    def handle_signals(self) -> None:
        """Begin to stop when a signal says so; `stopped` tells that from workers that gave up."""
        super().handle_signals()
        self.stopped = self.should_exit.is_set()


def announce(greeting: str) -> None:
    """Print what tells a person, or the process that started this one, that the API answers."""
    sys.stderr.write(greeting)
    sys.stderr.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the API until a signal; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return _serve(options)
    except ChurnflowError as error:
        sys.stderr.write(f"error: {error}\nhint: {error.hint}\n")
        return error.exit_code


def _serve(options: argparse.Namespace) -> int:
    settings = _settings(options)
    source = Source(settings.pointer, settings.store, settings.bundle)
    current = Current(source)
    current.refresh()
    _raise_file_limit()
    with _bind(options.host, options.port) as listener:
        _refuse_strangers(settings, options.host)
        url = _url(options.host, listener.getsockname()[1])
        greeting = _greeting(current, url) + _who_may_ask(settings)
        if options.stop_with_stdin:
            threading.Thread(target=_stop_with_stdin, daemon=True).start()
        if options.workers == 1:
            # Ctrl-C comes through handle_exit; one before it is installed ends the start, which is no failure either.
            with contextlib.suppress(KeyboardInterrupt):
                OneProcess(_config(create_app(current, settings)), greeting).run([listener])
            return 0
        return _run_workers(settings, options.workers, listener, greeting)


def _refuse_strangers(settings: Settings, host: str) -> None:
    """Raise RefusedError where others than this machine can ask, and there is no key to ask them for."""
    if not settings.open_ and not has_keys(settings):
        message = f"{host} is reached from outside, and there is no API key to ask for"
        raise RefusedError(message, hint="`churnflow keys add NAME --scope predict` makes one; or serve on 127.0.0.1")


def _run_workers(settings: Settings, workers: int, listener: socket.socket, greeting: str) -> int:
    with tempfile.TemporaryDirectory(prefix="churnflow-serving-") as shared:
        # What the workers share: the metrics of all, and how much of its rate each key has used.
        os.environ[MULTIPROCESS] = shared
        buckets = Path(shared) / "rates"
        buckets.touch(0o600)
        settings.model_copy(update={"buckets": buckets}).put_in_environment()
        processes = SeveralProcesses(_config("churnflow.serving.app:create", workers), [listener], greeting)
        processes.run()
    if not processes.stopped:
        message = f"not all of the {workers} workers started within {START_SECONDS:g} seconds"
        raise ConflictError(message, hint="see the lines above; start with --workers 1")
    return 0


def _raise_file_limit() -> None:
    """Take as many open files as are allowed: a connection is one, and slow clients hold many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _config(app: object, workers: int = 1) -> Config:
    return Config(
        app,  # type: ignore[arg-type]
        factory=isinstance(app, str),
        workers=workers,
        http=DeadlineProtocol,
        log_level="warning",
        log_config=LOGGING,
        access_log=False,
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=STOP_SECONDS,
    )


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError):
        message = f"cannot listen on {host} port {port}"
        raise UsageError(message, hint="give --host an address of this machine, 127.0.0.1 for one") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        message = f"cannot listen on {host} port {port}: {error.strerror}"
        if error.errno == errno.EADDRINUSE:
            raise ConflictError(message, hint="stop what uses it, or give --port 0 for a free one") from None
        hint = "give --host an address of this machine, 127.0.0.1 for one, and a --port above 1023"
        raise UsageError(message, hint=hint) from None
    listener.set_inheritable(True)
    return listener


def _greeting(current: Current, url: str) -> str:
    # An address that stands for all of them can not be opened in a browser.
    here = url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
    return f"listening on {url}\nserving {current.label()}; docs at {here}/docs; stop with Ctrl-C\n"


def _who_may_ask(settings: Settings) -> str:
    if has_keys(settings):
        return "every request needs an API key: churnflow keys list\n"
    if settings.keys is not None and settings.keys.exists():
        # Whoever has revoked the last key wants nobody to ask.
        return "no API key is active, so no request is answered: churnflow keys add NAME\n"
    return ""


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _stop_with_stdin() -> None:
    # The parent's end of the pipe closes however the parent ends, kill -9 included: no API is left behind.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _settings(options: argparse.Namespace) -> Settings:
    if not options.bundle and not (options.pointer and options.store):
        message = "nothing to serve was named"
        raise UsageError(message, hint="give --pointer FILE and --store DIR, or --bundle FILE")
    named = {"bundle": options.bundle} if options.bundle else {"pointer": options.pointer, "store": options.store}
    paths = {**named, "keys": options.keys, "secret": options.secret}
    absolute = {name: path.absolute() for name, path in paths.items() if path is not None}
    return Settings(**absolute, log=options.log or os.environ.get(LOG_VARIABLE) or None, open=is_loopback(options.host))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m churnflow.serving", description="Serve a release over HTTP.")
    parser.add_argument("--pointer", type=Path, help="the file that names the release; it is followed")
    parser.add_argument("--store", type=Path, help="the folder of the objects that the pointer names by digest")
    parser.add_argument("--bundle", type=Path, help="one release bundle, instead of a pointer")
    parser.add_argument("--keys", type=Path, help="the file of API keys; without keys only loopback is served")
    parser.add_argument("--log", help=f"the URL of the predictions log (default: {LOG_VARIABLE}, else none is kept)")
    parser.add_argument("--secret", type=Path, help="the file of the key that customers are pseudonymised with")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=_whole(0, MAX_PORT), default=8000, help="0 takes a free one (default: %(default)s)"
    )
    parser.add_argument(
        "--workers", type=_whole(1, MAX_WORKERS), default=1, help="processes that answer (default: %(default)s)"
    )
    parser.add_argument("--stop-with-stdin", action="store_true", help="end when standard input is closed")
    return parser


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high:
            message = f"must be {low} to {high}"
            raise argparse.ArgumentTypeError(message)
        return int(text)

    return read


if __name__ == "__main__":
    keep_messages_out_of_logs()
    sys.exit(main())
