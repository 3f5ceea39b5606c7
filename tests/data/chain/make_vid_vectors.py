#!/usr/bin/env python3
"""Writes vid_vectors.jsonl: chains with their files, and the canonical manifest and vid that an implementation of its own,
independent of the product's, gives them. Rows 1 to 3 are fixed, 50 are drawn with a fixed seed.

canonical(value): a strict subset of RFC 8785. UTF-8, no white space, object keys sorted by UTF-16 code units, strings with
the shortest JSON escapes, numbers printed as ECMAScript prints a double, integers beyond +-(2**53 - 1), NaN, infinities
and lone surrogates refused. vid = sha256("llmops-manifest-v1" + NUL + canonical(manifest)), lower-case hex.

usage: make_vid_vectors.py
"""
import base64
import hashlib
import json
import math
import pathlib
import random


def es_number(x):
    """ECMAScript Number::toString of a finite double."""
    if isinstance(x, bool): raise TypeError
    if isinstance(x, int):
        if abs(x) > 2**53 - 1: raise ValueError('integer beyond 2^53 - 1: carry it as a string')
        x = float(x)
    if math.isnan(x) or math.isinf(x): raise ValueError('not finite')
    if x == 0: return '0'                                  # also -0
    sign, x = ('-', -x) if x < 0 else ('', x)
    digits, exp = repr(x), 0                               # Python's repr is the shortest that round-trips
    if 'e' in digits: digits, e = digits.split('e'); exp = int(e)
    whole, _, frac = digits.partition('.')
    if frac == '0': frac = ''
    s = (whole + frac).lstrip('0'); n = len(whole.lstrip('0')) + exp if whole.strip('0') else exp - (len(frac) - len(frac.lstrip('0')))
    s = s.rstrip('0') or '0'; k = len(s)
    if k <= n <= 21: out = s + '0' * (n - k)
    elif 0 < n <= 21: out = s[:n] + '.' + s[n:]
    elif -6 < n <= 0: out = '0.' + '0' * -n + s
    else:
        e = n - 1; out = s[0] + ('.' + s[1:] if k > 1 else '') + 'e' + ('+' if e >= 0 else '-') + str(abs(e))
    return sign + out

def canonical(v):
    if v is None: return 'null'
    if v is True: return 'true'
    if v is False: return 'false'
    if isinstance(v, (int, float)): return es_number(v)
    if isinstance(v, str):
        v.encode('utf-8')                                  # refuses lone surrogates
        return json.dumps(v, ensure_ascii=False)
    if isinstance(v, list): return '[' + ','.join(map(canonical, v)) + ']'
    if isinstance(v, dict):
        keys = sorted(v, key=lambda k: k.encode('utf-16-be'))
        return '{' + ','.join(canonical(k) + ':' + canonical(v[k]) for k in keys) + '}'
    raise TypeError(type(v))

def text_role(data: bytes) -> bytes:
    """Text files are hashed without a UTF-8 byte order mark and with LF line ends; nothing else is touched."""
    if data.startswith(b'\xef\xbb\xbf'): data = data[3:]
    return data.replace(b'\r\n', b'\n')

def file_entry(path, data, role):
    if role == 'text': data = text_role(data)
    return {'path': path, 'role': role, 'sha256': hashlib.sha256(data).hexdigest(), 'size': len(data)}

EXCLUDED_MODEL_KEYS = ('price', 'api_key', 'headers', 'timeout_s', 'rate_limit')

def manifest(chain, files, chains=(), engine=1):
    """chain: the typed chain document; files: [(path, bytes, role)]; chains: [(path, vid)] of the chains it calls."""
    doc = json.loads(json.dumps(chain)); doc.pop('description', None)
    for m in doc.get('models', {}).values():
        for k in EXCLUDED_MODEL_KEYS: m.pop(k, None)
    return {'schema': 'llmops.manifest/v1', 'engine': engine, 'chain': doc,
            'files': sorted((file_entry(*f) for f in files), key=lambda e: e['path'].encode()),
            'chains': sorted(({'path': p, 'vid': v} for p, v in chains), key=lambda e: e['path'].encode())}

def vid(m): return hashlib.sha256(b'llmops-manifest-v1\0' + canonical(m).encode('utf-8')).hexdigest()


out = []
def add(name, chain, files=(), chains=()):
    m = manifest(chain, list(files), list(chains))
    row = {'name': name, 'chain': chain,
           'files': [{'path': p, 'role': r, 'bytes_base64': base64.b64encode(d).decode()} for p, d, r in files],
           'chains': [{'path': p, 'vid': v} for p, v in chains], 'manifest': canonical(m), 'vid': vid(m)}
    out.append(row)
    return row['vid']

one = {'llmops': 'chain/v1', 'name': 'hello', 'inputs': ['question'], 'models': {'main': {'provider': 'echo', 'timeout_s': 3}}, 'steps': [{'id': 'answer', 'model': 'main', 'prompt': '{{ question }}'}], 'output': '{{ steps.answer.output }}', 'description': 'not part of the id'}
v1 = add('reference 1', one)
two = json.loads(json.dumps(one)); two['models']['main'] = {'provider': 'openai', 'model': 'gpt-4o-mini', 'params': {'temperature': 0.10, 'max_tokens': 300}, 'price': {'input': 0.15}}
two['steps'][0] = {'id': 'answer', 'model': 'main', 'messages': [{'role': 'system', 'file': 'prompts/system.md'}, {'role': 'user', 'content': '{{ question }}'}]}
two['assets'] = {'shots': {'kind': 'few-shot', 'path': 'data/shots.jsonl'}}
add('reference 2', two, [('prompts/system.md', b'\xef\xbb\xbfBe brief.\r\nBe right.\r\n', 'text'), ('data/shots.jsonl', b'{"input":"a","output":"b"}\r\n', 'data')])
add('reference 3', {**one, 'name': 'outer', 'models': {}, 'steps': [{'id': 'inner', 'chain': 'hello.chain.yaml', 'inputs': {'question': '{{ question }}'}}], 'output': '{{ steps.inner.output }}'}, [], [('hello.chain.yaml', v1)])

rnd = random.Random(20261122)
KEYS = ['a', 'B', 'aa', '', '\u00e4', '\u20ac', '\U0001f600', '\U0001f601', '\ufb33', '\ud7ff', '\ue000', '\uffff', '\U00010000', '\U0010ffff', 'key with space', 'a/b', 'a~b', '"q"', '\\', '\n', '\t', '\u007f', '\u0000x', '\u2028', 'z', '1', '10', '2', 'temperature', 'max_tokens', 'description', 'price', 'headers', 'timeout_s']
TEXTS = ['', 'plain', '{{ question }}', 'two\nlines\r\nand more', '\u00e9 composed', 'e\u0301 decomposed', '\U0001f469\u200d\U0001f4bb', 'tab\tquote" back\\slash /slash', '\u0000\u001f\u007f\u0080', '\u2028\u2029', 'no', '1.10', 'null', '\ufeffnot a mark', ' trailing  ']
NUMBERS = [0, -0.0, 1, -1, 1.0, 0.1, 0.10, 1e-6, 1e-7, 1.5e-7, 1e20, 1e21, 123456789012345680000.0, 5e-324, 1.7976931348623157e308, 4.35, 2**53 - 1, -(2**53 - 1), 333333333.33333329, 1e23, -2.5e-10, 100.0, 0.000001234, 3.141592653589793, 1/3, 2/3]
def value(depth):
    k = rnd.randrange(8 if depth > 0 else 5)
    if k == 0: return rnd.choice([None, True, False])
    if k in (1, 2): return rnd.choice(NUMBERS) if rnd.random() < .6 else rnd.choice([rnd.uniform(-1e3, 1e3), rnd.randrange(-10**9, 10**9), rnd.random() * 10.0 ** rnd.randrange(-30, 30)])
    if k in (3, 4): return rnd.choice(TEXTS)
    if k == 5: return [value(depth - 1) for _ in range(rnd.randrange(5))]
    return {key: value(depth - 1) for key in rnd.sample(KEYS, rnd.randrange(6))}
CONTENT = [b'', b'one line', b'one\n', b'one\r\ntwo\r\n', b'\xef\xbb\xbfmarked\r\nlines\r\n', b'\xef\xbb\xbf\xef\xbb\xbftwice', b'lone\rcarriage\r\r\nreturn\r', 'umlaut \u00e4\u00f6\u00fc\r\n'.encode(), 'emoji \U0001f600\n'.encode(), b' spaces  \t\r\n\r\n', b'\r\n', b'\xef\xbb\xbf']
DATA = CONTENT + [bytes(range(256)), b'\x00\xff\xfe', b'{"input":"a","output":"b"}\r\n', bytes(5000)]
PATHS = ['prompts/system.md', 'prompts/Zeta.md', 'prompts/alpha.md', 'data/shots.jsonl', 'data/\u00e4pfel.jsonl', 'data/\U0001f600.txt', 'data/\ufb33.txt', 'a b/c d.md', '../shared/x.md', 'kb/1.md', 'kb/10.md', 'kb/2.md', 'K/upper.md', 'k/lower.md']
vids = [v1]
for i in range(50):
    chain = {'llmops': 'chain/v1', 'name': 'c%d' % i, 'inputs': rnd.sample(['question', 'history', 'lang'], rnd.randrange(1, 4)),
             'models': {}, 'steps': [], 'output': rnd.choice(['{{ steps.a.output }}', '{{ steps.a.output | default("\u20ac") }}'])}
    for name in rnd.sample(['main', 'judge', 'm\u00e4in', '\U0001f600'], rnd.randrange(1, 4)):
        model = {'provider': rnd.choice(['openai', 'echo', 'replay']), 'params': {k: value(2) for k in rnd.sample(KEYS, rnd.randrange(5))}}
        for key, v in (('price', {'input': 0.15, 'output': 0.6}), ('api_key', '${env:KEY}'), ('headers', {'X-A': 'b'}), ('timeout_s', 12.5), ('rate_limit', {'requests_per_minute': 60}), ('description', 'kept: only the chain\'s own goes'), ('model', 'gpt')):
            if rnd.random() < .5: model[key] = v
        chain['models'][name] = model
    for s in range(rnd.randrange(1, 4)):
        chain['steps'].append({'id': 'abc'[s], 'model': 'main', 'extra': value(3), 'description': rnd.choice(TEXTS)})
    if rnd.random() < .6: chain['description'] = rnd.choice(TEXTS)
    if rnd.random() < .4: chain['assets'] = {k: {'kind': 'grounding', 'path': 'kb/*.md', 'note': value(2)} for k in rnd.sample(KEYS, 2)}
    files = []
    for path in rnd.sample(PATHS, rnd.randrange(0, 6)):
        role = rnd.choice(['text', 'data'])
        files.append((path, rnd.choice(CONTENT if role == 'text' else DATA), role))
    chains = [(p, rnd.choice(vids)) for p in rnd.sample(['b.chain.yaml', 'a.chain.yaml', 'sub/\u00e4.chain.yaml', '\U0001f600.chain.yaml', '\ufb33.chain.yaml'], rnd.randrange(0, 3))]
    vids.append(add('generated %d' % (i + 1), chain, files, chains))
with open(pathlib.Path(__file__).with_name('vid_vectors.jsonl'), 'w', encoding='utf-8') as f:
    for row in out: f.write(json.dumps(row, ensure_ascii=False) + '\n')
print(len(out), [r['vid'][:12] for r in out[:3]])
