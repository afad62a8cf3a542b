"""What the people of the data set say: made up, the same every time, of realistic lengths and characters."""

import random

MEAN_CHARACTERS = 400
MEAN_OF = {"user": 160, "assistant": 640, "system": 300}
SPREAD = 0.9  # of the logarithm: many short ones, few long ones
LONGEST = 12_000
BUFFER = 1_500_000

_SYLLABLES = (
    "ka", "ro", "mi", "ten", "sol", "ber", "an", "der", "lin", "qua", "st", "ing", "ver", "el", "mo", "ti", "pre",
    "con", "tra", "by", "le", "ur", "no", "che",
)  # fmt: skip
_OTHERS = (
    "你好，世界。", "Как дела сегодня?", "größer", "naïve café", "👍🏽", "日本語のテキスト", "“quoted”", "مرحبا",
)  # fmt: skip
_BLOCKS = (
    '\n\n```python\ndef area(r: float) -> float:\n\treturn 3.14159 * r ** 2  # "circle"\n```\n\n',
    "\n\n- first point\n- second *point*\n- C:\\temp\\file.txt\n\n",
    '\n\n{"key": "value", "list": [1, 2, 3], "text": "a \\"quote\\""}\n\n',
)


def _vocabulary(rng: random.Random) -> list[str]:
    return ["".join(rng.choices(_SYLLABLES, k=rng.choice((1, 2, 2, 3, 3, 4)))) for _ in range(2_500)]


class Texts:
    """Pieces of one long text: to cut one out costs a microsecond, where to compose it would cost a hundred."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        vocabulary = _vocabulary(rng)
        parts: list[str] = []
        size = 0
        while size < BUFFER:
            chance = rng.random()
            sentence = " ".join(rng.choices(vocabulary, k=rng.randint(4, 18))).capitalize()
            part = rng.choice(_BLOCKS) if chance < 0.02 else rng.choice(_OTHERS) if chance < 0.06 else f"{sentence}. "
            parts.append(part)
            size += len(part)
        self._text = "".join(parts)
        self._lengths = {role: self._lengths_of(rng, mean) for role, mean in MEAN_OF.items()}

    def take(self, role: str, rng: random.Random) -> str:
        """Something that this role would say; never empty."""
        length = self._lengths[role][rng.getrandbits(12)]
        start = rng.randrange(len(self._text) - LONGEST)
        return self._text[start : start + length].strip() or "Yes"

    @staticmethod
    def _lengths_of(rng: random.Random, mean: int) -> list[int]:
        drawn = [min(LONGEST, rng.lognormvariate(0, SPREAD)) for _ in range(4_096)]
        factor = mean * len(drawn) / sum(drawn)
        return [min(LONGEST, max(3, round(length * factor))) for length in drawn]
