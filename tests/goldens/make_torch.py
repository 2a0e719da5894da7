"""Writes the small PyTorch files that tests/torch.rs reads, and beside each the tensors that
torch.load reads from it: name, type, shape and the row-major little-endian bytes in hex, tab-separated.

usage: make_torch.py            (PyTorch 2)
"""

import collections
import pathlib

import torch

FOLDER = pathlib.Path(__file__).parent / "torch"
TYPES = {
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float64: "F64",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def numbers(*shape, dtype=torch.float32):
    count = int(torch.tensor(shape).prod())
    return (torch.arange(count, dtype=torch.float32) * 0.25 - 1).reshape(shape).to(dtype)


def every_kind():
    base = numbers(6, 4)
    return collections.OrderedDict(
        f32=numbers(2, 3),
        f16=numbers(5, dtype=torch.float16),
        bf16=numbers(3, 1, dtype=torch.bfloat16),
        f64=numbers(2, 2, dtype=torch.float64),
        i64=torch.arange(-3, 4),
        i32=torch.arange(3, dtype=torch.int32),
        i16=torch.arange(3, dtype=torch.int16),
        i8=torch.arange(-1, 2, dtype=torch.int8),
        u8=torch.arange(3, dtype=torch.uint8),
        bool=torch.tensor([True, False]),
        single=torch.tensor(1.5),
        empty=torch.empty(0, 3),
        transposed=numbers(2, 3).t(),
        permuted=numbers(2, 3, 4).permute(2, 0, 1),
        slice=base[2:4],
        columns=base[:, 1:3],
        every_second=base[::2, ::2],
        shares=base,
        parameter=torch.nn.Parameter(numbers(4)),
        frozen=torch.nn.Parameter(numbers(2), requires_grad=False),
        **{"naïve.重み": numbers(1)},
    )


def module_state():
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.LayerNorm(2))
    module.register_buffer("position_ids", torch.arange(4).expand((1, -1)))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(numbers(*parameter.shape))
    state = module.state_dict()
    assert state._metadata
    return state


def save(name, state, **how):
    path = FOLDER / f"{name}.bin"
    torch.save(state, path, **how)
    # The file was just made here, so it is safe to load as torch.load did before version 2.6.
    loaded = torch.load(path, weights_only=False)
    expected = []
    for key, value in loaded.items():
        if isinstance(key, str) and isinstance(value, torch.Tensor):
            flat = value.detach().contiguous().reshape(-1)
            data = flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
            line = [key, TYPES[value.dtype], "x".join(map(str, value.shape)), data.hex()]
            expected.append("\t".join(line))
    (FOLDER / f"{name}.tsv").write_text("\n".join(expected) + "\n", encoding="utf-8")


def main():
    FOLDER.mkdir(exist_ok=True)
    old = {"_use_new_zipfile_serialization": False}
    save("kinds", every_kind())
    save("kinds-legacy", every_kind(), **old)
    save("module", module_state())
    save("module-legacy", module_state(), **old)
    mixed = {"epoch": 3, "loss": 0.5, "w": numbers(2), "inner": {"x": numbers(3)}, 7: numbers(1),
             "none": None, "flags": [True, "on", (1, 2)], "big": 2**100, "last": numbers(1, 2)}
    save("mixed", mixed)
    save("mixed-legacy", mixed, **old)
    save("protocol4", module_state(), pickle_protocol=4)
    save("protocol4-legacy", module_state(), pickle_protocol=4, **old)
    torch.save({"state_dict": {"w": numbers(2)}, "epoch": 1}, FOLDER / "nested.bin")
    torch.save(torch.nn.Linear(1, 1), FOLDER / "whole-module.bin")
    torch.save([numbers(2)], FOLDER / "list.bin")


main()
