#!/usr/bin/env python3
"""Answers questions about a paint shop from notes.json: python3 app.py "How long does the paint dry?" """
import argparse, json, re, sys, time

spans = []


def traced(part):
    """Notes input, output, times and words of every call of `part`; the parts themselves know nothing of it."""
    def call(*given):
        start = time.time()
        result = part(*given)
        spans.append({"id": len(spans), "name": part.__name__, "input": given[0], "output": result, "start": start,
                      "end": time.time(), "tokens": {"input": len(words(given[0])), "output": len(words(result))}})
        return result
    return call


def words(value):
    return re.findall(r"[a-z0-9]+", (value if isinstance(value, str) else json.dumps(value)).lower())


@traced
def retrieve(question, notes):
    asked = set(words(question))
    return [name for name, text in notes.items() if asked & (set(words(text)) | {name})]


@traced
def rank(names, question, notes):
    asked = set(words(question))
    return sorted(names, key=lambda name: (-len(asked & (set(words(notes[name])) | {name})), name))


@traced
def answer(names, question, notes):
    if not names:
        return "I do not know."
    asked = set(words(question))
    sentences = re.findall(r"[^.]+\.", notes[names[0]])
    return max(sentences, key=lambda sentence: len(asked & set(words(sentence)))).strip()


def reply(question, notes):
    spans.clear()
    return answer(rank(retrieve(question, notes), question, notes), question, notes)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("question", nargs="?")
    options.add_argument("--notes", default="notes.json")
    chosen = options.parse_args()
    with open(chosen.notes, encoding="utf-8") as file:
        notes = json.load(file)
    if chosen.question:
        return print(reply(chosen.question, notes))
    for line in sys.stdin:
        output = reply(json.loads(line)["inputs"]["question"], notes)
        print(json.dumps({"output": output, "spans": spans}), flush=True)


main()
