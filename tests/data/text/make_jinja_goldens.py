#!/usr/bin/env python3
"""Writes jinja_golden.jsonl and chat_templates_golden.jsonl with jinja2 (3.1.2 made the stored files).

usage: make_jinja_goldens.py [CHAT_TEMPLATES_DIRECTORY]

The chat templates are rendered as transformers' apply_chat_template does it: ImmutableSandboxedEnvironment with
trim_blocks and lstrip_blocks, loop controls, raise_exception, and a tojson that neither sorts nor escapes.
"""
import datetime
import json
import pathlib
import sys

import jinja2
import jinja2.ext
import jinja2.sandbox

HERE = pathlib.Path(__file__).parent

DOCS = [{"id": "a#1", "text": "first", "score": 2.5, "tags": ["x", "y"]},
        {"id": "b#1", "text": "second", "score": 1.0, "tags": []},
        {"id": "a#2", "text": "third", "score": 0.125, "tags": ["z"]}]
PEOPLE = [{"name": "bob", "city": "Oslo", "age": 31, "address": {"zip": "0150"}},
          {"name": "Alice", "city": "bern", "age": 25, "address": {"zip": "3000"}},
          {"name": "carol", "city": "Bern", "age": 40, "address": {"zip": "3001"}},
          {"name": "Dave", "city": "oslo", "age": 25, "address": {"zip": "0151"}}]
ALL = {"docs": DOCS, "people": PEOPLE, "question": "Where is my order?", "n": 7, "half": 0.5, "yes": True, "no": False,
       "nothing": None, "empty": "", "words": "the quick  brown fox", "list": [3, 1, 2], "mixed": [1, "two", 3.0, None, True],
       "d": {"b": 2, "a": 1, "C": 3}, "html": "<a href=\"x\">Tom & 'Jerry'</a>", "uni": "Żółć — straße ΣΊΣΥΦΟΣ 東京 😀", "big": 12345678901234,
       "nested": {"k": {"l": [10, {"m": "deep"}]}}, "lines": "one\n\n  two\nthree\n", "quote": "it's", "dquote": 'say "hi" it\'s'}

TEMPLATES = r"""
plain text
{{ question }}
{{ n }} {{ half }} {{ yes }} {{ no }} {{ nothing }}|{{ empty }}|
{{ list }} {{ mixed }} {{ d }} {{ nested }}
{{ [] }} {{ {} }} {{ () }} {{ (1,) }} {{ (1, 2) }} {{ 1, 2 }}
{{ [quote, dquote, "tab\tnl\n", "\\", "é", "\x00", "\u200b"] }}
{{ 1.0 }} {{ 1e16 }} {{ 1e15 }} {{ 123456789.123 }} {{ 0.0001 }} {{ 0.00001 }} {{ 1.5e300 }} {{ -0.0 }} {{ 1e22 }} {{ 5e-324 }}
{{ 0.1 + 0.2 }} {{ 1/3 }} {{ 2/1 }} {{ 7//2 }} {{ -7//2 }} {{ 7%3 }} {{ -7%3 }} {{ 7%-3 }} {{ 7.5//2 }} {{ -7.5%2 }} {{ 7.5%-2 }}
{{ 2**10 }} {{ 2**-1 }} {{ -2**2 }} {{ 2**3**2 }} {{ 2.0**3 }} {{ 4**0.5 }}
{{ 1 + 2 * 3 - 4 / 2 }} {{ (1 + 2) * 3 }} {{ -n }} {{ +n }} {{ - -n }} {{ 10 - 3 - 2 }}
{{ 0x1F }} {{ 0b101 }} {{ 0o17 }} {{ 1_000 }} {{ 1_0.5 }}
{{ true + true }} {{ true * 3 }} {{ 1 == 1.0 }} {{ true == 1 }} {{ "1" == 1 }} {{ none == none }}
{{ "a" ~ 1 ~ none ~ 1.5 ~ true ~ [1] }}
{{ "a" + "b" }} {{ "ab" * 3 }} {{ 3 * "ab" }} {{ [1] + [2, 3] }} {{ [0] * 3 }} {{ (1,) + (2,) }} {{ "x" * 0 }} {{ "x" * -1 }}
{{ 1 < 2 < 3 }} {{ 1 < 2 > 3 }} {{ 1 == 1 != 2 }} {{ "a" < "b" }} {{ [1, 2] < [1, 3] }} {{ 3 >= 3 }} {{ 3 <= 2 }}
{{ 2 in [1, 2] }} {{ "x" in "xyz" }} {{ "a" in d }} {{ 5 not in list }} {{ not 5 in list }} {{ "" in "" }}
{{ yes and no }} {{ no or "fallback" }} {{ "" or 0 or "z" }} {{ 1 and 2 }} {{ not yes }} {{ not not n }}
{{ "a" if yes else "b" }} {{ "a" if no else "b" if no else "c" }} {{ ("x" if n > 5) }}
{{ "con" "cat" 'ed' }}
{{ 'single \' quote' }} {{ "double \" quote" }} {{ "\x41\u00e9\U0001F600\101" }} {{ "a\
b" }} {{ "\q" }}
{{ d.a }} {{ d["b"] }} {{ d['C'] }} {{ nested.k.l[1].m }} {{ nested["k"]["l"][0] }} {{ nested.k.l.0 }} {{ docs[0].tags[1] }} {{ docs[-1].id }}
{{ list[0] }} {{ list[-1] }} {{ list[1:] }} {{ list[:2] }} {{ list[::-1] }} {{ list[::2] }} {{ list[-2:] }} {{ list[5:] }} {{ list[:-1] }} {{ list[2:0:-1] }}
{{ question[0] }} {{ question[-1] }} {{ question[6:] }} {{ question[::-1] }} {{ uni[0] }} {{ uni[7:13] }} {{ uni[-1] }} {{ question[-100:5] }} {{ question[3:100] }}
{{ range(5)|list }} {{ range(2, 8, 3)|list }} {{ range(5, 0, -2)|list }} {{ range(3) }} {{ range(1, 5, 2) }} {{ range(10)[3] }} {{ 3 in range(5) }}
{% if n > 5 %}big{% else %}small{% endif %}
{% if no %}a{% elif n == 7 %}b{% else %}c{% endif %}
{% if no %}a{% elif no %}b{% endif %}|
{% if list %}full{% endif %}{% if [] %}x{% endif %}{% if {} %}x{% endif %}{% if 0.0 %}x{% endif %}{% if "0" %}y{% endif %}
{% for x in list %}{{ x }},{% endfor %}
{% for x in [] %}{{ x }}{% else %}none{% endfor %}
{% for d in docs %}[{{ d.id }}] {{ d.text }}
{% endfor %}
{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}
{% for k in d %}{{ k }}{% endfor %}|{{ d.keys() }}|{{ d.values() }}|{{ d.items() }}|{{ d.keys()|list }}
{% for x in list %}{{ loop.index }}/{{ loop.length }}:{{ loop.index0 }}:{{ loop.revindex }}:{{ loop.revindex0 }}:{{ loop.first }}:{{ loop.last }} {% endfor %}
{% for x in list %}{{ loop.previtem if not loop.first else "-" }}<{{ x }}>{{ loop.nextitem if not loop.last else "-" }} {% endfor %}
{% for x in list if x > 1 %}{{ loop.index }}:{{ x }} {% else %}no{% endfor %}
{% for x in list if x > 9 %}{{ x }}{% else %}no{% endfor %}
{% for x in range(4) %}{{ loop.cycle("odd", "even") }} {% endfor %}
{% for a, b in [(1, 2), (3, 4)] %}{{ a }}-{{ b }} {% endfor %}
{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}
{% for c in "héy" %}{{ c }}.{% endfor %}
{% for x in [1,2] %}{% for y in "ab" %}{{ loop.index }}{{ x }}{{ y }} {% endfor %}{{ loop.index }};{% endfor %}
{% for x in list %}{% set y = x * 2 %}{{ y }} {% endfor %}
{% set y = 1 %}{% for x in list %}{% set y = x %}{% endfor %}{{ y }}
{% set a = 1 %}{% if yes %}{% set a = 2 %}{% endif %}{{ a }}
{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set (c, e) = [3, 4] %}{{ c }}{{ e }}
{% set t = 1, 2 %}{{ t }}
{% set block %}hi {{ n }}{% endset %}{{ block|upper }}
{% set block | upper | trim %}  hi {{ n }} {% endset %}[{{ block }}]
{% set ns = namespace(found=false, count=0) %}{% for x in list %}{% if x == 1 %}{% set ns.found = true %}{% endif %}{% set ns.count = ns.count + x %}{% endfor %}{{ ns.found }} {{ ns.count }}
{% set ns = namespace() %}{% set ns.items = [] %}{% for x in list %}{% set ns.items = ns.items + [x] %}{% endfor %}{{ ns.items }}
{% set ns = namespace({"a": 1}, b=2) %}{{ ns.a + ns.b }}
{% macro greet(name, greeting="Hello") %}{{ greeting }}, {{ name }}!{% endmacro %}{{ greet("Ann") }} {{ greet("Bo", greeting="Hi") }} {{ greet(name="Cy") }}
{% macro rec(n) %}{{ n }}{% if n > 0 %},{{ rec(n - 1) }}{% endif %}{% endmacro %}{{ rec(5) }}
{% macro m() %}{{ later }}{% endmacro %}{% set later = "set after" %}{{ m() }}
{% macro va() %}{{ varargs }} {{ kwargs }}{% endmacro %}{{ va(1, 2, x=3) }}
{% macro box(title) %}<{{ title }}>{{ caller() }}</{{ title }}>{% endmacro %}{% call box("b") %}in {{ n }}{% endcall %}
{% macro each(xs) %}{% for x in xs %}{{ caller(x) }};{% endfor %}{% endmacro %}{% call(v) each(list) %}<{{ v }}>{% endcall %}
{% macro d(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ d(1) }}{{ d(1, 2) }}
{% macro outer() %}{% macro inner() %}in{% endmacro %}{{ inner() }}{{ inner() }}{% endmacro %}{{ outer() }}
{% filter upper %}shout {{ question }}{% endfilter %}
{% filter replace("a", "b") | upper %}banana{% endfilter %}
{% with a = 1, b = n %}{{ a + b }}{% endwith %}
{% with %}{% set z = 5 %}{{ z }}{% endwith %}
{% raw %}{{ not rendered }} {% if %}{# kept #}{% endraw %}
a{%- raw -%}  {{ x }}  {%- endraw -%}  b
{# comment #}x{# multi
line #}y{#- c -#} z
a   {%- if yes %}   b   {%- endif %}   c
a   {{- n -}}   b
a  {%- if yes -%}  b  {%- else -%}  c  {%- endif -%}  d
  {%+ if yes +%}  x  {%+ endif +%}  y
{{ "}}" }} {{ "%}" }} {{ {"a": {"b": 1}}["a"]["b"] }} {{ {'a': {'b': {}}}}}
{{ {"x": 1, "y": [1, {"z": none}]} }} {{ {1: "a", "k": true} }} {{ {"a": 1,} }} {{ [1,] }}
{{ missing | default("dflt") }} {{ missing | d }}| {{ empty | default("e") }}| {{ empty | default("e", true) }} {{ none | default("x") }} {{ nothing | d("x", boolean=true) }}
{{ nested.zip | default("none") }} {{ nested["zip"] | default(n) }} {{ list[9] | default("out") }}
{{ missing is defined }} {{ n is defined }} {{ missing is undefined }} {{ nested.x is defined }} {{ missing is not defined }}
{{ question | length }} {{ list | count }} {{ d | length }} {{ uni | length }} {{ "" | length }}
{{ question | upper }} {{ question | lower }} {{ uni | upper }} {{ uni | lower }} {{ uni | title }} {{ uni | capitalize }}
{{ "hello wORLD-foo (bar) it's" | title }} {{ "hELLO wORLD" | capitalize }} {{ "ßa" | capitalize }} {{ 5 | upper }}
[{{ "  pad " | trim }}] [{{ "xxhixx" | trim("x") }}] [{{ "  a b " | trim }}]
{{ "aXbXc" | replace("X", "-") }} {{ "aXbXc" | replace("X", "-", 1) }} {{ "abc" | replace("", "-") }} {{ 5 | replace(5, 6) }}
{{ list | join }} {{ list | join(", ") }} {{ docs | join(";", attribute="id") }} {{ mixed | join("|") }} {{ "abc" | join("-") }} {{ [] | join(",") }}
{{ list | first }} {{ list | last }} {{ "abc" | first }} {{ "abc" | last }} {{ d | first }}
{{ "abc" | list }} {{ d | list }} {{ (1, 2) | list }} {{ range(3) | list }}
{{ list | sort }} {{ list | sort(reverse=true) }} {{ ["b", "A", "c"] | sort }} {{ ["b", "A", "c"] | sort(case_sensitive=true) }} {{ docs | sort(attribute="score") | map(attribute="id") | join(",") }}
{{ people | sort(attribute="age,name") | map(attribute="name") | join(" ") }} {{ people | sort(attribute="address.zip") | map(attribute="name") | join(" ") }} {{ people | sort(reverse=true, attribute="age") | map(attribute="name") | join(" ") }}
{{ [1, 2, 1, 3] | unique | list }} {{ ["a", "A", "b"] | unique | list }} {{ ["a", "A"] | unique(case_sensitive=true) | list }} {{ people | unique(attribute="age") | map(attribute="name") | list }} {{ [1, true, 1.0, "1"] | unique | list }}
{{ list | reverse | list }} {{ "abc" | reverse }} {{ "añb" | reverse }}
{{ docs | map(attribute="id") | list }} {{ ["a", "b"] | map("upper") | list }} {{ people | map(attribute="address.zip") | join(",") }} {{ docs | map(attribute="nope", default="-") | join(",") }} {{ list | map("string") | list }} {{ [1.234, 5.678] | map("round", 1) | list }} {{ ["a-b"] | map("replace", "-", "+") | list }}
{{ list | select("odd") | list }} {{ list | reject("odd") | list }} {{ [0, 1, "", "a", none] | select | list }} {{ [0, 1] | reject | list }} {{ list | select(">", 1) | list }} {{ list | select("in", [1, 2]) | list }} {{ list | reject("equalto", 3) | list }}
{{ docs | selectattr("score", "gt", 1) | map(attribute="id") | list }} {{ docs | rejectattr("tags") | map(attribute="id") | list }} {{ docs | selectattr("tags") | map(attribute="id") | list }} {{ docs | selectattr("id", "equalto", "a#1") | list | length }} {{ docs | selectattr("nope", "defined") | list }}
{{ d | tojson }} {{ mixed | tojson }} {{ html | tojson }} {{ uni | tojson }} {{ nested | tojson }} {{ 1.0 | tojson }} {{ "a\"b\\c\n\t\x01\x7f" | tojson }}
{{ d | tojson(indent=2) }} {{ [] | tojson(indent=2) }} {{ {} | tojson(2) }} {{ [1, [2]] | tojson(indent=1) }} {{ {"a": [], "b": {}} | tojson(indent=2) }}
{{ {1: 2, 3: "x"} | tojson }} {{ (1, 2) | tojson }} {{ {"a": none, "b": true} | tojson }}
{{ "42" | int }} {{ "42.9" | int }} {{ "x" | int }} {{ "x" | int(7) }} {{ "0x1F" | int(base=16) }} {{ "ff" | int(0, 16) }} {{ 3.99 | int }} {{ -3.99 | int }} {{ true | int }} {{ " 5 " | int }} {{ none | int }} {{ "1_000" | int }} {{ "-7" | int }} {{ "101" | int(base=2) }} {{ [] | int(3) }} {{ "1e3" | int }}
{{ "3.5" | float }} {{ "x" | float }} {{ "x" | float(1.5) }} {{ 3 | float }} {{ "1e3" | float }} {{ none | float }} {{ "inf" | float }} {{ " -2.5 " | float }} {{ "1_0.5" | float }} {{ "nan" | float }} {{ "-inf" | float }}
{{ 5 | string + "x" }} {{ none | string }} {{ [1, "a"] | string }} {{ 1.0 | string }} {{ true | string | length }}
{{ -5 | abs }} {{ (-5) | abs }} {{ (-2.5) | abs }} {{ true | abs }}
{{ 42.55 | round }} {{ 42.55 | round(1) }} {{ 42.55 | round(1, "floor") }} {{ 42.51 | round(0, "ceil") }} {{ 2.5 | round }} {{ 3.5 | round }} {{ 2.675 | round(2) }} {{ 1234 | round(-2) }} {{ 1250 | round(-2) }} {{ 42 | round }} {{ 1234.5 | round(-2) }} {{ -2.5 | round }} {{ 0.5 | round | int }} {{ 42 | round(1, "floor") }}
{{ list | sum }} {{ docs | sum(attribute="score") }} {{ [] | sum }} {{ [1, 2] | sum(start=10) }} {{ [0.1, 0.2, 0.3] | sum }} {{ [[1], [2]] | sum(start=[]) }}
{{ list | min }} {{ list | max }} {{ ["b", "A"] | min }} {{ ["b", "A"] | max }} {{ people | max(attribute="age") }} {{ ["a", "B"] | max(case_sensitive=true) }} {{ [] | min | default("none") }}
{{ range(7) | batch(3) | list }} {{ range(7) | batch(3, "-") | list }} {{ [] | batch(2) | list }}
{{ range(7) | slice(3) | list }} {{ range(7) | slice(3, "-") | list }} {{ [1] | slice(2) | list }}
{{ d | dictsort }} {{ d | dictsort(case_sensitive=true) }} {{ d | dictsort(by="value", reverse=true) }} {{ d | dictsort(false, "value") }}
{{ d | items | list }} {% for k, v in d | items %}{{ k }}{{ v }}{% endfor %}
{% for city, ps in people | groupby("city") %}{{ city }}:{{ ps | map(attribute="name") | join("+") }} {% endfor %}
{% for g in people | groupby("age") %}{{ g.grouper }}={{ g.list | length }} {% endfor %}{% for g in people | groupby("city", case_sensitive=true) %}{{ g.grouper }} {% endfor %}
{% for g, xs in [{"a": 1}, {"b": 2}] | groupby("a", default=0) %}{{ g }}:{{ xs }} {% endfor %}{{ [{"a": 1}] | groupby("a") }}
{{ lines | indent }}|{{ lines | indent(2, true) }}|{{ lines | indent(2, blank=true) }}|{{ lines | indent(">> ", first=true) }}|{{ "" | indent }}|{{ "a" | indent(2, true) }}
{{ words | wordcount }} {{ "it's a-b" | wordcount }} {{ uni | wordcount }} {{ "" | wordcount }}
{{ "foo bar baz qux" | truncate(9) }} {{ "foo bar baz qux" | truncate(9, true) }} {{ "foo bar baz qux" | truncate(11) }} {{ "foo bar baz qux" | truncate(11, false, "...", 0) }} {{ uni | truncate(8, true, "…", 0) }} {{ "abcdefghijkl" | truncate(5, leeway=0) }} {{ "x" | truncate }}
{{ html | escape }} {{ html | e }} {{ html | e | e }} {{ html | safe }} {{ html | safe | e }} {{ html | e | forceescape }} {{ "<" | e + "<" }} {{ "<" + "<" | e }} {{ "<a>" | safe ~ "<b>" }} {{ 5 | e }}
{{ html | urlencode }} {{ {"a b": 1, "c": "ä/&"} | urlencode }} {{ "/path/ä ~x" | urlencode }} {{ [("a", 1), ("b", "2 3")] | urlencode }} {{ 5 | urlencode }}
{{ "%s is %d, %.2f|%5s|%-5s|%05d|%x|%%|%r" | format("x", 5, 2.345, "r", "l", 42, 255, "q") }} {{ "%(a)s" | format(a=1) }} {{ "%s %s" % (1, 2) }} {{ "%s" % 5 }} {{ "%e %g %G %+d % d %#x %o %c %i" | format(12345.678, 0.00001, 1e20, 5, 5, 255, 8, "z", 3.9) }} {{ "%.3s|%8.3f|%-8.1e|" | format("abcdef", 3.14159, 31415.9) }} {{ "%s" % [1, 2] }} {{ "%(k)s-%(j)d" % {"k": "v", "j": 2} }}
{{ "abc" | center(9) }}| {{ "ab" | center(5) }}| {{ "abcd" | center(5) }}|
{{ "x" is string }} {{ 1 is number }} {{ 1.0 is float }} {{ 1 is integer }} {{ true is integer }} {{ true is boolean }} {{ d is mapping }} {{ list is sequence }} {{ "s" is sequence }} {{ d is iterable }} {{ 5 is iterable }} {{ none is none }} {{ nothing is none }} {{ range(2) is iterable }} {{ 5 is sequence }} {{ true is number }}
{{ 3 is odd }} {{ 3 is even }} {{ 9 is divisibleby 3 }} {{ 9 is divisibleby(2) }} {{ true is true }} {{ 1 is true }} {{ false is false }} {{ 0 is false }} {{ 1 is not odd }}
{{ 1 is eq 1 }} {{ 1 is ne 2 }} {{ 1 is lt 2 }} {{ 2 is le 2 }} {{ 3 is gt 2 }} {{ 3 is ge 4 }} {{ 1 is equalto(1) }} {{ 1 is sameas 1 }} {{ 1 is in [1, 2] }} {{ 3 is not in [1, 2] }} {{ "a" is in "abc" }} {{ 2 is greaterthan 1 }} {{ 1 is lessthan 2 }} {{ true is sameas true }} {{ none is sameas false }}
{{ "abc" is lower }} {{ "ABC" is upper }} {{ "aB" is lower }} {{ "1" is upper }} {{ "<" | e is escaped }} {{ "upper" is filter }} {{ "nope" is filter }} {{ "odd" is test }} {{ range is callable }} {{ 5 is callable }}
{{ "aBc".upper() }} {{ "aBc".lower() }} {{ "aBc".swapcase() }} {{ "hello world it's".title() }} {{ "hELLO".capitalize() }} {{ " x ".strip() }}| {{ " x ".lstrip() }}| {{ " x ".rstrip() }}| {{ "xxaxx".strip("x") }} {{ "xya".lstrip("yx") }} {{ "axy".rstrip("xy") }}
{{ "abc".startswith("ab") }} {{ "abc".endswith("bc") }} {{ "abc".startswith(("x", "a")) }} {{ "abc".endswith("x") }} {{ "prefix-x".removeprefix("prefix-") }} {{ "x.md".removesuffix(".md") }}
{{ "a b  c".split() }} {{ "a,b,,c".split(",") }} {{ "a,b,c".split(",", 1) }} {{ "a b c d".split(None, 2) }} {{ "a,b,c".rsplit(",", 1) }} {{ "a b c".rsplit(None, 1) }} {{ "".split() }} {{ "".split(",") }} {{ "a\nb\r\nc".splitlines() }} {{ "a b c".split(maxsplit=1) }} {{ " x  y ".split(None, 1) }}
{{ "k=v=w".partition("=") }} {{ "k=v=w".rpartition("=") }} {{ "kv".partition("=") }} {{ "kv".rpartition("=") }}
{{ "a-b-a".replace("a", "x") }} {{ "a-b-a".replace("a", "x", 1) }} {{ ", ".join(["a", "b"]) }} {{ "-".join("abc") }}
{{ "hello".find("l") }} {{ "hello".find("z") }} {{ "hello".rfind("l") }} {{ "hello".index("e") }} {{ "hello".count("l") }} {{ "żółć".find("ć") }} {{ "abc".count("") }}
{{ "12".isdigit() }} {{ "ab".isalpha() }} {{ "a1".isalnum() }} {{ " ".isspace() }} {{ "".isdigit() }} {{ "é".isalpha() }} {{ "a ".isalpha() }}
{{ "7".zfill(3) }} {{ "-7".zfill(4) }} {{ "a".ljust(3) }}| {{ "a".rjust(3) }}| {{ "a".center(4) }}| {{ "a".center(4, "*") }} {{ "ab".center(5, "*") }} {{ "ab".rjust(4, "0") }}
{{ d.get("a") }} {{ d.get("zz") }} {{ d.get("zz", "dflt") }} {{ nested.get("k").get("l")[0] }} {{ list.index(1) }} {{ list.count(3) }}
{{ dict(a=1, b=2) }} {{ dict({"x": 1}, y=2) }} {{ dict([("a", 1), ("b", 2)]) }} {{ dict().items() }}
{% set c = cycler("a", "b") %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.reset() }}{{ c.next() }}
{% set j = joiner(" | ") %}{% for x in list %}{{ j() }}{{ x }}{% endfor %}
{{ docs | map(attribute="tags") | map("join", "+") | list }} {{ docs | map(attribute="text") | map("first") | join }}
{{ (docs | first).text }} {{ docs | map(attribute="score") | sum }} {{ (docs | selectattr("id", "equalto", "b#1") | first).text }}
{%- for d in docs %}
- {{ d.text }}{% if not loop.last %},{% endif %}
{%- endfor %}
{% if question is string and question | length > 3 and "order" in question %}ok{% endif %}
{% if not (no or n < 3) %}ok{% endif %}{% if n is odd and n is not even %}!{% endif %}
{{ "%.1f" | format(n / 2) }} {{ (n / 2) | round | int }} {{ n // 2 * 2 + n % 2 == n }}
{{ [1, 2, 3] == [1, 2, 3] }} {{ (1, 2) == [1, 2] }} {{ {"a": 1, "b": 2} == {"b": 2, "a": 1} }} {{ {"a": 1} == {"a": 1.0} }} {{ "a" != "b" }}
{{ [3, [1, "x"], {"k": (1,)}] }} {{ ["\u00e9", "\u2028", "😀", "a'b", 'a"b'] }}
{{ 10000000000 * 10 }} {{ big + 1 }} {{ 9223372036854775807 }} {{ -9223372036854775807 - 1 }} {{ big / 7 }}
{{ "tail" }}
{{ n }}   {{- "" }}
{% set x = "a" %}{% set x = x ~ "b" %}{{ x }}
{{ [docs[0].id, docs[1].id] | join(" and ") | upper | replace("#", "-") }}
{% for x in list | sort %}{{ x }}{{ ", " if not loop.last }}{% endfor %}
{% for i in range(3) %}{% for j in range(3) if j != i %}{{ i }}{{ j }} {% endfor %}{% endfor %}
{% macro row(x) -%}   [{{ x }}]   {%- endmacro %}{{ row(1) }}{{ row(2) }}
{%- macro sp() %} a {% endmacro -%} {{- sp() -}} .
{% set v = namespace(x=1) %}{% macro bump() %}{% set v.x = v.x + 1 %}{% endmacro %}{{ bump() }}{{ bump() }}{{ v.x }}
{{ nested.k.l | length }} {{ nested.k.l[1]["m"] | upper }} {{ nested["k"].l[1:] }}
{{ "a" in ["a"] and "b" not in ["a"] }} {{ 1 if "a" == "a" else 2 }}
{{ lines | trim | replace("\n", "\\n") }} {{ lines.strip().split("\n") | length }}
{{ words.split() | map("capitalize") | join(" ") }} {{ words.split(" ") }}
{{ html | replace("<", "&lt;") | length }} {{ html | string | length }} {{ html | upper }}
{{ "a|b" | replace("|", "/") }} {{ "{{" }} {{ '{%' }} {{ "{#" }} {{ "#}" }}
{{- "start" }} mid {{ "end" -}}
{% if yes -%} trimmed {%- endif %}
{{ none is none and none is not string }} {{ (none or "x") is string }}
{{ ("a", "b") | join("/") }} {{ ("a", "b")[1] }} {{ ("a", "b") | length }} {{ ("x") }} {{ (("x",)) }}
{{ {"a": 1}.a }} {{ {"a": 1}["a"] }} {{ [1, 2][0] }} {{ "abc"[1] }} {{ (1, 2)[1] }} {{ {"items": 5}["items"] }}
{{ 5 | default(1) + 1 }} {{ (missing | default(2)) * 3 }} {{ -3 | abs }} {{ (2 ** 2) | string ~ "x" }}
{{ true and "yes" or "no" }} {{ 1 if true }} {{ "" ~ (1 if false else "e") }}
{% for k, v in {"x": 1, "y": 2}.items() if v > 1 %}{{ k }}{% endfor %}
{% for x in (1, 2, 3) %}{% if loop.first %}F{% elif loop.last %}L{% else %}M{% endif %}{% endfor %}
{% for x in 1, 2 %}{{ x }}{% endfor %} {% for x in "ab", "cd" %}{{ x }}{% endfor %}
{% set items = docs | map(attribute="id") | list %}{{ items[0] }} {{ items | length }}
{% if "a#1" in docs | map(attribute="id") %}in{% endif %}
{% set x %}{% for i in range(2) %}{{ i }}{% endfor %}{% endset %}[{{ x }}]
{% for p in people | sort(attribute="name") %}{{ p.name }} {{ p.age }}{{ "; " if not loop.last else "." }}{% endfor %}
{% set total = namespace(v=0.0) %}{% for d in docs %}{% set total.v = total.v + d.score %}{% endfor %}{{ total.v }} {{ "%.2f" | format(total.v) }}
""".strip("\n")

# Templates that hold line ends at their sides, or several lines.
MORE = ["ends with newline\n", "{{ n }}\n", "\n\n{{ n }}\n\n", "{% if yes %}\n  x\n{% endif %}\n", "a\r\nb {{ n }}\r\nc\rd",
        "{% for x in list %}\n{{ x }}\n{% endfor %}", "{%- for x in list -%}\n  {{ x }}\n{%- endfor -%}\n", "  {{ n }}  \n  {{- n }}\n",
        "{#\n comment \n#}\nx", "{{\n  n\n  +\n  1\n}}", "{{ 'a\nb' }}", "\u00a0{{- n -}}\u3000x", "x{# c -#}\n\n y", "{{ lines }}",
        "{% set a = [\n 1,\n 2,\n] %}{{ a }}", "", " ", "\n", "{{ '' }}", "{% if no %}{% endif %}", "{ % not a tag % } { { x } } #} %} }}",
        "{{ {} }}{{ [] }}", "日本語{{ uni }}中文", "{% raw %}\n{{ x }}\n{% endraw %}\n", "{%- raw %} a {%- endraw %} b",
        "x\n{%- set y = 1 -%}\n{{ y }}", "<{% filter trim %}\n\n hi \n{% endfilter %}>"]


def write(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    print(path.name, len(rows))


def split_templates():
    """One template a line; a line that leaves a tag open, or whose next line closes a block, goes on."""
    environment = jinja2.Environment()
    pending = ""
    for line in TEMPLATES.split("\n"):
        pending = pending + "\n" + line if pending else line
        try:
            environment.parse(pending)
        except jinja2.TemplateSyntaxError:
            continue
        yield pending
        pending = ""
    assert not pending, pending


def language():
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    rows = []
    for source in [*split_templates(), *MORE]:
        rows.append({"template": source, "expected": environment.from_string(source).render(**ALL)})
    rows.insert(0, {"context": ALL})
    write(HERE / "jinja_golden.jsonl", rows)


TOOLS = [{"type": "function", "function": {"name": "get_weather", "description": "Weather <now> & 'later'",
          "parameters": {"type": "object", "properties": {"city": {"type": "string", "description": "The city."},
                         "days": {"type": "integer", "description": "How many days", "default": 1},
                         "unit": {"type": "string", "enum": ["C", "F"], "description": "unit"}}, "required": ["city"]}}}]
TALKS = {
    "user": {"messages": [{"role": "user", "content": " Hi, \"you\" <&> żółć 😀 "}], "add_generation_prompt": True},
    "system": {"messages": [{"role": "system", "content": "Be brief.\n"}, {"role": "user", "content": "2+2?"},
                            {"role": "assistant", "content": "<think>easy</think>4"}, {"role": "user", "content": "Sure?"}],
               "add_generation_prompt": True},
    "closed": {"messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}], "add_generation_prompt": False},
    "tools": {"messages": [{"role": "user", "content": "Weather in Oslo?"}], "tools": TOOLS, "add_generation_prompt": True,
              "functions": json.dumps(TOOLS), "datetime": "2024-07-26"},
    "call": {"messages": [{"role": "user", "content": "Weather in Oslo?"},
                          {"role": "assistant", "content": None, "tool_calls": [{"id": "abcd12345", "type": "function", "function": {"name": "get_weather", "arguments": {"city": "Oslo"}}}]},
                          {"role": "tool", "tool_call_id": "abcd12345", "name": "get_weather", "content": "{\"t\": 3}"},
                          {"role": "assistant", "content": "3 degrees."}, {"role": "user", "content": "Thanks"}],
             "tools": TOOLS, "add_generation_prompt": True, "functions": "[]", "datetime": "2024-07-26"},
    "call_text": {"messages": [{"role": "user", "content": "Weather in Oslo?"},
                               {"role": "assistant", "content": "", "tool_calls": [{"id": "abcd12345", "type": "function", "function": {"name": "get_weather", "arguments": "{\"city\": \"Oslo\"}"}}]},
                               {"role": "tool", "tool_call_id": "abcd12345", "name": "get_weather", "content": "{\"t\": 3}"}],
                  "tools": TOOLS, "add_generation_prompt": True, "functions": "[]", "datetime": "2024-07-26"},
    "documents": {"messages": [{"role": "user", "content": "Sum up."}], "documents": [{"title": "A", "text": "x"}], "enable_citations": True,
                  "add_generation_prompt": True, "functions": "[]", "datetime": "2024-07-26"},
    "dated": {"messages": [{"role": "user", "content": "Hi"}], "strftime_now": "26 Jul 2024", "add_generation_prompt": False},
    "clock": {"messages": [{"role": "system", "content": "  Be kind. "}, {"role": "user", "content": "Hi"}], "strftime_now": "2025-01-05T07:08:09",
              "add_generation_prompt": True},
    "images": {"messages": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is this?"}]},
                            {"role": "assistant", "content": "A cat."}, {"role": "user", "content": [{"type": "text", "text": "Sure?"}]}],
               "add_generation_prompt": True},
    "long": {"messages": [{"role": "system", "content": "S"}, *({"role": "user" if i % 2 == 0 else "assistant", "content": f"turn {i}\n  {'x' * i}"} for i in range(9))],
             "tools": TOOLS, "add_generation_prompt": False, "functions": "[]", "datetime": "2024-07-26"},
    "wrong": {"messages": [{"role": "assistant", "content": "I begin"}, {"role": "assistant", "content": "and go on"}, {"role": "nobody", "content": "?"}],
              "add_generation_prompt": True},
}


def clock(text):
    """strftime_now for a point in time; for other text a function that always gives it."""
    try:
        return datetime.datetime.fromisoformat(text).strftime
    except ValueError:
        return lambda _format: text


def chat(directory):
    def raise_exception(message):
        raise jinja2.TemplateError(message)

    def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols])
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    rows = []
    for path in sorted(pathlib.Path(directory).glob("*.jinja")):
        template = environment.from_string(path.read_text(encoding="utf-8"))
        for name, talk in TALKS.items():
            scope = {"bos_token": "<s>", "eos_token": "</s>", **talk}
            row = {"file": path.name, "talk": name, "scope": scope}
            variables = dict(scope)
            if "strftime_now" in variables:
                variables["strftime_now"] = clock(scope["strftime_now"])
            try:
                row["expected"] = template.render(**variables)
            except Exception as error:
                row["fails"] = str(error)
            rows.append(row)
    write(HERE / "chat_templates_golden.jsonl", rows)
    print("renders", sum("expected" in row for row in rows), "fails", sum("fails" in row for row in rows))


if __name__ == "__main__":
    language()
    if len(sys.argv) > 1:
        chat(sys.argv[1])
