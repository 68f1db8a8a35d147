"""A small convolutional network that learns to name an attribute of images; this loads torch.

It serves twice: trained on samples and asked about real rows it says what samples are worth
(`accuracy`), and trained on real rows its last layer but one is where distances between sets of
images are taken (`features`), since a network trained on photographs knows nothing of digits.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

#: Width of the layer whose outputs are features: far fewer than the images that a test has.
N_FEATURES = 64

#: Rows that a network reads at once.
_CHUNK = 512

#: Pixels that a picture is moved by at random while the network learns: what it shows stays.
_SHIFT = 2


@dataclass(frozen=True, eq=False)
class Judge:
    """A trained network.

    size: of the images that it reads, (height, width, channels).
    """

    network: nn.Sequential
    size: tuple[int, int, int]

    def chances(self, images: np.ndarray) -> np.ndarray:
        """Chance of each class for each image, shape (n, classes), from uint8, (n, h, w, c)."""
        return self._through(self.network, images, softmax=True)

    def accuracy(self, images: np.ndarray, labels: np.ndarray) -> float:
        """Share of images whose likeliest class is their label."""
        return float((self.chances(images).argmax(1) == labels).mean())

    def features(self, images: np.ndarray) -> np.ndarray:
        """Outputs of the last layer but one, float64, shape (n, N_FEATURES)."""
        return self._through(self.network[:-1], images, softmax=False)

    @property
    def digest(self) -> str:
        """SHA-256 of the layers and all weights: two networks of one digest are one."""
        found = hashlib.sha256(repr(self.network).encode())
        for name, values in self.network.state_dict().items():
            found.update(name.encode() + values.cpu().contiguous().numpy().tobytes())
        return found.hexdigest()

    def _through(self, layers: nn.Module, images: np.ndarray, *, softmax: bool) -> np.ndarray:
        with torch.no_grad():
            parts = [layers(_pixels(part)) for part in _chunks(images)]
            whole = torch.cat(parts)
            found: np.ndarray = (whole.softmax(1) if softmax else whole).double().numpy()
        return found


def trained(
    images: np.ndarray,
    labels: np.ndarray | None,
    *,
    seed: int,
    steps: int = 600,
    batch_size: int = 64,
) -> Judge:
    """A network that has learned to name labels.

    Args:
        images: Uint8, shape (n, h, w, c), n >= 1, sides of at least 8 pixels.
        labels: Whole numbers from 0 on, shape (n,). None: it learns how an image was flipped, which
            takes no attribute (Gidaris, Singh, Komodakis 2018, with flips for rotations).
        seed: Of the weights, the batches, and how images are moved.
        steps: Batches; the learning rate falls to 0 over them (cosine).
        batch_size: Images in a batch.
    """
    rng = torch.Generator().manual_seed(seed)
    pixels = _pixels(images)
    wanted = None if labels is None else torch.as_tensor(np.array(labels, dtype=np.int64))
    n_classes = 4 if wanted is None else int(wanted.max()) + 1
    with torch.random.fork_rng(devices=[]):  # weights are drawn of torch's own stream
        torch.manual_seed(seed)
        network = _network(images.shape[1:], n_classes)
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        rows = torch.randint(len(pixels), (batch_size,), generator=rng)
        batch = _moved(pixels[rows], rng)
        if wanted is None:
            batch, names = _flipped(batch, rng)
        else:
            names = wanted[rows]
        loss = functional.cross_entropy(network(batch), names)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
    height, width, channels = images.shape[1:]
    return Judge(network.eval(), (height, width, channels))


def _network(size: tuple[int, ...], n_classes: int) -> nn.Sequential:
    """Convolutions, features, classes: LeNet's plan with a fixed grid before the features."""
    height, width, channels = size
    sides = min(7, height // 4), min(7, width // 4)
    return nn.Sequential(
        nn.Conv2d(channels, 16, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2),
        nn.AdaptiveAvgPool2d(sides), nn.Flatten(),
        nn.Linear(32 * sides[0] * sides[1], N_FEATURES), nn.ReLU(),
        nn.Linear(N_FEATURES, n_classes),
    )  # fmt: skip


def _pixels(images: np.ndarray) -> torch.Tensor:
    """Centred, channels first."""
    return torch.as_tensor(images).permute(0, 3, 1, 2).to(torch.float32) / 127.5 - 1


def _chunks(images: np.ndarray) -> list[np.ndarray]:
    return [images[i : i + _CHUNK] for i in range(0, max(1, len(images)), _CHUNK)]


def _moved(batch: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """The batch moved as a whole by some pixels; the edge is repeated where it went away."""
    dy, dx = torch.randint(0, 2 * _SHIFT + 1, (2,), generator=rng).tolist()
    height, width = batch.shape[2:]
    wide = functional.pad(batch, (_SHIFT,) * 4, mode="replicate")
    return wide[:, :, dy : dy + height, dx : dx + width]


def _flipped(batch: torch.Tensor, rng: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Each image flipped one of four ways, and which."""
    ways = torch.randint(4, (len(batch),), generator=rng)
    down = torch.where((ways >= 2)[:, None, None, None], batch.flip(2), batch)
    return torch.where((ways % 2 == 1)[:, None, None, None], down.flip(3), down), ways
