"""Arbitrary octets: some at random, most made of valid ones by small damage; the same in every run."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

AMOUNT = 100_000
SEED = 0x5245
INTERESTING = (0x00, 0x01, 0x02, 0x7F, 0x80, 0xFF, 0x52, 0x45, 0x81, 0x88, 0x8E, 0xA8, 0xEC)


def arbitrary(valid: Sequence[bytes], amount: int = AMOUNT) -> Iterator[bytes]:
    """A quarter random octets, the rest damaged copies of `valid`."""
    generator = random.Random(SEED)
    for index in range(amount):
        if index % 4 == 0:
            yield generator.randbytes(generator.randrange(130))
        else:
            yield _damaged(generator, generator.choice(valid))


def _damaged(generator: random.Random, octets: bytes) -> bytes:
    data = bytearray(octets)
    for _ in range(generator.randrange(4)):
        _damage(generator, data)
    return bytes(data)


def _damage(generator: random.Random, data: bytearray) -> None:
    at = generator.randrange(len(data) + 1)
    kind = generator.randrange(5)
    if kind == 0:
        del data[at:]
    elif kind == 1:
        data[at:at] = generator.randbytes(generator.choice((1, 2, 4, 40)))
    elif kind == 2:
        del data[at : at + generator.choice((1, 2, 4, 14))]
    elif at < len(data):
        data[at] = generator.choice(INTERESTING) if kind == 3 else data[at] ^ 1 << generator.randrange(8)
