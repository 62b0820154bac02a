"""Reads a PyTorch checkpoint and writes its tensors as safetensors: convert_checkpoint.py IN OUT.

Trust: the file is read by torch.load(weights_only=True), which builds tensors and plain containers
and refuses everything else; no code from the file runs. Exit codes: 0 done, 3 the file is something
else, 4 there is no torch.
"""

import json
import sys

try:
    import torch
except ImportError:
    print(f"{sys.executable} has no torch", file=sys.stderr)
    sys.exit(4)

NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
# Where training scripts put the weights within a checkpoint.
WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "module")


def state_dict_of(checkpoint):
    """The innermost mapping that holds tensors."""
    while isinstance(checkpoint, dict):
        if any(isinstance(value, torch.Tensor) for value in checkpoint.values()):
            return {name: v for name, v in checkpoint.items() if isinstance(v, torch.Tensor)}
        inner = [checkpoint[key] for key in WRAPPERS if isinstance(checkpoint.get(key), dict)]
        if not inner:
            break
        checkpoint = inner[0]
    raise ValueError("it holds no mapping of names to tensors")


def write_safetensors(path, tensors):
    header, chunks, end = {}, [], 0
    for name, tensor in sorted(tensors.items()):
        if tensor.dtype not in NAMES:
            raise ValueError(f"{name} is {tensor.dtype}, which safetensors lacks")
        # A clone owns exactly its own bytes; the original may be a view into a larger storage.
        tensor = tensor.detach().cpu().contiguous().clone()
        data = bytes(tensor.untyped_storage())
        header[str(name)] = {
            "dtype": NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [end, end + len(data)],
        }
        chunks.append(data)
        end += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text + b"".join(chunks))


def main():
    source, target = sys.argv[1:]
    try:
        checkpoint = torch.load(source, map_location="cpu", weights_only=True)
        tensors = state_dict_of(checkpoint)
        write_safetensors(target, tensors)
    except Exception as error:  # whatever the file provokes in torch's reader means: not usable
        print(f"{source}: {str(error).splitlines()[0]}", file=sys.stderr)
        sys.exit(3)
    print(f"{source}: {len(tensors)} tensors, read with torch.load(weights_only=True)")


if __name__ == "__main__":
    main()
