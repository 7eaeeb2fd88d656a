"""Whatever is read back: mutated bytes are refused or harmless, and true ones bring no code with them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.cli.conftest import environment

# Run in a process of its own, for an audit hook (PEP 578) stays for ever.
WATCHED = """
import json, os, sys
from pathlib import Path

scripts, root, scratch = sys.argv[1:]
sys.path.insert(0, scripts)
from corpus import readers
from place import Place

found = readers(Place(Path(root)), Path(scratch))
LIBRARIES = {"churnflow", "numpy", "pandas", "duckdb", "yaml", "pydantic", "pydantic_core", "pyarrow", "backports"}
ALLOWED = (*sys.stdlib_module_names, *LIBRARIES)
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
on, seen, reading = False, [], ""


def by_our_own():
    # Whether a module of the allowed ones is imported, or pydantic evaluates the annotations of our models.
    frame = sys._getframe(2)
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if frame.f_code.co_name == "_find_and_load" or module.startswith("pydantic._internal._typing_extra"):
            return True
        frame = frame.f_back
    return False


def hear(event, arguments):
    if not on:
        return
    bad = event.split(".")[0] in {"subprocess", "socket", "pickle", "marshal"} and event != "marshal.loads"
    bad = bad or event in {"os.system", "os.exec", "os.posix_spawn", "os.fork"}
    bad = bad or (event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING)
    bad = bad or (event == "import" and arguments[0].partition(".")[0] not in ALLOWED)
    bad = bad or (event in {"exec", "compile"} and not by_our_own())
    if bad:
        seen.append([reading, event, str(arguments)[:200]])


sys.addaudithook(hear)
file = Path(scratch) / "true.bin"
for reader in found:
    if reader.name.startswith(("store", "pointer", "journal")):
        continue
    file.write_bytes(reader.data)
    reading, on = reader.name, True
    reader.read(file)
    on = False
if "--prove" in os.environ.get("WATCHED", ""):
    reading, on = "proof", True
    exec("1")
    on = False
print(json.dumps({"read": [reader.name for reader in found], "seen": seen}))
"""


def test_mutations_of_all_that_is_stored_crash_nothing_execute_nothing_and_pass_no_digest(whole: Any) -> None:
    from mutations import bad, run  # noqa: PLC0415 - a script, found by the fixture

    counts = run(500, 3, 1, whole.root.parent)
    assert bad(counts) == 0, {key: number for key, number in counts.items() if key[1] not in {"refused", "accepted"}}
    assert sum(counts.values()) == 500
    assert sum(number for (_, outcome), number in counts.items() if outcome == "refused") > 350


def watched(scripts: Path, whole: Any, scratch: Path, **more: str) -> dict[str, Any]:
    """Read the true bytes of every kind under the audit hook; return what was read and what was heard."""
    command = [sys.executable, "-c", WATCHED, str(scripts), str(whole.root), str(scratch)]
    done = subprocess.run(command, env=environment(**more), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def test_loading_models_releases_checkpoints_and_workflows_runs_no_code_and_writes_nothing(
    scripts: Path, whole: Any, tmp_path: Path
) -> None:
    found = watched(scripts, whole, tmp_path)
    assert found["seen"] == []
    kinds = {name.partition(" ")[0].strip(",") for name in found["read"]}
    assert kinds >= {"checkpoint", "workflow", "release", "reference", "model", "frame"}


def test_the_audit_hook_hears_code_that_is_run(scripts: Path, whole: Any, tmp_path: Path) -> None:
    heard = watched(scripts, whole, tmp_path, WATCHED="--prove")["seen"]
    assert {event for _, event, _ in heard} == {"compile", "exec"}
