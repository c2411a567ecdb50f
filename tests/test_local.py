"""The private PostgreSQL: starts, is shared, stops, and survives being killed."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

import psycopg
import pytest

ROOT = Path(__file__).resolve().parent.parent
PRINT_ADDRESS = ("printenv", "DATABASE_URL")


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that every account may enter: under pytest's own, root would not stay in it."""
    with tempfile.TemporaryDirectory(prefix="integrator-") as name:
        Path(name).chmod(0o755)
        yield Path(name).resolve()


@pytest.fixture
def data(place: Path) -> Iterator[Path]:
    yield place / "postgres"
    # Whatever a test left running joins one last command, whose end stops it.
    assert local(place / "postgres", "true").returncode == 0


def environment(data: Path, **more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "LOCAL_POSTGRES")}
    return kept | {"LOCAL_POSTGRES": str(data)} | more


def local(data: Path, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "integrator.local", *command],
        cwd=ROOT,
        env=environment(data, **more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


Begin = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def begin(data: Path) -> Iterator[Begin]:
    """Starts a command that stays; whatever is left of it ends with the test."""
    begun: list[subprocess.Popen[str]] = []

    def start(*command: str) -> subprocess.Popen[str]:
        begun.append(
            subprocess.Popen(
                [sys.executable, "-m", "integrator.local", *command],
                cwd=ROOT,
                env=environment(data),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        return begun[-1]

    yield start
    for process in begun:
        process.kill()
        process.wait(timeout=60)
        assert process.stdout is not None
        process.stdout.close()


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def answers(address: str) -> bool:
    try:
        psycopg.connect(address, connect_timeout=3).close()
    except psycopg.OperationalError:
        return False
    return True


def eventually_gone(pid: int) -> bool:
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        state = Path(f"/proc/{pid}/stat")
        # A process whose parent was killed may stay listed as ended until somebody notices.
        with suppress(FileNotFoundError):
            if state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        time.sleep(0.1)
    return False


SLEEPER = ("sh", "-c", 'echo "$DATABASE_URL"; sleep 120 & echo $!; wait')


def test_a_command_gets_a_database_that_outlives_it(data: Path) -> None:
    script = (
        "import os, psycopg\n"
        "with psycopg.connect(os.environ['DATABASE_URL']) as c:\n"
        "    c.execute('CREATE TABLE IF NOT EXISTS visit (at timestamptz DEFAULT now())')\n"
        "    c.execute('INSERT INTO visit DEFAULT VALUES')\n"
        "    print(c.execute('SELECT count(*) FROM visit').fetchone()[0])\n"
        "    print(c.execute('SHOW max_connections').fetchone()[0])\n"
        "    print(c.execute('SHOW synchronous_commit').fetchone()[0])\n"
    )

    first = local(data, sys.executable, "-c", script)
    second = local(data, sys.executable, "-c", script)

    assert first.stdout.split() == ["1", "250", "on"], first.stderr
    assert second.stdout.split() == ["2", "250", "on"], second.stderr
    assert not (data / "postmaster.pid").exists()


def test_the_exit_code_is_the_commands(data: Path) -> None:
    assert local(data, "sh", "-c", "exit 7").returncode == 7
    assert local(data, "sh", "-c", "kill -TERM $$").returncode == 128 + signal.SIGTERM
    assert "no-such-program" in local(data, "no-such-program").stderr


def test_a_database_that_is_named_is_used_as_it_is(place: Path) -> None:
    done = local(place / "unused", *PRINT_ADDRESS, DATABASE_URL="postgres://somewhere/else")

    assert done.stdout.strip() == "postgres://somewhere/else"
    assert not (place / "unused").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_the_command_its_children_and_then_the_server(
    data: Path, begin: Begin, number: signal.Signals
) -> None:
    process = begin(*SLEEPER)
    address, child = first_line(process), int(first_line(process))
    assert answers(address)

    process.send_signal(number)

    assert process.wait(timeout=60) != 0
    assert eventually_gone(child)
    assert not answers(address)


def test_two_commands_share_a_server_and_the_last_one_stops_it(data: Path, begin: Begin) -> None:
    longer = begin(*SLEEPER)
    address = first_line(longer)

    shorter = local(data, *PRINT_ADDRESS)

    assert shorter.stdout.strip() == address
    assert answers(address)
    longer.terminate()
    longer.wait(timeout=60)
    assert not answers(address)


def test_two_commands_that_start_together_both_get_it(data: Path, begin: Begin) -> None:
    both = [begin(*PRINT_ADDRESS) for _ in range(2)]

    addresses = {process.communicate(timeout=120)[0].strip() for process in both}

    assert [process.returncode for process in both] == [0, 0]
    assert len(addresses) == 1


def test_a_server_left_behind_by_a_kill_is_taken_over(data: Path, begin: Begin) -> None:
    killed = begin(*SLEEPER)
    address, child = first_line(killed), int(first_line(killed))
    killed.kill()
    killed.wait(timeout=60)
    assert answers(address)

    after = local(data, *PRINT_ADDRESS)

    assert (after.returncode, after.stdout.strip()) == (0, address), after.stderr
    assert not answers(address)
    os.kill(child, signal.SIGKILL)


def test_a_killed_server_starts_again(data: Path, begin: Begin) -> None:
    assert local(data, "true").returncode == 0
    victim = begin(*SLEEPER)
    address, child = first_line(victim), int(first_line(victim))
    server = int((data / "postmaster.pid").read_text().split()[0])
    victim.kill()
    os.kill(server, signal.SIGKILL)

    after = local(data, *PRINT_ADDRESS)

    assert (after.returncode, after.stdout.strip()) == (0, address), after.stderr
    os.kill(child, signal.SIGKILL)
    victim.wait(timeout=60)


def test_a_pid_file_that_names_a_stranger_is_not_believed(data: Path) -> None:
    assert local(data, "true").returncode == 0
    # After a restart of the machine the number belongs to somebody else, here to this test.
    (data / "postmaster.pid").write_text(
        f"{os.getpid()}\n{data}\n1\n5432\n{data}\n\n  1 1\nready\n"
    )

    after = local(data, *PRINT_ADDRESS)

    assert after.returncode == 0, after.stderr


def test_an_interrupted_first_start_leaves_nothing_half_made(data: Path) -> None:
    half = data.with_name("postgres.new")
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")

    assert local(data, "true").returncode == 0
    assert not half.exists()


def test_a_path_too_long_for_a_socket_works(place: Path) -> None:
    data = place / ("long-" * 25) / "postgres"

    done = local(data, *PRINT_ADDRESS)

    assert done.returncode == 0, done.stderr
    sockets = Path(unquote(done.stdout.strip().partition("host=")[2]))
    assert data not in (sockets, *sockets.parents)
    assert not sockets.exists()
    assert (data / "PG_VERSION").exists()


def test_data_of_another_version_is_refused_in_plain_words(place: Path) -> None:
    data = place / "postgres"
    data.mkdir()
    (data / "PG_VERSION").write_text("12\n")

    done = local(data, "true")

    assert done.returncode == 1
    assert "written by PostgreSQL 12" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root keeps what other accounts cannot enter")
def test_roots_closed_directory_stays_closed(place: Path) -> None:
    closed = place / "closed"
    closed.mkdir(mode=0o700)

    done = local(closed / "postgres", *PRINT_ADDRESS)

    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    sockets = Path(unquote(done.stdout.strip().partition("host=")[2]))
    assert place not in sockets.parents
    shutil.rmtree(sockets.parent)
