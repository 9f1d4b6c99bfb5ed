"""What the `unknown` class says: common words, and words that sound nearly like the keywords.

Nearness is the edit distance between phoneme sequences, divided by the longer one's length: 0 is a homophone, 1 shares
nothing. A text that contains a keyword's phonemes in a row ("notice" for "no") is left out: whether it should be heard
has no right answer.
"""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tinyml.errors import ProjectError

Phonemes = tuple[str, ...]
Pronounce = Callable[[Sequence[str]], list[Phonemes]]
RESERVED_LABELS = ("silence", "unknown")

NEAR_WORDS_PER_KEYWORD = 10
INVENTED_PER_KEYWORD = 10
NEAR = 0.5

_COMMON = """
about above across after again against air all almost alone along already also always among and animal another answer
any apple area arm around ask away baby back bad bag ball bank base basket bath bear beautiful because bed been before
began behind being believe below best better between big bird black blue board boat body book both bottle bottom box
boy bread bright bring brother brown build burn bus but buy cake call came camera can car card care carry cat catch
chair change cheap cheese child circle city class clean clear close cloud coat coffee cold color come common cook
corner could count country course cover cross cry cup cut dance dark daughter day dead deep did dinner dirty doctor
dog dollar done door down draw dream dress drink drive dry each early earth east easy eat egg eight empty end enough
evening ever every example eye face fact family far farm fast father feel few field fight fill find fine finger finish
fire first fish five floor flower fly follow food foot for forest forget forward four free fresh friend from front
fruit full game garden gave get girl give glass gold good grass great green ground group grow hair half hand happy
hard hat have head hear heart heavy help her here high hill his hold home hope horse hospital hot hour house how
hundred husband idea important inside into island job jump just keep key kitchen know lady lake land language large
last late laugh lead learn leave left leg lesson letter life light like line list listen little live long look lost
loud love low lunch machine make man many map market matter may mean measure meet middle might milk mind minute mirror
money month moon more morning mother mountain mouth move much music must name near neck need never new news next nice
night nine no north nose note nothing notice number off office often old on once one only open orange order other our
out outside over own page paint pair paper park part party pass past pay peace pencil people perhaps person picture
piece place plan plant play please pocket point poor possible power present pretty problem pull push put question
quick quiet rain reach read ready real red remember rest rich ride right ring river road rock room round rule run sad
safe said salt same sand sat school science sea second see seem self sell send seven shape she ship shirt shoe shop
short should shout show sick side sign silver simple since sing sister sit six sky sleep slow small smile snow some
song soon sound south speak spell spend spoon sport spring stand star start station stay step still stone stop store
story street strong student study such sugar summer sun sure surface table take talk tall tea teach tell ten than that
their then there these thing think this though thought thousand three through time tired today together told tomorrow
too took top touch town train travel tree true try turn twenty two under until up usual very village visit voice wait
walk wall want warm was wash watch water way wear weather week well went were west what wheel when where which white
who whole why wide wife will wind window winter wish with woman wood word work world worry would write wrong yard year
yellow yes yet you young your zero zoo
"""
_VOWELS = "aeiou"
_CONSONANTS = "bdfghklmnprstvwz"


def common_words() -> tuple[str, ...]:
    """Some 500 frequent English words, sorted."""
    return tuple(sorted(set(_COMMON.split())))


@dataclass(frozen=True)
class UnknownTexts:
    """Texts for `unknown`: `near` sound like a keyword, `partial` are parts of one, `common` do not matter."""

    near: tuple[str, ...]
    partial: tuple[str, ...]
    common: tuple[str, ...]


def check_words(words: Sequence[str], pronounce: Pronounce, language: str) -> dict[str, Phonemes]:
    """Pronunciation of every keyword.

    Raises: ProjectError naming the words that are reserved, given twice, unspeakable in `language`, or homophones.
    """
    if not words:
        raise ProjectError("no words are given", hint='set `data.words`, or pass --words "yes,no"')
    for word in words:
        if word in RESERVED_LABELS:
            raise ProjectError(f"the word `{word}` is the name of a built-in class", hint="choose another word")
        if not word.strip() or word != word.strip() or any(c in '/\\:*?"<>|' or not c.isprintable() for c in word):
            raise ProjectError(f"`{word}` cannot be a word", hint="use letters and single spaces")
        if words.count(word) > 1:
            raise ProjectError(f"the word `{word}` is given twice", hint="remove one")
    spoken = dict(zip(words, pronounce(words), strict=True))
    silent = [w for w in words if not _speakable(w, spoken[w], pronounce)]
    if silent:
        raise ProjectError(
            f"espeak cannot speak {', '.join(f'`{w}`' for w in silent)} in language `{language}`",
            details=["it has no pronunciation of its own in that language"],
            hint="spell the word as it sounds, or choose its language with `--language`",
        )
    for i, word in enumerate(words):
        for other in words[:i]:
            if spoken[word] == spoken[other]:
                raise ProjectError(f"`{other}` and `{word}` sound the same", hint="remove one")
    return spoken


def _speakable(word: str, phonemes: Phonemes, pronounce: Pronounce) -> bool:
    """No sound, only punctuation, or spelled out letter by letter because the script is foreign: not speakable."""
    if not phonemes or not any(c.isalnum() for c in word):
        return False
    foreign = [c for c in word if c.isalpha() and not unicodedata.name(c, "").startswith("LATIN")]
    if not foreign:
        return True
    letters = pronounce([c for c in word if not c.isspace()])
    return phonemes != tuple(p for letter in letters for p in letter)


def unknown_texts(keywords: dict[str, Phonemes], pronounce: Pronounce, seed: int) -> UnknownTexts:
    """Texts that are not keywords, at most `NEAR_WORDS_PER_KEYWORD + INVENTED_PER_KEYWORD` near ones for each."""
    rng = random.Random(seed)
    vocabulary = [w for w in common_words() if w not in keywords]
    spoken = _allowed(vocabulary, keywords, pronounce)
    near: dict[str, None] = {}
    partial: dict[str, None] = {}
    for word, phonemes in keywords.items():
        ranked = sorted((distance(p, phonemes), w) for w, p in spoken.items())
        near.update(dict.fromkeys(w for d, w in ranked[:NEAR_WORDS_PER_KEYWORD] if d <= NEAR))
        invented = _allowed(_misspellings(word, rng), keywords, pronounce)
        ranked = sorted((distance(p, phonemes), w) for w, p in invented.items())
        near.update(dict.fromkeys(w for d, w in ranked[:INVENTED_PER_KEYWORD] if d <= NEAR))
        partial.update(dict.fromkeys(_allowed(_parts(word, phonemes), keywords, pronounce)))
    common = tuple(w for w in spoken if w not in near)
    return UnknownTexts(tuple(near), tuple(partial), common)


def _allowed(texts: Sequence[str], keywords: dict[str, Phonemes], pronounce: Pronounce) -> dict[str, Phonemes]:
    spoken = dict(zip(texts, pronounce(texts), strict=True))
    return {t: p for t, p in spoken.items() if p and not any(_contains(p, k) for k in keywords.values())}


def _contains(phonemes: Phonemes, part: Phonemes) -> bool:
    return any(phonemes[i : i + len(part)] == part for i in range(len(phonemes) - len(part) + 1))


def _misspellings(word: str, rng: random.Random) -> list[str]:
    """The word with one letter replaced, dropped or added; vowels become vowels and consonants consonants."""
    found: dict[str, None] = {}
    for i, letter in enumerate(word):
        if not letter.isalpha():
            continue
        alphabet = _VOWELS if letter in _VOWELS else _CONSONANTS
        for other in rng.sample(alphabet, 3):
            found[word[:i] + other + word[i + 1 :]] = None
        if len(word) > 3:
            found[word[:i] + word[i + 1 :]] = None
        found[word[:i] + rng.choice(_CONSONANTS) + word[i:]] = None
    found.pop(word, None)
    return [w for w in found if w.strip() == w and any(c.isalpha() for c in w)]


def _parts(word: str, phonemes: Phonemes) -> list[str]:
    """Proper sub-phrases of a phrase; halves of a long word."""
    tokens = word.split()
    if len(tokens) > 1:
        spans = ((i, j) for i in range(len(tokens)) for j in range(i + 1, len(tokens) + 1))
        return [" ".join(tokens[i:j]) for i, j in spans if j - i < len(tokens)]
    if len(phonemes) >= 5 and len(word) >= 5:
        half = len(word) // 2
        return [word[:half], word[: half + 1], word[half:], word[half - 1 :]]
    return []


def distance(a: Phonemes, b: Phonemes) -> float:
    """Levenshtein distance of two phoneme sequences over the longer one's length, 0 to 1."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        previous, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (x != y))
    return row[-1] / max(len(a), len(b), 1)
