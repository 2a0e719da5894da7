#!/usr/bin/env python3
"""Time spanbench and PyTorch on the same windows, in turns, on an NVIDIA GPU.

    python3 benchmarks/peers/gpu.py --spanbench BINARY --model MODEL_DIR --dataset DATASET.json [--shape bert-large]

BINARY is built with `--features cuda`; python3 has PyTorch for CUDA and transformers. What is timed, and how, is as in
`cpu.py`, which this shares all but the peers with: `torch` is PyTorch with its fused attention (sdpa), `compiled` the same
through torch.compile. A peer asks for all batches before it waits for any, and each is padded to its longest window. Peak
memory is that of tensors on the device.
"""
import json
import subprocess
import sys

import cpu

ENGINES = "spanbench-f16,torch-f16,compiled-f16"


class Peer(cpu.Peer):
    def command_of(self, args, engine, folder, model):
        return [sys.executable, cpu.HERE / "gpu_worker.py", engine, folder, model]


def spanbench_on(device, batch_tokens):
    class Spanbench(cpu.Spanbench):
        more = ["--device", device, "--batch-tokens", str(batch_tokens), "--window-order", "by-length", "--roofline"]
        peak = "device_peak_bytes"

    return Spanbench


def card():
    """What the driver says of the first card."""
    fields = ["name", "driver_version", "memory.total", "power.limit", "clocks.max.sm", "ecc.mode.current", "mig.mode.current"]
    command = ["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader"]
    found = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[0]
    return dict(zip(fields, (part.strip() for part in found.split(","))))


def main():
    parser = cpu.arguments(__doc__, ENGINES)
    parser.add_argument("--device", default="cuda:0", help="spanbench's; PyTorch takes the first")
    parser.add_argument("--batch-tokens", type=int, default=16384)
    args = parser.parse_args()
    cpu.compare(args, spanbench_on(args.device, args.batch_tokens), Peer, False, {"card": card()})


if __name__ == "__main__":
    main()
