"""Number words of some twenty languages and their values. Known to the gate (is a value named?) and to the matcher (which?).

Words that mean something else in another language of the table are left out (Danish `fire`, `to`; Turkish `on`; Spanish
`once`): a wrong value pays for a wrong answer, a missing word only sends a right one to the judge.
"""

from __future__ import annotations

import unicodedata

_FROM_ZERO = {  # 0, 1, 2, ...; `_`: left out, ambiguous
    "en": "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty",
    "de": "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn "
    "achtzehn neunzehn zwanzig",
    "fr": "zéro _ deux trois quatre cinq _ sept huit neuf dix onze douze treize quatorze quinze seize _ _ _ vingt",
    "es": "cero uno dos tres cuatro cinco seis siete ocho nueve diez _ doce trece catorce quince dieciséis diecisiete dieciocho "
    "diecinueve veinte",
    "it": "zero _ due tre quattro cinque _ sette otto nove dieci undici dodici tredici quattordici quindici sedici diciassette "
    "diciotto diciannove venti",
    "pt": "zero _ dois três quatro cinco seis sete oito nove dez onze doze treze catorze quinze dezesseis dezessete dezoito "
    "dezenove vinte",
    "nl": "nul _ twee drie vier vijf zes zeven acht negen tien elf twaalf dertien veertien vijftien",
    "sv": "noll _ två tre fyra fem _ sju åtta nio tio elva tolv",
    "da": "nul _ _ tre _ fem seks syv otte ni ti elleve tolv",
    "fi": "nolla yksi kaksi kolme neljä viisi kuusi seitsemän kahdeksan yhdeksän kymmenen",
    "pl": "zero jeden dwa trzy cztery pięć sześć siedem osiem dziewięć dziesięć jedenaście dwanaście",
    "cs": "nula jedna dva tři čtyři pět šest sedm osm devět deset jedenáct dvanáct",
    "hu": "nulla _ kettő három négy öt hat hét nyolc kilenc tíz",
    "ro": "zero unu doi trei patru cinci șase șapte opt nouă zece",
    "tr": "sıfır _ iki üç dört beş altı yedi sekiz dokuz _",
    "id": "nol satu dua tiga empat lima enam tujuh delapan sembilan sepuluh",
    "sw": "sifuri moja mbili tatu nne tano sita saba nane tisa kumi",
    "ru": "ноль один два три четыре пять шесть семь восемь девять десять одиннадцать двенадцать тринадцать четырнадцать "
    "пятнадцать шестнадцать семнадцать восемнадцать девятнадцать двадцать",
    "uk": "нуль один два три чотири п'ять шість сім вісім дев'ять десять",
    "el": "μηδέν ένα δύο τρία τέσσερα πέντε έξι επτά οκτώ εννέα δέκα",
    "ar": "صفر واحد اثنان ثلاثة أربعة خمسة ستة سبعة ثمانية تسعة عشرة",
    "fa": "صفر یک دو سه چهار پنج شش هفت هشت نه ده",
    "he": "אפס אחד שתיים שלוש ארבע חמש שש שבע שמונה תשע עשר",
    "hi": "शून्य एक दो तीन चार पांच छह सात आठ नौ दस",
    "bn": "শূন্য এক দুই তিন চার পাঁচ ছয় সাত আট নয় দশ",
    "ko": "영 일 이 삼 사 오 육 칠 팔 구 십",
    "zh": "零 一 二 三 四 五 六 七 八 九 十",
    "th": "ศูนย์ หนึ่ง สอง สาม สี่ ห้า หก เจ็ด แปด เก้า สิบ",
}
_TENS = {
    "en": "thirty forty fifty sixty seventy eighty ninety",
    "de": "dreißig vierzig fünfzig sechzig siebzig achtzig neunzig",
    "es": "treinta cuarenta cincuenta sesenta setenta ochenta noventa",
    "ru": "тридцать сорок пятьдесят шестьдесят семьдесят восемьдесят девяносто",
}
SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_MORE = {"dozen": 12, "hundert": 100, "tausend": 1000, "mille": 1000, "cien": 100, "сто": 100, "百": 100}


_LEFT_OUT = frozenset("null nul due elf hat het opt lima otto sept نه ni ti".split())  # other words elsewhere, or placeholders


def fold(word: str) -> str:
    """Lower case, without Latin and Greek accents: `Sólución` and `solucion` are one word.

    Example:
        >>> fold("Lösung"), fold("ΛΎΣΗ"), fold("समाधान")
        ('losung', 'λυση', 'समाधान')
    """
    word = word.casefold()
    if word.isascii():
        return word
    bare = "".join(c for c in unicodedata.normalize("NFD", word) if not "\u0300" <= c <= "\u036f")
    return unicodedata.normalize("NFC", bare)


def _table() -> dict[str, int]:
    values: dict[str, int] = {}
    for row in _FROM_ZERO.values():
        values.update({fold(w): i for i, w in enumerate(row.split()) if w != "_"})
    for row in _TENS.values():
        values.update({fold(w): 30 + 10 * i for i, w in enumerate(row.split())})
    values.update(SCALES)
    values.update(_MORE)
    return {word: value for word, value in values.items() if word not in _LEFT_OUT}


VALUES = _table()
"""Folded word -> value."""


def spoken(text: str) -> int | None:
    """The value of a text that is a number in words: one word of any language, or English compounds below a million.

    Example:
        >>> spoken("Forty-two"), spoken("zwölf"), spoken("two hundred and five"), spoken("two apples")
        (42, 12, 205, None)
    """
    words = [w for w in fold(text).replace("-", " ").split() if w != "and"]
    if not words or len(words) > 12 or any(w not in VALUES for w in words):
        return None
    if len(words) == 1:
        return VALUES[words[0]]
    return _compound([VALUES[w] for w in words], words)


def _compound(values: list[int], words: list[str]) -> int | None:
    """Tens + units, and multiples of a hundred and up; None where the words make no one number (`two three`)."""
    total, part, last = 0, 0, 10**13
    for value, word in zip(values, words, strict=True):
        if word in SCALES and word != "hundred":
            if not part or value >= last:
                return None
            total, part, last = total + part * value, 0, value
        elif word == "hundred":
            if not 0 < part < 100:
                return None
            part *= 100
        elif part == 0 or (part % 100 == 0 and value < 100) or (part % 100 >= 20 and part % 10 == 0 and 0 < value < 10):
            part += value
        else:
            return None
    return total + part
