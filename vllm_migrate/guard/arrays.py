"""The few operations the guard needs, the same for numpy and torch.

torch is never imported: where a caller's arrays are torch's, it is loaded already. Everything stays on the
device of the trainer's logprobs; `host` is the one place where values come to the host.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from vllm_migrate.errors import BoundaryError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Array = Any
"""A numpy array or a torch tensor."""

HALF = ("float16", "bfloat16")


class Arrays:
    """numpy's operations, or torch's on one device.

    Attributes:
        xp: the library: numpy or torch, for the operations that both have under the same name.
        narrow: type that elements are computed in: float32, or float64 where the trainer's logprobs are that.
        wide: type that sums are kept in: float64 wherever the device has it.
    """

    def __init__(self, leading: Array, others: Sequence[Array] = ()) -> None:
        torch: Any = sys.modules.get("torch")
        tensors = [one for one in (leading, *others) if torch is not None and isinstance(one, torch.Tensor)]
        self.is_torch = bool(tensors)
        if self.is_torch:
            self.xp: Any = torch
            self.device = tensors[0].device
            double = self.xp.float64
            self.wide = self.xp.float32 if self.device.type == "mps" else double
        else:
            import numpy  # noqa: PLC0415, ICN001 - a project that only sets boundaries needs none of it

            self.xp = numpy
            self.device = None
            double = self.wide = numpy.float64
        self._truth = self.xp.bool if self.is_torch else self.xp.bool_
        given = type_name(leading) or ("" if self.is_torch else "float64")  # a list of Python's floats
        self.narrow = double if given == "float64" and self.wide is double else self.xp.float32

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """No gradients, and no warnings about values that are counted anyway."""
        if self.is_torch:
            with self.xp.no_grad():
                yield
        else:
            with self.xp.errstate(all="ignore"):
                yield

    def plain(self, value: Array, name: str) -> Array:
        """The value as an array of this library, on this device, without a history.

        Raises:
            BoundaryError: it can't be one.
        """
        try:
            if not self.is_torch:
                return self.xp.asarray(value)
            if isinstance(value, self.xp.Tensor):
                if value.is_nested:
                    raise BoundaryError(
                        f"{name} is a nested tensor", hint="pad it: torch.nested.to_padded_tensor"
                    )
                return value.detach().to(self.device)
            return self.xp.as_tensor(value, device=self.device)
        except (TypeError, ValueError, RuntimeError) as error:
            said = str(error).splitlines()[0]
            raise BoundaryError(f"{name} is no array of numbers: {said}") from None

    def floats(self, value: Array) -> Array:
        """The same values in the type that is computed in."""
        return value.to(self.narrow) if self.is_torch else value.astype(self.narrow, copy=False)

    def widened(self, value: Array) -> Array:
        """The same values in the type that sums are kept in."""
        return value.to(self.wide) if self.is_torch else value.astype(self.wide, copy=False)

    def total(self, value: Array) -> Array:
        """Sum of all elements; of booleans, how many are true.

        Added up in the elements' own type, pairwise in both libraries and much faster than in a wider one.
        """
        return self.xp.count_nonzero(value) if value.dtype == self._truth else self.xp.sum(value)

    def rows(self, value: Array) -> Array:
        """The same of each row, shape (B, T) to (B,)."""
        return self.xp.count_nonzero(value, 1) if value.dtype == self._truth else self.xp.sum(value, 1)

    def dot(self, left: Array, right: Array) -> Array:
        """Sum of the products."""
        return self.xp.dot(left.reshape(-1), right.reshape(-1))

    def kept(self, values: Array, where: Array) -> Array:
        """The values where the mask `where`, 0 and 1 in their own type, is 1; else 0, whatever they are.

        They must be finite where it is 1. On a CPU this is a tenth of torch's `where`.
        """
        if self.is_torch:
            return self.xp.nan_to_num(values, 0.0, 0.0, 0.0) * where
        return self.xp.where(where != 0, values, self.zero())

    def finite(self, *values: Array) -> Array:
        """Where all of them are: what is not, less itself, is not 0."""
        rest = values[0] - values[0]
        for value in values[1:]:
            rest = rest + (value - value)
        return rest == 0

    def zero(self) -> Array:
        """0 on the device, in the type that is computed in."""
        return self.xp.zeros((), dtype=self.narrow, device=self.device) if self.is_torch else self.narrow(0)

    def groups(self, labels: Array) -> tuple[Array, Array]:
        """An order that puts equal labels side by side, and the number of each place's group, from 0.

        Both of shape (B,). How many groups there are stays on the device: B is the most there can be.
        """
        if self.is_torch:
            order = self.xp.argsort(labels, stable=True)
            ordered = labels[order]
            new = self.xp.zeros_like(order)
            new[1:] = (ordered[1:] != ordered[:-1]).to(new.dtype)
            return order, self.xp.cumsum(new, 0)
        order = self.xp.argsort(labels, kind="stable")
        ordered = labels[order]
        new = self.xp.zeros(len(order), dtype=self.xp.int64)
        new[1:] = ordered[1:] != ordered[:-1]
        return order, self.xp.cumsum(new)

    def by_group(self, numbers: Array, values: Array) -> Array:
        """Sum of the values of each group, shape (B,), zeros behind the last group."""
        if self.is_torch:
            sums = self.xp.zeros(values.shape, dtype=self.wide, device=self.device)
            return sums.index_add_(0, numbers, values.to(self.wide))
        return self.xp.bincount(numbers, weights=values, minlength=len(values))

    def vector(self, sums: Mapping[str, Array]) -> Array:
        """All sums as one vector on the device."""
        if self.is_torch:
            return self.xp.stack([value.to(self.wide) for value in sums.values()])
        return self.xp.array(list(sums.values()), dtype=self.wide)

    def host(self, vector: Array) -> list[float]:
        """The one copy from the device to the host."""
        return [float(value) for value in vector.tolist()]


def type_name(value: Array) -> str:
    """The name of an array's type in either library: "float32", "int64"; "" of what is no array."""
    return str(getattr(value, "dtype", "")).rpartition(".")[2]
