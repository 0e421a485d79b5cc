"""Tensors of the protocol as numpy arrays, and back. Needs numpy."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import Tensor

# numpy has no BF16 and no F8_E4M3: a cache copies elements, for which their bits do.
_DTYPES = {"F32": "<f4", "F16": "<f2", "BF16": "<u2", "F8_E4M3": "u1", "U8": "u1", "I32": "<i4"}

DTYPES = [name for name in _DTYPES if name != "I32"]
"""The element types that a cache of arrays can hold. Programs also add cells of I32."""


def dtype_of(name: str) -> "np.dtype[Any]":
    """The numpy dtype of an element type of the protocol, by its safetensors name;
    of BF16 and F8_E4M3 an unsigned integer of their size."""
    return np.dtype(_DTYPES[name])


def to_array(tensor: Tensor) -> NDArray[Any]:
    """A tensor as an array of its shape. It is read-only: copy what is kept."""
    name, shape, data = tensor
    return np.frombuffer(data, dtype_of(name)).reshape(shape)


def from_array(array: NDArray[Any], name: str) -> Tensor:
    """An array as a tensor of an element type. The bytes are a copy."""
    if array.dtype != dtype_of(name):
        raise TypeError(f"an array of {array.dtype}; {name} is {dtype_of(name)}")
    return name, list(array.shape), array.tobytes()
