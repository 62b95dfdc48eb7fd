r"""Texts to tokens: HTML away, lower case, NLTK's `RegexpTokenizer`, stop words away.

The settings are data, so that `textapp.export.cleaning_ops` can rebuild the cleaning from TensorFlow's string
ops. Every pattern keeps to the syntax that Python's `re` and RE2 share, with explicit ranges instead of \w,
\d and \s, which mean different characters on the two sides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from textapp.errors import UserError
from textapp.text.pieces import stays_within_pieces

# NLTK is imported where it is used: that takes longer than all else that a process for pieces does before it begins.
if TYPE_CHECKING:
    from nltk.tokenize import RegexpTokenizer

FORMAT = 2  # of cleaning.json
PIECE_END = "\n"
STOPWORDS_FILE = Path(__file__).parent / "stopwords" / "english.txt"

# The rules are applied in this order, before lower case. Replacements are plain text: re and RE2 escape them
# differently. None rescans the text for a "<" or "&" that leads nowhere, so each takes time linear in the text.
NUL_RULES = ((r"\x00", " "),)  # TensorFlow's lower case ends a string here
HTML_RULES = (
    (r"<(?:!--|[!?/]?[A-Za-z])[^<>]*>", " "),  # tags and comments; "a < b" and "<3" stay
    (r"&lt;", "<"),
    (r"&(?:gt|quot|nbsp|amp|#34|#38|#160);", " "),
    (r"&(?:apos|#39|#x27|rsquo|#8217);", "'"),
)
CHARACTER_RULES = (
    ("[‘’´`ʼ＇\\x91\\x92]", "'"),  # the last two: Windows-1252 read as Latin-1
    # Invisible inside words: soft hyphen, joiners, byte order mark; and variation selectors, skin tones.
    ("[\u00ad\u200c\u200d\u2060\ufeff\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]", ""),
)
# Lower case that hangs on the neighbours (Greek) or, in TensorFlow, on LC_ALL (Turkish, Lithuanian).
LOWERCASE_RULES = (
    ("[Σς]", "σ"),
    ("İ", "i"),
    ("Ì", "ì"),
    ("Í", "í"),
    ("Ĩ", "ĩ"),
    ("Į", "į"),
)
RUN_RULES = (
    ("[!！][!！]+", "!!"),
    ("[?？][?？]+", "??"),
)
RULES = NUL_RULES + HTML_RULES + CHARACTER_RULES + LOWERCASE_RULES + RUN_RULES

# First and last character of what words are made of: letters, combining marks and digits of scripts that put
# spaces between words. Left out: punctuation, symbols, and letters that got their lower case after Unicode 13
# (2C2F, 2C5F, A7C0, 10570...), since Python and TensorFlow go by different versions of Unicode.
_WORD = """
0041-005A 0061-007A 0030-0039 00AA-00AA 00B5-00B5 00BA-00BA 00C0-00D6 00D8-00F6 00F8-02C1 02C6-02D1 02E0-02E4
0300-0374 0376-037D 037F-0383 0386-0386 0388-03F5 03F7-0481 0483-0559 0560-0588 0591-05BD 05BF-05BF 05C1-05C2 05C4-05C5
05C7-05F2 0610-061A 0620-0669 066E-06D3 06D5-06DC 06DF-06E8 06EA-06FC 06FF-06FF 0710-07F5 07FA-07FD 0800-082F
0840-085D 0860-0887 0889-08E1 08E3-0963 0966-096F 0971-09F1 09FC-09FC 09FE-0A75 0A77-0AEF 0AF2-0B6F 0B71-0BEF
0C00-0C76 0C80-0DF3 0E00-0E3E 0E40-0E4E 0E50-0E59 0E80-0F00 0F18-0F19 0F20-0F29 0F3E-0F84 0F86-0FBD 0FC6-0FC6
1000-1049 1050-109D 10A0-10FA 10FC-135F 1380-138F 13A0-13FF 1401-166C 166F-167F 1681-169A 16A0-16EA 16F1-1734
1740-17D3 17D7-17D7 17DC-17EF 180B-180D 180F-193F 1946-19D9 1A00-1A1D 1A20-1A9F 1AA7-1AA7 1AB0-1B59 1B6B-1B73
1B80-1BFB 1C00-1C3A 1C40-1C7D 1C80-1C88 1C90-1CBF 1CD0-1FBC 1FBE-1FBE 1FC2-1FCC 1FD0-1FDC 1FE0-1FEC 1FF0-1FFC
2C00-2C2E 2C30-2C5E 2C60-2CE4 2CEB-2CF3 2D00-2D6F 2D71-2DFF 3105-318E 31A0-31BF A000-A48C A4D0-A4FD A500-A60C
A610-A672 A674-A67D A67F-A6F1 A717-A788 A78B-A7BF A7F2-A827 A840-A873 A880-A8CD A8D0-A8F7 A8FB-A92D A930-A95E
A960-A9C0 A9CF-AA5B AA60-AADD AAE0-AAEF AAF2-AB5A AB5C-ABEA ABEC-D7FF FB00-FD3D FD50-FDFB FE20-FE2F FE70-FEFC
FF10-FF19 FF21-FF3A FF41-FF5A FFA0-FFDC 10000-100FF 10140-1056F 10600-10D4F 10D90-16E9F 16EE0-1BBFF
1D400-1D7FF 1DF00-1EFFF
"""
# Han and kana stand alone, one character a token, a voicing mark with its kana.
_IDEOGRAPH = """
2E80-2FDF 3005-3007 3021-3029 3041-3096 309D-309F 30A1-30FA 30FC-30FF 31F0-31FF 3400-4DBF 4E00-9FFF F900-FAFF
FF66-FF9D 1B000-1B16F 20000-3FFFD
"""
# Fractions, stars, hearts, pictures and flags, one character a token.
_SYMBOL = "00BC-00BE 2150-215E 2600-27BF 2B50-2B50 2B55-2B55 1F000-1FAFF"


def _ranges(table: str) -> str:
    """Return the inside of a character class for ranges such as "0061-007A"."""
    pairs = (entry.split("-") for entry in table.split())
    return "".join(f"{chr(int(a, 16))}-{chr(int(b, 16))}" if a != b else chr(int(a, 16)) for a, b in pairs)


def _words(table: str, *, more: str = "") -> str:
    """Return the pattern of words made of these characters: isn't, rock'n'roll, 80s."""
    letter = f"[{_ranges(table)}{more}]"
    return f"{letter}+(?:'{letter}+)*"


_VOICING = "\u3099\u309aﾞﾟ"
NUMBERS = "[0-9]+(?:[.,:/][0-9]+)+"  # 7/10, 3.5, 10,000
WORDS = _words(_WORD)
MARKS = "[!！]+|[?？]+"  # the rules leave at most two
EMOTICONS = "[:;=]'?-?[()]|[:;]-[/|*dpDP]|</?3"  # :) ;-( :'( :-/ <3
IDEOGRAPHS = f"[{_ranges(_IDEOGRAPH)}][{_VOICING}]?"
SYMBOLS = f"[{_ranges(_SYMBOL)}]"
PATTERNS = (NUMBERS, WORDS, MARKS, EMOTICONS, IDEOGRAPHS, SYMBOLS)
# In the place of WORDS and IDEOGRAPHS, for texts without spaces: a run of Han and kana is one token.
WORDS_AND_IDEOGRAPHS = _words(f"{_WORD} {_IDEOGRAPH}", more=_VOICING)


@dataclass(frozen=True)
class Cleaning:
    """The settings of the cleaning, and the cleaning itself.

    Attributes:
        rules: (pattern, replacement) pairs, applied in this order to the text before it is lower-cased.
        patterns: of a token, for `nltk.tokenize.RegexpTokenizer`; the first that fits counts.
        stopwords: the tokens to leave out, sorted.
        stopwords_name: "default", "none", "nltk:LANGUAGE" or the name of a file.
        lowercase: whether the text becomes lower case; the stop words are compared as they are, either way.
    """

    rules: tuple[tuple[str, str], ...]
    patterns: tuple[str, ...]
    stopwords: tuple[str, ...]
    stopwords_name: str
    lowercase: bool = True

    @property
    def pattern(self) -> str:
        """The pattern of a token, in one piece."""
        return "|".join(self.patterns)

    def __call__(self, texts: Iterable[str]) -> list[list[str]]:
        """Return the tokens of each text.

        Args:
            texts: N strings; a lone surrogate counts as U+FFFD.

        Returns:
            N lists of tokens. A token is never empty and has no white space.
        """
        if isinstance(texts, str):
            raise TypeError(f"texts is the string {texts[:40]!r}; pass a list of strings")
        return [self.tokens_of(text) for text in texts]

    @cached_property
    def by_pieces(self) -> bool:
        """Whether the pieces of a text between white space have the tokens of the whole text."""
        # A pattern with groups gives what they match; it is left to NLTK.
        return stays_within_pieces(self.pattern) and re.compile(self.pattern).groups == 0

    def tokens_of(self, text: str) -> list[str]:
        """Return the tokens of a text, cleaned as a whole."""
        return self._tokens(self._lower(self._apply_rules(text)))

    def pieces(self, text: str) -> list[str]:
        """Return what stands between white space, after the rules that must see the whole text."""
        if not text.isascii():
            text = _SURROGATES.sub("\ufffd", text)
        for pattern, replacement in self._compiled[: self._rules_of_texts]:
            text = pattern.sub(replacement, text)
        return text.split()

    def tokens_of_pieces(self, pieces: list[str]) -> list[str]:
        """Return the tokens of these `pieces`, stop words included, and `PIECE_END` after those of each piece.

        It is what `RegexpTokenizer` gives piece by piece, for a cleaning that is `by_pieces`.
        """
        joined = "".join(piece + PIECE_END for piece in pieces)  # which no rule that is left matches or puts in
        for pattern, replacement in self._compiled[self._rules_of_texts :]:
            joined = pattern.sub(replacement, joined)
        return re.findall(f"{self.pattern}|{PIECE_END}", self._lower(joined), re.MULTILINE | re.DOTALL)

    def steps(self, text: str) -> list[tuple[str, str | list[str]]]:
        """Return the name and the result of each step, for one text."""
        ruled = self._apply_rules(text)
        lower = self._lower(ruled)
        tokens = self._tokenizer.tokenize(lower)
        return [
            ("text", _SURROGATES.sub("\ufffd", text)),
            ("HTML and characters", ruled),
            *([("lower case", lower)] if self.lowercase else []),
            ("tokens", tokens),
            (f"without stop words ({self.stopwords_name})", self._tokens(lower)),
        ]

    def to_json(self) -> dict:
        """Return the settings as plain lists and strings, for cleaning.json."""
        return {
            "format": FORMAT,
            "rules": [list(rule) for rule in self.rules],
            "patterns": list(self.patterns),
            "stopwords": list(self.stopwords),
            "stopwords_name": self.stopwords_name,
            "lowercase": self.lowercase,
        }

    @classmethod
    def from_json(cls, settings: dict, *, foreign: bool = True) -> Cleaning:
        """Return the cleaning that `to_json` described.

        Args:
            settings: what `to_json` returned.
            foreign: whether they come from a file: some regular expressions take for ever, so that only the rules and
                patterns of this program are taken then.

        Raises:
            UserError: another format, a key is missing, or a rule or a pattern is not known.
            TypeError, ValueError, AttributeError: it is no such description.
        """
        if settings.get("format") != FORMAT:
            raise UserError(
                f"cleaning.json has format {settings.get('format')!r}; this version of textapp reads {FORMAT}"
            )
        if missing := sorted({field.name for field in fields(cls)} - settings.keys()):
            raise UserError(f"cleaning.json lacks {missing}; write it anew with `Cleaning.to_json`")
        found = cls(
            rules=tuple((pattern, replacement) for pattern, replacement in settings["rules"]),
            patterns=tuple(settings["patterns"]),
            stopwords=tuple(settings["stopwords"]),
            stopwords_name=settings["stopwords_name"],
            lowercase=settings["lowercase"],
        )
        known = {*found.rules} <= {*RULES} and {*found.patterns} <= {*PATTERNS, WORDS_AND_IDEOGRAPHS}
        if foreign and not known:
            raise UserError("cleaning.json has rules or patterns that this version of textapp does not know")
        if not found.patterns or not all(isinstance(word, str) for word in found.stopwords):
            raise ValueError("it has no patterns, or stop words that are no words")
        return found

    def _apply_rules(self, text: str) -> str:
        if not text.isascii():
            text = _SURROGATES.sub("\ufffd", text)
        for pattern, replacement in self._compiled:
            text = pattern.sub(replacement, text)
        return text

    def _lower(self, text: str) -> str:
        return text.lower() if self.lowercase else text

    def _tokens(self, text: str) -> list[str]:
        left_out = self._left_out
        return [token for token in self._tokenizer.tokenize(text) if token not in left_out]

    @cached_property
    def _rules_of_texts(self) -> int:
        """How many of the rules must see the whole text: those up to the last that looks across white space."""
        looking = [
            position
            for position, (pattern, replacement) in enumerate(self.rules)
            if "\n" in replacement or "\\" in replacement or not stays_within_pieces(pattern)
        ]
        return looking[-1] + 1 if looking else 0

    @cached_property
    def _compiled(self) -> list[tuple[re.Pattern, str]]:
        return [(re.compile(pattern), replacement) for pattern, replacement in self.rules]

    @cached_property
    def _tokenizer(self) -> RegexpTokenizer:
        from nltk.tokenize import RegexpTokenizer

        tokenizer = RegexpTokenizer(self.pattern)
        # Left alone, NLTK compiles it with a clock against patterns that backtrack, which this one does not:
        # it would give up on a text after 5 seconds and make every text 6 times slower.
        tokenizer._regexp = re.compile(self.pattern, re.MULTILINE | re.DOTALL)
        return tokenizer

    @cached_property
    def _left_out(self) -> frozenset[str]:
        return frozenset(self.stopwords)


_SURROGATES = re.compile("[\ud800-\udfff]")


def load_stopwords(name: str) -> tuple[str, ...]:
    """Return the sorted words of a stop list; nothing is downloaded.

    Args:
        name: "default", "none", "nltk:LANGUAGE" for a corpus of NLTK's, or a file with a word a line.

    Raises:
        UserError: there is no such list, or it is no UTF-8.
    """
    if name == "none":
        return ()
    if name == "default":
        return _read_words(STOPWORDS_FILE)
    if name.startswith("nltk:"):
        return _nltk_words(name.removeprefix("nltk:"))
    path = Path(name).resolve()
    if not path.is_file():
        raise UserError(f"no stop list {name!r}; choose default, none, nltk:LANGUAGE or the path of a file")
    return _read_words(path)


def _nltk_words(language: str) -> tuple[str, ...]:
    import nltk.data
    from nltk.corpus.reader import WordListCorpusReader

    for resource in ("corpora/stopwords", "corpora/stopwords.zip/stopwords/"):  # its downloader leaves both
        with suppress(LookupError):
            root = nltk.data.find(resource)
            break
    else:
        raise UserError(
            f'stop list "nltk:{language}" needs NLTK\'s corpus "stopwords", which is not in {nltk.data.path} '
            "and is not downloaded; run `python -m nltk.downloader stopwords`, or choose default or none"
        )
    languages = WordListCorpusReader(root, r"(?!README|\.).*").fileids()
    if language not in languages:
        raise UserError(f'no language {language!r} in NLTK\'s corpus "stopwords"; choose from {languages}')
    with _utf8(language):
        return _as_list(WordListCorpusReader(root, [language]).words())


def _read_words(path: Path) -> tuple[str, ...]:
    """Read a file with a word a line; not with NLTK, which refuses files that others of a user's group may write."""
    with _utf8(path.name):
        return _as_list(path.read_text(encoding="utf-8").splitlines())


@contextmanager
def _utf8(name: str) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        raise UserError(f"stop list {name!r} is no UTF-8 ({error}); save it as UTF-8") from None


def _as_list(lines: Iterable[str]) -> tuple[str, ...]:
    words = (line.strip("\ufeff \t\r").lower().replace("’", "'") for line in lines)
    return tuple(sorted(set(words) - {""}))


def make_cleaning(stopwords: str = "default") -> Cleaning:
    """Return the cleaning with the stop list that `load_stopwords` reads for this name."""
    return Cleaning(RULES, PATTERNS, load_stopwords(stopwords), stopwords_name=Path(stopwords).name)
