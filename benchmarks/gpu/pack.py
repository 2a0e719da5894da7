"""Builds the program and the tests that run on a GPU, and packs them to be carried: `scripts/gpu-check pack PACK`.

The bundled model's weights, most of each binary, are cut out: a checkout has them, and `unpack` puts them back.
"""
import argparse
import hashlib
import json
import lzma
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
WEIGHTS = PROJECT / "models/bundled/minilm-l6-squad/model.safetensors"
TESTS = ["ops", "positions", "half", "int8_layers", "replays", "int8", "architectures"]
# The binaries have most of their code in common, which one stream with a window over all of them holds once.
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 256 << 20}]
SCHEMA = 1


def built(what):
    """The executables that cargo builds, by their targets' names."""
    command = ["cargo", *what, "--release", "--features", "cuda", "--message-format=json-render-diagnostics"]
    done = subprocess.run(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"gpu-check: {' '.join(command)} failed")
    messages = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {m["target"]["name"]: Path(m["executable"]) for m in messages if m.get("executable")}


def stripped(executable):
    """Its bytes without names and debugging aids."""
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copy(executable, folder)
        subprocess.run(["strip", copy], check=True)
        return Path(copy).read_bytes()


def commit():
    git = lambda *command: subprocess.run(["git", *command], cwd=PROJECT, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    return git("rev-parse", "HEAD") + ("-dirty" if git("status", "--porcelain") else "")


def pack(folder):
    executables = {**built(["build", "--bin", "spanbench"]), **built(["test", "--no-run", *(f"--test={test}" for test in TESTS)])}
    weights = WEIGHTS.read_bytes()
    folder.mkdir(parents=True, exist_ok=True)
    about = {"schema": SCHEMA, "commit": commit(), "binaries": {}}
    stream = []
    for name in ["spanbench", *TESTS]:
        whole = stripped(executables[name])
        cut = whole.find(weights)
        kept = whole if cut < 0 else whole[:cut] + whole[cut + len(weights):]
        stream.append(kept)
        about["binaries"][name] = {"sha256": hashlib.sha256(whole).hexdigest(), "bytes": len(kept), "weights_at": cut}
    (folder / "binaries.xz").write_bytes(lzma.compress(b"".join(stream), filters=FILTERS))
    (folder / "pack.json").write_text(json.dumps(about, indent=1) + "\n")
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{folder}: {len(executables)} binaries of {about['commit'][:12]}, {size / 1e6:.1f} MB")


def unpack(folder, into):
    """Writes the binaries of a pack, each found to be what was built; returns what the pack says of itself."""
    try:
        about = json.loads((folder / "pack.json").read_text())
    except (OSError, ValueError) as fault:
        sys.exit(f"gpu-check: {folder} is no pack: {fault}; scripts/gpu-check pack makes one")
    if about["schema"] != SCHEMA:
        sys.exit(f"gpu-check: {folder}/pack.json has schema {about['schema']}, and this checkout reads {SCHEMA}")
    weights = WEIGHTS.read_bytes()
    stream = memoryview(lzma.decompress((folder / "binaries.xz").read_bytes()))
    for name, binary in about["binaries"].items():
        kept, stream, cut = bytes(stream[:binary["bytes"]]), stream[binary["bytes"]:], binary["weights_at"]
        whole = kept if cut < 0 else kept[:cut] + weights + kept[cut:]
        if hashlib.sha256(whole).hexdigest() != binary["sha256"]:
            sys.exit(f"gpu-check: {name} of {folder} is not what was packed, or {WEIGHTS} not the weights it was built with")
        (into / name).write_bytes(whole)
        os.chmod(into / name, 0o755)
    return about


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="gpu-check pack", description=__doc__)
    parser.add_argument("pack", type=Path, help="the folder to write; it may be there")
    pack(parser.parse_args().pack)
