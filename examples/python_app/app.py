#!/usr/bin/env python3
"""Answers questions about a paint shop from notes.json: python3 app.py "How long until the paint dries?" """
import argparse, json, re, sys, time

spans = []


def traced(part):
    """Notes what goes into `part`, what comes out, when, and how many words that were. `part` knows nothing of it."""
    def call(given, *others):
        start = time.time()
        result = part(given, *others)
        spans.append({"id": len(spans), "name": part.__name__, "input": given, "output": result, "start": start,
                      "end": time.time(), "tokens": {"input": len(words(given)), "output": len(words(result))}})
        return result
    return call


def words(value):
    return re.findall(r"[a-z0-9]+", (value if isinstance(value, str) else json.dumps(value)).lower())


def overlap(question, text):
    return len(set(words(question)) & set(words(text)))


@traced
def retrieve(question, notes):
    return [name for name, text in notes.items() if overlap(question, name + " " + text)]


@traced
def rank(names, question, notes):
    return sorted(names, key=lambda name: (-overlap(question, name + " " + notes[name]), name))


@traced
def answer(names, question, notes):
    if not names:
        return "I do not know."
    sentences = re.findall(r"[^.]+\.", notes[names[0]])
    return max(sentences, key=lambda sentence: overlap(question, sentence)).strip()


def main():
    options = argparse.ArgumentParser()
    options.add_argument("question", nargs="?")
    options.add_argument("--notes", default="notes.json")
    chosen = options.parse_args()
    with open(chosen.notes, encoding="utf-8") as file:
        notes = json.load(file)
    for line in [json.dumps({"inputs": {"question": chosen.question}})] if chosen.question else sys.stdin:
        spans.clear()
        question = json.loads(line)["inputs"]["question"]
        output = answer(rank(retrieve(question, notes), question, notes), question, notes)
        print(output if chosen.question else json.dumps({"output": output, "spans": spans}), flush=True)


if __name__ == "__main__":
    main()
