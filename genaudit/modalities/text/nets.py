"""Networks of texts: symbols written one after the other, or all places at once.

A flat record is one-hot symbols, steps one after the other. No text is empty, and the last step is
always the end symbol. Teacher forcing runs a whole sequence through `nn.GRU`, as private training
needs; writing takes single steps with the same weights.

Source: Nie, Narodytska, Patel 2019 (Gumbel-softmax for a recurrent writer, judged by convolutions);
Jang, Gu, Poole 2017 (straight through); Gulrajani et al. 2017 (characters by convolutions);
Bowman et al. 2016 (VAE of texts, the latent at every step).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from genaudit.errors import OptionError
from genaudit.modalities.codec import Codec
from genaudit.modalities.nets import Decoder, Generator, LikelihoodGenerator, Maker, gumbel, hard
from genaudit.modalities.text.codec import TextCodec

#: Logit of what must not be written.
_NEVER = -1e4

#: Keeps the logarithm of a share that is 0 finite.
_FLOOR = 1e-4

#: Lengths of texts are told apart in so many classes at most.
_LENGTHS = 32

#: Numbers that tell a discriminator where in a text it looks.
_PLACES = 8

#: Bytes for each symbol of each step of a text that is made: draws are computed in float64.
_MADE = 48

#: Most memory that training may need by `n_bytes`.
MAX_BYTES = 4 * 2**30


class Writer(nn.Module):
    """One symbol after the other, from those before, the attributes and perhaps a latent.

    given: width of what stands beside each symbol: latent, then attributes.
    """

    def __init__(self, n_symbols: int, steps: int, given: int, hidden: int, token: int) -> None:
        super().__init__()
        self.n_symbols, self.steps = n_symbols, steps
        self.tokens = nn.Embedding(n_symbols, token)
        self.gru = nn.GRU(token + given, hidden, batch_first=True)
        self.out = nn.Linear(hidden, n_symbols)

    def surprise(self, symbols: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
        """Negative log-likelihood of texts in nats, shape (n,), up to and with their first end.

        symbols: shape (n, steps). The last step is an end that nobody need guess.
        """
        end = self.n_symbols - 1
        wanted = symbols[:, :-1]
        # The end symbol also stands before the first: there it never follows itself.
        before = torch.cat([torch.full_like(wanted[:, :1], end), wanted[:, :-1]], 1)
        beside = given[:, None].expand(-1, wanted.shape[1], -1)
        states, _ = self.gru(torch.cat([self.tokens(before), beside], 2))
        logs = functional.log_softmax(self.out(states) + self._barred(states), 2)
        each = -logs.gather(2, wanted[:, :, None])[:, :, 0]
        return (each * _counted(wanted, end)).sum(1)

    def write(self, noise: torch.Tensor, given: torch.Tensor, temperature: float) -> torch.Tensor:
        """One-hot texts, shape (n, steps, symbols), with gradients straight through.

        noise: normal, shape (n, (steps - 1) * symbols).
        """
        n, v = len(given), self.n_symbols
        drawn = gumbel(noise).reshape(n, self.steps - 1, v)
        last = functional.one_hot(torch.full((n,), v - 1, device=given.device), v).to(given.dtype)
        ended = given.new_zeros(n, 1)
        state = given.new_zeros(n, self.gru.hidden_size)
        symbol, written = last, []
        for i in range(self.steps - 1):
            inputs = torch.cat([symbol @ self.tokens.weight, given], 1)
            state = torch.gru_cell(inputs, state, *self._weights())
            logits = self.out(state)
            if i == 0:
                logits = logits + self._barred(logits[:, None])[:, 0]
            # The noise stays as it is: at a lower temperature the likelier wins more often.
            symbol = hard(logits / temperature + drawn[:, i])
            symbol = (1 - ended) * symbol + ended * last
            ended = symbol[:, -1:]
            written.append(symbol)
        return torch.stack([*written, last], 1)

    def start_at(self, shares: torch.Tensor) -> None:
        """Begin at shares of symbols, shape (symbols,), whatever came before."""
        with torch.no_grad():
            self.out.bias.copy_(torch.log(shares + _FLOOR))

    def _weights(self) -> tuple[torch.Tensor, ...]:
        names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
        return tuple(getattr(self.gru, name) for name in names)

    def _barred(self, states: torch.Tensor) -> torch.Tensor:
        """What is added to logits, shape (1, steps, symbols): a text does not end at once."""
        barred = states.new_zeros(1, states.shape[1], self.n_symbols)
        barred[:, 0, -1] = _NEVER
        return barred


def _counted(symbols: torch.Tensor, end: int) -> torch.Tensor:
    """1 for symbols up to and with the first end, else 0, shape (n, steps)."""
    ends = (symbols == end).float()
    return (ends.cumsum(1) - ends < 1).float()


class RecurrentGenerator(LikelihoodGenerator):
    """Writes symbol by symbol; its noise is that of the draws alone, so it has a likelihood."""

    def __init__(self, nets: TextNets) -> None:
        super().__init__()
        self.nets = nets
        self.noise_width = (nets.steps - 1) * nets.n_symbols
        self.writer = Writer(nets.n_symbols, nets.steps, nets.attributes, nets.hidden, nets.token)

    def forward(self, noise: torch.Tensor, attributes: torch.Tensor) -> torch.Tensor:
        """Texts as flat one-hot symbols, shape (n, width)."""
        return self.writer.write(noise, attributes, 1.0).flatten(1)

    @torch.no_grad()
    def make(
        self, noise: torch.Tensor, attributes: torch.Tensor, temperature: float = 1.0
    ) -> torch.Tensor:
        """Texts as flat one-hot symbols, with no gradient."""
        return self.writer.write(noise, attributes, temperature).flatten(1).round()

    def surprise(self, records: torch.Tensor, attributes: torch.Tensor) -> torch.Tensor:
        """Negative log-likelihood of each text in nats, shape (n,)."""
        return self.writer.surprise(self.nets.codes(records), attributes)


class ConvolutionGenerator(Generator):
    """All places at once from one latent, and a draw at each place."""

    def __init__(self, nets: TextNets) -> None:
        super().__init__()
        self.nets = nets
        self.noise_width = nets.latent + (nets.steps - 1) * nets.n_symbols
        self.first = nn.Linear(nets.latent + nets.attributes, nets.hidden * (nets.steps - 1))
        self.blocks = nn.ModuleList(_Block(nets.hidden) for _ in range(2))
        self.out = nn.Conv1d(nets.hidden, nets.n_symbols, 1, bias=False)
        # It never sees a record, so a weight of its own is no trouble for private training.
        self.bias = nn.Parameter(torch.zeros(nets.n_symbols, nets.steps - 1))

    def forward(self, noise: torch.Tensor, attributes: torch.Tensor) -> torch.Tensor:
        """Texts as flat one-hot symbols, shape (n, width)."""
        return self._written(noise, attributes, 1.0)

    @torch.no_grad()
    def make(
        self, noise: torch.Tensor, attributes: torch.Tensor, temperature: float = 1.0
    ) -> torch.Tensor:
        """Texts as flat one-hot symbols, with no gradient."""
        return self._written(noise, attributes, temperature).round()

    def _written(
        self, noise: torch.Tensor, attributes: torch.Tensor, temperature: float
    ) -> torch.Tensor:
        nets, n = self.nets, len(noise)
        latent, draws = noise[:, : nets.latent], noise[:, nets.latent :]
        x = self.first(torch.cat([latent, attributes], 1))
        x = x.reshape(n, nets.hidden, nets.steps - 1)
        for block in self.blocks:
            x = block(x)
        logits = (self.out(functional.relu(x)) + self.bias).transpose(1, 2)
        drawn = gumbel(draws).reshape(n, nets.steps - 1, nets.n_symbols)
        return _ended(hard(_open(logits) / temperature + drawn)).flatten(1)


class _Block(nn.Module):
    """Two convolutions beside a way past them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReLU(), nn.Conv1d(width, width, 5, padding=2),
            nn.ReLU(), nn.Conv1d(width, width, 5, padding=2),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + 0.3 * self.layers(x)


def _open(logits: torch.Tensor) -> torch.Tensor:
    """Logits, shape (n, steps, symbols), by which no text ends at once."""
    barred = logits.new_zeros(1, *logits.shape[1:])
    barred[:, 0, -1] = _NEVER
    return logits + barred


def _ended(symbols: torch.Tensor) -> torch.Tensor:
    """One-hot symbols with ends from the first one on, and one step more."""
    n, _, v = symbols.shape
    last = functional.one_hot(torch.full((n,), v - 1, device=symbols.device), v).to(symbols.dtype)
    open_ = torch.cumprod(1 - symbols[:, :, -1:], 1)
    kept = open_ * symbols + (1 - open_) * last[:, None]
    return torch.cat([kept, last[:, None]], 1)


class Discriminator(nn.Module):
    """(texts, attributes) -> one logit: convolutions over symbols and what stands beside them."""

    places: torch.Tensor

    def __init__(self, nets: TextNets) -> None:
        super().__init__()
        self.steps, self.n_symbols, width = nets.steps, nets.n_symbols, nets.hidden
        # A layer on one-hot symbols: soft symbols pass it too, and its gradient is clipped.
        self.tokens = nn.Linear(nets.n_symbols, nets.token, bias=False)
        self.register_buffer("places", _places(nets.steps), persistent=False)
        self.layers = nn.Sequential(
            nn.Conv1d(nets.token + nets.attributes + _PLACES, width, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv1d(width, width, 3, padding=1), nn.LeakyReLU(0.2),
        )  # fmt: skip
        self.local = nn.Conv1d(width, width, 1)
        self.head = nn.Sequential(
            nn.Linear(width + nets.attributes, width), nn.LeakyReLU(0.2), nn.Linear(width, 1)
        )

    def forward(self, records: torch.Tensor, attributes: torch.Tensor) -> torch.Tensor:
        """Logits, shape (n, 1)."""
        symbols = records.reshape(len(records), self.steps, self.n_symbols)
        beside = attributes[:, None].expand(-1, self.steps, -1)
        places = self.places.expand(len(records), -1, -1)
        x = self.layers(torch.cat([self.tokens(symbols), beside, places], 2).transpose(1, 2))
        x = functional.leaky_relu(self.local(x), 0.2).mean(2)
        logits: torch.Tensor = self.head(torch.cat([x, attributes], 1))
        return logits


def _places(steps: int) -> torch.Tensor:
    """Waves from one as long as two steps to one twice as long as a text, (1, steps, _PLACES)."""
    lengths = torch.logspace(0, 1, _PLACES // 2, base=float(max(steps, 2))) * 2
    angles = 2 * torch.pi * torch.arange(steps)[:, None] / lengths
    return torch.cat([angles.sin(), angles.cos()], 1)[None]


class Encoder(nn.Module):
    """(texts, attributes) -> mean and log variance of the latent."""

    def __init__(self, nets: TextNets) -> None:
        super().__init__()
        self.nets = nets
        self.tokens = nn.Embedding(nets.n_symbols, nets.token)
        self.gru = nn.GRU(nets.token + nets.attributes, nets.hidden, batch_first=True)
        self.out = nn.Linear(nets.hidden, 2 * nets.latent)

    def forward(self, records: torch.Tensor, attributes: torch.Tensor) -> torch.Tensor:
        """Moments, shape (n, 2 * latent)."""
        symbols = self.nets.codes(records)
        beside = attributes[:, None].expand(-1, symbols.shape[1], -1)
        states, _ = self.gru(torch.cat([self.tokens(symbols), beside], 2))
        seen = _counted(symbols, self.nets.n_symbols - 1)[:, :, None]
        moments: torch.Tensor = self.out((states * seen).sum(1) / seen.sum(1))
        return moments


class TextDecoder(Decoder):
    """Writes symbol by symbol, with the latent at every step."""

    def __init__(self, nets: TextNets) -> None:
        super().__init__()
        self.nets = nets
        self.noise_width = nets.latent + (nets.steps - 1) * nets.n_symbols
        given = nets.latent + nets.attributes
        self.writer = Writer(nets.n_symbols, nets.steps, given, nets.hidden, nets.token)

    @torch.no_grad()
    def make(
        self, noise: torch.Tensor, attributes: torch.Tensor, temperature: float = 1.0
    ) -> torch.Tensor:
        """Texts as flat one-hot symbols; the latent keeps its spread at any temperature."""
        latent, draws = noise[:, : self.nets.latent], noise[:, self.nets.latent :]
        given = torch.cat([latent, attributes], 1)
        return self.writer.write(draws, given, temperature).flatten(1).round()

    def surprise(
        self, latent: torch.Tensor, attributes: torch.Tensor, records: torch.Tensor
    ) -> torch.Tensor:
        """Negative log-likelihood of each text given its latent, in nats, shape (n,)."""
        return self.writer.surprise(self.nets.codes(records), torch.cat([latent, attributes], 1))


@dataclass(frozen=True, eq=False)
class TextNets:
    """Networks of texts (`modalities.nets.MediaNets`).

    n_symbols: the end symbol included. steps: of a text, its end included. recurrent: whether the
    generator of a GAN writes symbol by symbol.
    """

    n_symbols: int
    steps: int
    attributes: int
    recurrent: bool
    hidden: int
    latent: int
    token: int

    @property
    def width(self) -> int:
        """Numbers of a flat record."""
        return self.steps * self.n_symbols

    @property
    def likelihood(self) -> bool:
        """A writer of symbol after symbol knows how likely a text is."""
        return self.recurrent

    @property
    def summary_bound(self) -> float:
        """Shares of symbols have an L2 norm of at most 1, and so has the length."""
        return float(2**0.5)

    def records(self, codes: torch.Tensor) -> torch.Tensor:
        """One-hot symbols, shape (n, width), from codes of shape (n, steps)."""
        return functional.one_hot(codes.long(), self.n_symbols).flatten(1).float()

    def codes(self, records: torch.Tensor) -> torch.Tensor:
        """Symbols, shape (n, steps)."""
        return records.reshape(len(records), self.steps, self.n_symbols).argmax(2)

    def generator(self) -> Generator:
        """A writer of symbol after symbol, or of all places at once."""
        return RecurrentGenerator(self) if self.recurrent else ConvolutionGenerator(self)

    def discriminator(self) -> nn.Module:
        """Convolutions over symbols and attributes; one logit."""
        return Discriminator(self)

    def scored(self, records: torch.Tensor) -> torch.Tensor:
        """One logit that weighs 1."""
        return records.new_ones(len(records), 1)

    def encoder(self) -> nn.Module:
        """A reader of symbol after symbol."""
        return Encoder(self)

    def decoder(self) -> Decoder:
        """A writer of symbol after symbol that has a latent."""
        return TextDecoder(self)

    def summary(self, records: torch.Tensor) -> torch.Tensor:
        """Shares of symbols in a text, then its length as one of some classes, shape (n, d)."""
        one_hot = records.reshape(len(records), self.steps, self.n_symbols)
        lengths = (self.steps - one_hot[:, :, -1].sum(1)).clamp(min=1)
        shares = one_hot[:, :, :-1].sum(1) / lengths[:, None]
        place = ((lengths - 1) * self._n_lengths / (self.steps - 1)).floor().long()
        return torch.cat([shares, functional.one_hot(place, self._n_lengths).float()], 1)

    def start_at(self, maker: Maker, summary: torch.Tensor) -> None:
        """Let a fresh maker write symbols by their mean shares, and end by the mean length."""
        shares = summary[: self.n_symbols - 1].clamp(min=0)
        shares = shares / shares.sum().clamp(min=_FLOOR)
        lengths = summary[self.n_symbols - 1 :].clamp(min=0)
        lengths = lengths / lengths.sum().clamp(min=_FLOOR)
        if isinstance(maker, ConvolutionGenerator):
            ends = self._hazards(lengths)
            by_place = torch.cat([shares[:, None] * (1 - ends), ends[None]])
            with torch.no_grad():
                maker.bias.copy_(torch.log(by_place + _FLOOR))
            return
        middles = (torch.arange(self._n_lengths) + 0.5) * (self.steps - 1) / self._n_lengths
        mean = float((lengths * middles).sum().clamp(min=1.0))
        end = 1 / (mean + 1)
        assert isinstance(maker, RecurrentGenerator | TextDecoder)
        maker.writer.start_at(torch.cat([shares * (1 - end), torch.tensor([end])]))

    def n_bytes(self, batch_size: int) -> int:
        """Memory that training takes, at a guess: weights five times, a batch a dozen times."""
        weights = 4 * self.n_symbols * (self.token + self.hidden) + 12 * self.hidden**2
        weights += self.hidden * (self.latent + self.attributes + 1) * self.steps
        return 4 * (5 * weights + 12 * 2 * batch_size * self.steps * (self.n_symbols + self.hidden))

    def made_bytes(self, n: int) -> int:
        """Memory that making n texts takes: draws and one-hot symbols of all steps."""
        return n * self.steps * (_MADE * self.n_symbols + 16 * self.hidden)

    def check_size(self, batch_size: int) -> None:
        """Refuse what would not fit into memory, with an estimate.

        Raises:
            OptionError: training would need more than `MAX_BYTES`.
        """
        size = self.n_bytes(batch_size)
        if size > MAX_BYTES:
            raise OptionError(
                f"Training would need about {size:,} bytes for batches of {batch_size:,} texts of "
                f"{self.steps:,} steps out of {self.n_symbols:,} symbols; expected at most "
                f"{MAX_BYTES:,}. Take smaller batches, or declare a smaller alphabet or max_length."
            )

    @property
    def _n_lengths(self) -> int:
        return min(_LENGTHS, self.steps - 1)

    def _hazards(self, lengths: torch.Tensor) -> torch.Tensor:
        """Chance to end at each place, shape (steps - 1,), of what has not ended before."""
        places = torch.arange(1, self.steps - 1)
        classes = ((places - 1) * self._n_lengths / (self.steps - 1)).floor().long()
        within = torch.bincount(classes, minlength=self._n_lengths).clamp(min=1)
        share = lengths[classes] / within[classes]
        left = (1 - torch.cat([share.new_zeros(1), share.cumsum(0)[:-1]])).clamp(min=_FLOOR)
        return torch.cat([share.new_zeros(1), (share / left).clamp(0, 1 - _FLOOR)])


def nets(
    codec: Codec, attributes: int, *, recurrent: bool = False, hidden: int | None = None,
    latent: int | None = None,
) -> TextNets:  # fmt: skip
    """The networks for a codec of texts.

    Args:
        codec: Of the texts.
        attributes: Width of their one-hot attributes.
        recurrent: Whether the generator of a GAN writes symbol by symbol.
        hidden: Units of each layer; None = 128.
        latent: Of a VAE, and of a generator that is not recurrent; None = 16.

    Raises:
        OptionError: one text alone would not fit into memory.
    """
    assert isinstance(codec, TextCodec)
    token = min(64, max(16, codec.n_symbols // 2))
    made = TextNets(
        codec.n_symbols, codec.steps, attributes, recurrent, hidden or 128, latent or 16, token
    )
    made.check_size(1)
    return made
