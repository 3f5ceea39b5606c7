#!/usr/bin/env python3
"""Writes squad.jsonl, number.jsonl, normalize.jsonl and schema.jsonl: values for tests/core/eval/metrics.

squad: normalize_answer, f1_score and exact_match_score as SQuAD's evaluate-v1.1.py defines them (F1 of two empty texts as
in v2.0). number: regular expressions for the documented grammar. normalize: str.casefold, str.split, unicodedata.
schema: the jsonschema package where it is installed.
Nothing here is read by the product; the tests read the written files only.
"""
import collections
import json
import os
import random
import re
import string
import unicodedata

FOLDER = os.path.dirname(os.path.abspath(__file__))


def write(name, rows):
    with open(os.path.join(FOLDER, name), "w", encoding="utf-8") as out:
        for row in rows:
            out.write(json.dumps(row) + "\n")


def normalize_answer(s):
    def remove_articles(text):
        return re.sub(r"\b(a|an|the)\b", " ", text)

    def white_space_fix(text):
        return " ".join(text.split())

    def remove_punc(text):
        exclude = set(string.punctuation)
        return "".join(ch for ch in text if ch not in exclude)

    return white_space_fix(remove_articles(remove_punc(s.lower())))


def f1_score(prediction, truth):
    p, t = normalize_answer(prediction).split(), normalize_answer(truth).split()
    if not p or not t:
        return float(p == t)
    same = sum((collections.Counter(p) & collections.Counter(t)).values())
    if same == 0:
        return 0
    precision, recall = same / len(p), same / len(t)
    return 2 * precision * recall / (precision + recall)


PIECES = ["a", "A", "an", "AN", "the", "The", "THE", "cat", "Cat's", "cats,", "a.b", "the-end", "an_an", "_a", "a_", "it's", "U.S.A.",
          "\u00c9cole", "\u00e9cole", "stra\u00dfe", "STRASSE", "\u0130stanbul", "\u03a3\u0391\u03a3", "\u4e2d\u6587", "the\u4e2d", "a\u0301", "\u00e0 la", "10\u00b2", "a1",
          "\u2460", "\u201cquoted\u201d", "\u2014", "\u00bfqu\u00e9?", "$5", "50%", "<b>", "a|b", "~", "\U0001f600", "\u0661\u0662", "a\u200bb"]
SPACES = [" ", "  ", "\n", "\t", "\u00a0", "\u3000", "\u2028", "\x1c", "\x85", "", " , "]


def random_text(rng):
    return "".join(rng.choice(PIECES) + rng.choice(SPACES) for _ in range(rng.randrange(7)))


def squad(rng):
    pairs = [("", ""), ("the", "a"), ("the", "x"), ("The Beatles", "beatles"), ("Paris, France", "paris"), ("a b a b", "a a b b b c")]
    for _ in range(400):
        text = random_text(rng)
        other = random_text(rng) if rng.random() < 0.5 else " ".join(rng.sample(text.split(), len(text.split()))) + rng.choice(["", " the", " cat", "!"])
        pairs.append((text, other))
    for prediction, truth in pairs:
        yield {"prediction": prediction, "reference": truth, "normalized": normalize_answer(prediction),
               "exact": int(normalize_answer(prediction) == normalize_answer(truth)), "f1": f1_score(prediction, truth)}


BODY = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)"
EXPONENT = r"(?:[eE][-+]?\d+)?"
CURRENCY = "[$\u20ac\u00a3\u00a5\u20b9]"
SIGN = "[-+\u2212]"
WHOLE = re.compile(rf"\s*(?:({SIGN}) *)?(?:{CURRENCY} *)?(?:({SIGN}) *)?({BODY}(?:\.\d*)?{EXPONENT}|\.\d+{EXPONENT})\s*%?\s*{CURRENCY}?\s*", re.ASCII)
INSIDE = re.compile(rf"(?:(?<![0-9A-Za-z)\]])({SIGN}))?{CURRENCY}?({BODY}(?:\.\d+)?{EXPONENT}|(?<!\d)\.\d+{EXPONENT})", re.ASCII)


def value(sign, body):
    number = float(body.replace(",", ""))
    return -number if sign in ("-", "\u2212") else number


def numbers(rng):
    texts = ["18", " 18 ", "$1,234.50", "-$5", "$-5", "- $ 5", "+7", "\u22123", "85%", "85 %", "5 \u20ac", "\u20ac5", "1e3", "1E-3", ".5", "-.5", "5.", "1,23", "1,234,567",
             "12,345", "1234,567", "1,2345", "--5", "five", "", " ", "18 apples", "A: 18", "3/4", "1.2.3", "0x10", "$", "%", "1 000", "GPT-4 says 18.", "so 16 - 3 = 13",
             "<<16-3=13>>13", "Total: $1,050 (10% more)", "a(-3) b)-4", "x-5", "v1.2.3", "5e", "5e+", "1e5x", "\u0663", "18.", "1,234.", ".5.5", "5..5", "$.5", "-$.5", "9" * 25]
    alphabet = "0123456789" * 2 + ",.,.-+$%eE xA)(" + "\u20ac\u2212"
    for _ in range(1500):
        texts.append("".join(rng.choice(alphabet) for _ in range(rng.randrange(1, 12))))
    for text in texts:
        whole = WHOLE.fullmatch(text)
        if whole and whole[1] and whole[2]:
            whole = None
        found = [value(m[1], m[2]) for m in INSIDE.finditer(text)]
        row = {"text": text, "whole": value(whole[1] or whole[2], whole[3]) if whole else None,
               "first": found[0] if found else None, "last": found[-1] if found else None}
        # Past the range of a double: not part of this check.
        if all(v is None or abs(v) < 1e300 for v in (row["whole"], row["first"], row["last"])) and not any(abs(v) > 1e300 for v in found):
            yield row


def normalizations(rng):
    def punctuation(text):
        return "".join(c for c in text if c not in string.punctuation and not unicodedata.category(c).startswith("P"))

    spaces = "[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+"
    for _ in range(200):
        text = random_text(rng)
        yield {"text": text, "case": text.casefold(), "punctuation": punctuation(text),
               "articles": re.sub(r"\b(a|an|the)\b", " ", text, flags=re.IGNORECASE), "space": re.sub(spaces, " ", text).strip(" "),
               "all": re.sub(spaces, " ", re.sub(r"\b(a|an|the)\b", " ", punctuation(text.casefold()))).strip(" ")}


SCHEMAS = [
    True, False, {}, {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}, "tags": {"type": "array", "items": {"type": "string"}}}, "additionalProperties": False},
    {"type": ["number", "null"], "minimum": 0, "exclusiveMaximum": 10}, {"type": "string", "minLength": 2, "maxLength": 3}, {"type": "string", "pattern": "^a+$"},
    {"enum": [1, "x", None, [1, 2]]}, {"const": {"a": 1}}, {"type": "array", "minItems": 1, "maxItems": 2, "uniqueItems": True}, {"not": {"type": "number"}},
    {"anyOf": [{"type": "string"}, {"type": "object", "required": ["a"]}]}, {"oneOf": [{"multipleOf": 2}, {"multipleOf": 3}]},
    {"if": {"type": "object"}, "then": {"minProperties": 1}, "else": {"maximum": 5}}, {"contains": {"const": 3}},
    {"properties": {"a": {"$ref": "#/definitions/pos"}}, "definitions": {"pos": {"type": "number", "exclusiveMinimum": 0}}},
    {"patternProperties": {"^x": {"type": "number"}}, "additionalProperties": {"type": "string"}}, {"dependencies": {"a": ["b"]}}, {"propertyNames": {"maxLength": 1}},
    {"items": [{"type": "string"}, {"type": "number"}], "additionalItems": False}, {"maxProperties": 1},
    {"type": "object", "properties": {"list": {"type": "array", "items": {"type": "object", "properties": {"v": {"type": "boolean"}}, "required": ["v"]}}}},
]
VALUES = [None, True, 0, -1, 3, 4, 6, 1.0, 6.0, 9.5, 10, "", "a", "aa", "ab", "aaaa", "x", [], [1, 2], [3], ["a", 1], ["a", 1, 2], [1, 1], [2, "b"], {}, {"a": 1}, {"a": 0}, {"a": "s"},
          {"a": 1, "b": 2}, {"id": 1}, {"id": 2.0}, {"id": "1"}, {"id": 1, "extra": 2}, {"id": 1, "tags": ["x", 3]}, {"x1": 1}, {"x1": "s"}, {"y": "s"}, {"y": 1}, {"long": 1},
          {"list": [{"v": True}, {"v": 1}]}, {"list": [{}]}]


def schemas():
    import jsonschema
    for schema in SCHEMAS:
        jsonschema.Draft7Validator.check_schema(schema)
        for item in VALUES:
            errors = list(jsonschema.Draft7Validator(schema).iter_errors(item))
            yield {"schema": schema, "value": item, "valid": not errors,
                   "failures": sorted({("".join("/" + str(p) for p in e.absolute_path), e.validator or "false") for e in errors})}


write("squad.jsonl", squad(random.Random(1)))
write("number.jsonl", numbers(random.Random(2)))
write("normalize.jsonl", normalizations(random.Random(3)))
try:
    rows = list(schemas())
    write("schema.jsonl", rows)
except ImportError:
    print("jsonschema is not installed: schema.jsonl left as it is")
