"""The command `python -m churnflow.serving`: start the API, say where it listens, end at a signal with 0."""

import argparse
import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from uvicorn import Config, Server
from uvicorn.supervisors import Multiprocess

from churnflow.errors import ChurnflowError, ConflictError, UsageError
from churnflow.serving.app import BUNDLE_VARIABLE, POINTER_VARIABLE, STORE_VARIABLE, create_app
from churnflow.serving.current import Current, Source

STOP_SECONDS = 10
START_SECONDS = 60.0
MAX_WORKERS = 64


class OneProcess(Server):
    """A server in this process that says where it listens, and ends without an error at SIGTERM or SIGINT."""

    def __init__(self, config: Config, url: str) -> None:
        """Take the configuration and the address to announce."""
        super().__init__(config)
        self._url = url

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then announce the address."""
        await super().startup(sockets)
        if self.started:
            announce(self._url)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Begin to stop. A graceful stop is a success, so the signal is not raised again when it is done."""
        self.should_exit = True


class SeveralProcesses(Multiprocess):
    """Workers on one socket that are announced once all of them answer."""

    def __init__(self, config: Config, sockets: list[socket.socket], url: str) -> None:
        """Take the configuration, the shared socket and the address to announce."""
        super().__init__(config, sockets)
        self._url = url
        self.failed = False

    def init_processes(self) -> None:
        """Start the workers, and announce the address when they are ready."""
        super().init_processes()
        if all(process.wait_until_ready(START_SECONDS, self.should_exit) for process in self.processes):
            announce(self._url)
        elif not self.signal_queue:
            self.failed = True
            self.should_exit.set()


def announce(url: str) -> None:
    """Print the one line that tells a starting process that the API answers."""
    sys.stderr.write(f"listening on {url}\n")
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
    source = _source(options)
    current = Current(source)
    current.refresh()
    with _bind(options.host, options.port) as listener:
        url = _url(options.host, listener.getsockname()[1])
        if options.stop_with_stdin:
            threading.Thread(target=_stop_with_stdin, daemon=True).start()
        if options.workers == 1:
            # Ctrl-C comes through handle_exit; one before it is installed ends the start, which is no failure either.
            with contextlib.suppress(KeyboardInterrupt):
                OneProcess(_config(create_app(current)), url).run([listener])
            return 0
        return _run_workers(source, options.workers, listener, url)


def _run_workers(source: Source, workers: int, listener: socket.socket, url: str) -> int:
    named = {POINTER_VARIABLE: source.pointer, STORE_VARIABLE: source.store, BUNDLE_VARIABLE: source.bundle}
    os.environ.update({name: str(path.resolve()) for name, path in named.items() if path})
    processes = SeveralProcesses(_config("churnflow.serving.app:create", workers), [listener], url)
    processes.run()
    if processes.failed:
        message = f"the {workers} workers did not start within {START_SECONDS:g} seconds"
        raise ConflictError(message, hint="see the lines above; start with --workers 1")
    return 0


def _config(app: object, workers: int = 1) -> Config:
    return Config(
        app,  # type: ignore[arg-type]
        factory=isinstance(app, str),
        workers=workers,
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=STOP_SECONDS,
    )


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, OverflowError):
        message = f"cannot listen on {host} port {port}"
        raise UsageError(message, hint="give --host an address of this machine, 127.0.0.1 for one") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        message = f"cannot listen on {host} port {port}: {error.strerror}"
        raise ConflictError(message, hint="stop what uses it, or give --port 0 for a free one") from None
    listener.set_inheritable(True)
    return listener


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _stop_with_stdin() -> None:
    # The parent's end of the pipe closes however the parent ends, kill -9 included: no API is left behind.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _source(options: argparse.Namespace) -> Source:
    if options.bundle:
        return Source(bundle=options.bundle)
    if options.pointer and options.store:
        return Source(pointer=options.pointer, store=options.store)
    message = "nothing to serve was named"
    raise UsageError(message, hint="give --pointer FILE and --store DIR, or --bundle FILE")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m churnflow.serving", description="Serve a release over HTTP.")
    parser.add_argument("--pointer", type=Path, help="the file that names the release; it is followed")
    parser.add_argument("--store", type=Path, help="the folder of the objects that the pointer names by digest")
    parser.add_argument("--bundle", type=Path, help="one release bundle, instead of a pointer")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--workers", type=_workers, default=1, help="processes that answer (default: %(default)s)")
    parser.add_argument("--stop-with-stdin", action="store_true", help="end when standard input is closed")
    return parser


def _workers(text: str) -> int:
    number = int(text)
    if not 1 <= number <= MAX_WORKERS:
        message = f"must be 1 to {MAX_WORKERS}"
        raise argparse.ArgumentTypeError(message)
    return number


if __name__ == "__main__":
    sys.exit(main())
